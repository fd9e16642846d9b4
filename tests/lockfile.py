#!/usr/bin/env python3
"""Checks Cargo.lock against deny.toml: banned crates, licences, sources; and the sources of fuzz/Cargo.lock.

The rules stand in deny.toml alone; this reads the parts of it that need no network, so that everybody can check them
in a second. Needs the locked crates on the machine (`cargo fetch --locked`), Python 3.11 and nothing else.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# What Cargo.lock calls the default registry, however it is reached. A mirror or a fork has another name.
DEFAULT_REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def cargo(*arguments: str) -> str:
    command = ["cargo", *arguments, "--locked", "--offline", "--all-features"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"{done.stderr.strip()}\n\nlockfile: cargo can't read the lock file offline; `cargo fetch --locked` first")
    return done.stdout


def metadata() -> dict[str, Any]:
    """Everything Cargo.lock names, for all targets and features."""
    return json.loads(cargo("metadata", "--format-version", "1"))


def built() -> set[tuple[str, str]]:
    """Name and version of all that some build takes.

    Cargo.lock names more: a feature `ring?/alloc` puts ring there even where nothing switches ring on.
    """
    lines = cargo("tree", "--target", "all", "--edges", "all", "--prefix", "none", "--format", "{p}").splitlines()
    words = [line.split() for line in lines]
    return {(line[0], line[1].removeprefix("v")) for line in words if len(line) > 1}


def licence_allowed(expression: str, allowed: set[str]) -> bool:
    """Evaluates an SPDX expression; `/` is the old way to write OR."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either() -> bool:
        result = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = both() or result
        return result

    def both() -> bool:
        result = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = one() and result
        return result

    def one() -> bool:
        name = tokens.pop(0)
        if name == "(":
            result = either()
            tokens.pop(0)
            return result
        if tokens and tokens[0] == "WITH":
            tokens.pop(0)
            name = f"{name} WITH {tokens.pop(0)}"
        return name in allowed

    try:
        return either() and not tokens
    except IndexError:
        return False


def violations(graph: dict[str, Any], taken: set[tuple[str, str]], rules: dict[str, Any]) -> list[str]:
    """One line for each rule broken."""
    names = {package["id"]: package["name"] for package in graph["packages"]}
    dependents: defaultdict[str, set[str]] = defaultdict(set)
    for node in graph["resolve"]["nodes"]:
        for dependency in node["deps"]:
            dependents[names[dependency["pkg"]]].add(names[node["id"]])

    bans = {ban["crate"]: ban for ban in rules["bans"]["deny"]}
    allowed = set(rules["licenses"]["allow"])
    found = []
    for package in graph["packages"]:
        name, version, source, licence = package["name"], package["version"], package["source"], package["license"]
        if (ban := bans.get(name)) and (name, version) in taken:
            intruders = sorted(dependents[name] - set(ban.get("wrappers", [])))
            if intruders or "wrappers" not in ban:
                found.append(f"{name} {version} is banned ({ban['reason']}); wanted by {', '.join(intruders) or 'nobody'}")
        if source not in (None, DEFAULT_REGISTRY):
            found.append(f"{name} {version} comes from {source}, not from the default registry")
        if not licence_allowed(licence or "", allowed):
            found.append(f"{name} {version} has the licence {licence!r}, which deny.toml doesn't allow")
    return found


def foreign(lock: Path) -> list[str]:
    """One line for each package of a lock file that comes from elsewhere than the default registry."""
    packages = tomllib.loads(lock.read_text())["package"]
    sources = {package["name"]: package.get("source", DEFAULT_REGISTRY) for package in packages}
    return [f"{lock.name}: {name} comes from {source}" for name, source in sources.items() if source != DEFAULT_REGISTRY]


def main() -> None:
    graph = metadata()
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    found = violations(graph, built(), rules) + foreign(ROOT / "fuzz/Cargo.lock")
    for line in found:
        print(f"lockfile: {line}", file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"lockfile: {len(graph['packages'])} packages, no banned crate, licences and sources allowed")


if __name__ == "__main__":
    main()
