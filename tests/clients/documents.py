"""The examples of the documents, as their readers copy them.

A test takes a block by its page and heading while its module loads. So `test_docs.py` knows each block that no test takes.
A block that none can run has a line `<!-- not run: REASON -->` right above it.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from processes import Daemon

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Block:
    """A block of a page, below its nearest heading."""

    page: str
    line: int
    heading: str
    language: str
    text: str
    not_run: str | None

    def __str__(self) -> str:
        return f"{self.page}, line {self.line}, below {self.heading!r}"

    def steps(self) -> list[tuple[str, str]]:
        """Its commands, each with the output that is shown for it; without a prompt every line is of a command."""
        prompts = tuple(prompt for prompt in ("$ ", "# ") if self.text.startswith(prompt))
        steps: list[tuple[str, str]] = []
        is_continued = False
        for line in self.text.splitlines(keepends=True):
            if is_continued:
                steps[-1] = (steps[-1][0] + line, "")
            elif line.startswith(prompts) if prompts else line.strip():
                steps.append((line.removeprefix(prompts[0]) if prompts else line, ""))
            else:
                command, shown = steps[-1]
                steps[-1] = (command, shown + line)
                continue
            is_continued = line.endswith("\\\n")
        return steps

    def commands(self) -> str:
        """Its commands, without what is shown for them."""
        return "".join(command for command, _ in self.steps())

    def objects(self) -> list[Any]:
        """The YAML documents of the block."""
        return list(yaml.safe_load_all(self.text))


# All blocks that tests have taken.
TAKEN: set[Block] = set()


def pages() -> list[str]:
    """All pages whose blocks are run."""
    found = [_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    found += [page for folder in ("docs", "packaging", "contrib") for page in sorted((_ROOT / folder).rglob("*.md"))]
    return [str(page.relative_to(_ROOT)) for page in found]


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in their order."""
    found, heading, before, text = [], "", "", ""
    begin: re.Match[str] | None = None
    for number, line in enumerate((_ROOT / page).read_text().splitlines(keepends=True), 1):
        if begin and line.strip() == "```":
            reason = re.fullmatch(r"<!-- not run: (.+) -->", before)
            indent = re.compile(rf"^{begin[1]}", re.MULTILINE)
            found.append(Block(page, opened, heading, begin[2], indent.sub("", text), reason and reason[1]))
            begin, before = None, ""
        elif begin:
            text += line
        elif fence := re.fullmatch(r"( *)```(.*)\n", line):
            begin, opened, text = fence, number, ""
        else:
            heading = line.strip("# \n") if line.startswith("#") else heading
            before = line.strip()
    assert begin is None, f"{page}: a block has no end"
    return found


def take(page: str, heading: str, language: str = "") -> list[Block]:
    """The blocks of this language below a heading, for a test that runs them; those that can't be run are left out."""
    found = [block for block in blocks(page) if (block.heading, block.language, block.not_run) == (heading, language, None)]
    assert found, f"{page} has no block to run of the language {language!r} below {heading!r}"
    TAKEN.update(found)
    return found


def take_one(page: str, heading: str, language: str = "") -> Block:
    """The one block of this language below a heading."""
    (block,) = take(page, heading, language)
    return block


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

    def write(self, name: str, block: Block, changes: Mapping[str, str]) -> Path:
        """Writes a block of a document as a file, with these texts in place of the examples'."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_changed(block.text, changes))
        return file

    def does(self, commands: str, changes: Mapping[str, str], environment: Mapping[str, str], stdin: str = "") -> str:
        """Runs commands of a document with these texts in place of the examples', and returns what they print."""
        commands = _changed(commands, changes)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self._environment(environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            # Without a terminal a program asks for a password on its standard input.
            start_new_session=True,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    def answers(self, block: Block, changes: Mapping[str, str], environment: Mapping[str, str]) -> list[tuple[str, str]]:
        """Runs a block, and returns for each command the output that is shown and the one that it prints."""
        commands, shown = zip(*block.steps(), strict=True)
        printed = self.does("printf '\\36'\n".join(commands), changes, environment).split("\36")
        return [(_changed(text, changes), here) for text, here in zip(shown, printed, strict=True)]

    def serves(self, command: str, changes: Mapping[str, str], environment: Mapping[str, str]) -> Daemon:
        """Starts a command that serves and announces its address."""
        # The shell becomes the program, which can then be told to end.
        script = f"exec env {_changed(command, changes)}"
        log = self.folder / "serve.log"
        return Daemon(["bash", "-euc", script], self.folder, log, self._environment(environment), announces=True)

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        whole = {"HOME": str(self.folder), "PATH": os.environ["PATH"], **more}
        return whole | {"PATH": f"{self._programs}:{whole['PATH']}"}


def _changed(text: str, changes: Mapping[str, str]) -> str:
    for documented, here in changes.items():
        text = text.replace(documented, here)
    return text
