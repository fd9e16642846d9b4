"""The examples of the documents, as their readers copy them."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Block:
    """A block of a document, below its nearest heading."""

    heading: str
    language: str
    text: str

    def commands(self) -> str:
        """The commands of a block that shows a prompt."""
        lines = self.text.splitlines()
        assert lines[0].startswith("$ "), self.text
        return "\n".join(line.removeprefix("$ ") for line in lines) + "\n"

    def objects(self) -> list[Any]:
        """The YAML documents of the block."""
        return list(yaml.safe_load_all(self.text))


def blocks(document: str) -> list[Block]:
    """All blocks of a document, in their order."""
    found, heading, open_ = [], "", None
    lines: list[str] = []
    for line in (_ROOT / document).read_text().splitlines():
        if fence := re.fullmatch(r"```(\w*)", line):
            if open_ is None:
                open_, lines = fence[1], []
            else:
                found.append(Block(heading, open_, "\n".join(lines) + "\n"))
                open_ = None
        elif open_ is not None:
            lines.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    assert open_ is None, f"{document}: a block has no end"
    return found


class Shell:
    """A shell in a folder of its own, whose programs are these."""

    def __init__(self, folder: Path, programs: Mapping[str, Path]) -> None:
        self.folder = folder
        self._programs = folder / "bin"
        self._programs.mkdir(parents=True)
        for name, program in programs.items():
            (self._programs / name).symlink_to(program)

    def add(self, name: str, script: str) -> None:
        """Puts a program of the platform in the path."""
        file = self._programs / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def does(self, commands: str, changes: Mapping[str, str], environment: Mapping[str, str]) -> str:
        """Runs commands of a document with these texts in place of the examples', and returns what they print."""
        for documented, here in changes.items():
            commands = commands.replace(documented, here)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": f"{self._programs}:{os.environ['PATH']}", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{commands}\n{done.stderr}"
        return done.stdout
