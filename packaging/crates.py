"""The crates that are linked into the program: those of `cargo tree`, without build and test dependencies."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_EDGES = "--edges=normal,no-proc-macro"


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments, "--locked"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def _crates(lines: list[str]) -> list[tuple[str, str]]:
    """Name and version of each line `NAME vVERSION …`."""
    return [(line.split()[0], line.split()[1].removeprefix("v")) for line in lines if line]


def linked() -> list[dict[str, Any]]:
    """What cargo says of each of them, by name and version."""
    wanted = set(_crates(cargo("tree", _EDGES, "--prefix=none", "--format={p}").splitlines()))
    wanted = {crate for crate in wanted if crate[0] != "transire"}
    [host] = re.findall(r"^host: (.+)$", subprocess.check_output(["rustc", "-vV"], text=True), re.MULTILINE)
    # Crates for other platforms aren't downloaded.
    packages = json.loads(cargo("metadata", f"--filter-platform={host}", "--format-version=1"))["packages"]
    found = [package for package in packages if (package["name"], package["version"]) in wanted]
    assert len(found) == len(wanted), "cargo tree and cargo metadata differ"
    return sorted(found, key=lambda package: (package["name"], package["version"]))


def needs() -> dict[tuple[str, str], set[tuple[str, str]]]:
    """Of the program, and of each linked crate, the crates that it needs itself."""
    graph: dict[tuple[str, str], set[tuple[str, str]]] = {}
    above: list[tuple[str, str]] = []
    # Each line begins with its depth.
    for line in cargo("tree", _EDGES, "--no-dedupe", "--prefix=depth", "--format= {p}").splitlines():
        depth, _, rest = line.partition(" ")
        [crate] = _crates([rest])
        del above[int(depth) :]
        graph.setdefault(crate, set())
        if above:
            graph[above[-1]].add(crate)
        above.append(crate)
    return graph
