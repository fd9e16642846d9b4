#!/usr/bin/env python3
"""Checks Cargo.lock against a copy of the RustSec advisory database.

    tests/advisories.py               checks against the copy; without one it says so, and succeeds
    tests/advisories.py --required    fails without a copy
    tests/advisories.py --fetch       gets a copy, or a newer one, with git; then as --required

The copy is a git repository at target/advisory-db, or where TRANSIRE_ADVISORY_DB says. Its date is that of its last commit.
deny.toml says where it comes from, how old it may be, and which advisories are known not to matter. Needs Python 3.11 and git.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")
_COMPARISON = re.compile(r"(>=|<=|>|<|=|\^|~)?\s*(.+)")

# A version: its numbers, then 0 and the identifiers of a pre-release, or 1 (semver.org, 11).
Version = tuple[tuple[int, ...], int, tuple[tuple[int, int, str], ...]]


class Unreadable(Exception):
    """The database, or an advisory in it, isn't of the form that this reads."""


def parsed(text: str) -> tuple[Version, int]:
    """A version, and how many of its numbers are given."""
    found = _VERSION.fullmatch(text.strip())
    if not found:
        raise Unreadable(f"{text!r} is no version")
    numbers = [int(number) for number in found.groups()[:3] if number]
    identifiers = found[4].split(".") if found[4] else []
    before = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in identifiers)
    return ((*numbers, *[0] * (3 - len(numbers))), 0 if before else 1, before), len(numbers)


def _next(numbers: tuple[int, ...], place: int) -> Version:
    """The first version in which the number at a place is higher. Its pre-releases count as before it."""
    return (*numbers[:place], numbers[place] + 1, *[0] * (2 - place)), 0, ()


def meets(version: Version, requirement: str) -> bool:
    """Tells whether a version meets a requirement such as `>= 1.2.3, < 2`."""

    def one(comparison: str) -> bool:
        found = _COMPARISON.fullmatch(comparison.strip())
        if not found:
            raise Unreadable(f"{requirement!r} is no requirement")
        bound, given = parsed(found[2])
        match found[1] or "^":
            case ">=":
                return version >= bound
            case ">":
                return version > bound
            case "<":
                return version < bound
            case "<=":
                return version <= bound
            case "=":
                return version == bound
            case "~":
                return bound <= version < _next(bound[0], min(given, 2) - 1)
        numbers = bound[0]
        # The first number that isn't zero may not change, or the last one that is given.
        place = next((place for place in range(given) if numbers[place]), given - 1)
        return bound <= version < _next(numbers, place)

    return all(one(comparison) for comparison in requirement.split(","))


def git(database: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", database, *arguments], capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Unreadable(f"{database} is no git repository that can be read: {done.stderr.decode().strip()}")
    return done.stdout


def advisories(database: Path) -> Iterator[dict[str, Any]]:
    """The advisories about crates, as their TOML says."""
    archive = io.BytesIO(git(database, "archive", "--format=tar", "HEAD", "crates"))
    with tarfile.open(fileobj=archive) as files:
        for member in files:
            name = Path(member.name)
            if not member.isfile() or not re.fullmatch(r"RUSTSEC-\d+-\d+\.md", name.name):
                continue
            content = files.extractfile(member)
            assert content
            found = _TOML.search(content.read().decode())
            try:
                read = tomllib.loads(found[1]) if found else {}
                yield {"versions": {}, **read, "id": read["advisory"]["id"], "package": read["advisory"]["package"]}
            except (tomllib.TOMLDecodeError, KeyError) as error:
                raise Unreadable(f"{name} is no advisory: {error}") from error


def matching(locked: list[dict[str, Any]], known: Iterator[dict[str, Any]], ignored: set[str]) -> list[str]:
    """One line for each locked crate that an advisory is about."""
    versions: dict[str, list[str]] = {}
    for package in locked:
        # A crate of this project may share a name with one of the registry.
        if "source" in package:
            versions.setdefault(package["name"], []).append(package["version"])
    found, seen = [], set()
    for advisory in known:
        seen.add(advisory["id"])
        if advisory["id"] in ignored or "withdrawn" in advisory["advisory"]:
            continue
        safe = [*advisory["versions"].get("patched", []), *advisory["versions"].get("unaffected", [])]
        for version in versions.get(advisory["package"], []):
            if not any(meets(parsed(version)[0], requirement) for requirement in safe):
                kind = advisory["advisory"].get("informational", "a vulnerability")
                patched = " or ".join(advisory["versions"].get("patched", [])) or "none"
                found.append(f"{advisory['id']}: {advisory['package']} {version}: {kind}; patched: {patched}")
    found += [f"{one} is ignored in deny.toml, and the database doesn't have it" for one in sorted(ignored - seen)]
    if not seen:
        raise Unreadable("the database has no advisory")
    return sorted(found)


def days(duration: str) -> int:
    """The days of a duration such as `P90D`: the form that cargo-deny takes."""
    found = re.fullmatch(r"P(\d+)D", duration)
    if not found:
        raise Unreadable(f"{duration!r}: write it like P90D")
    return int(found[1])


def fetch(database: Path, url: str) -> None:
    if not database.exists():
        subprocess.run(["git", "clone", "--quiet", "--bare", "--depth=1", url, database], check=True)
        return
    git(database, "fetch", "--quiet", "--depth=1", url, "+HEAD:refs/heads/newest")
    git(database, "symbolic-ref", "HEAD", "refs/heads/newest")


def check(database: Path, locked: list[dict[str, Any]], rules: dict[str, Any], now: float) -> tuple[str, list[str]]:
    """The copy's date, and what is wrong by it; a copy that is too old is wrong, too."""
    made = int(git(database, "log", "-1", "--format=%ct"))
    ignored = {entry["id"] for entry in rules["ignore"]}
    found = matching(locked, advisories(database), ignored)
    date, age = time.strftime("%Y-%m-%d", time.gmtime(made)), int((now - made) // 86400)
    if age > days(rules["maximum-db-staleness"]):
        found.append(f"the copy is of {date}, {age} days old: get a newer one with --fetch")
    return date, found


def main() -> None:
    parser = argparse.ArgumentParser(description="Checks Cargo.lock against the RustSec advisory database.")
    parser.add_argument("--fetch", action="store_true", help="get a copy of the database, or a newer one")
    parser.add_argument("--required", action="store_true", help="fail without a copy")
    parser.add_argument("--lock", type=Path, default=ROOT / "Cargo.lock")
    parser.add_argument("--rules", type=Path, default=ROOT / "deny.toml")
    options = parser.parse_args()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    database = Path(os.environ.get("TRANSIRE_ADVISORY_DB", target / "advisory-db"))
    rules = tomllib.loads(options.rules.read_text())["advisories"]
    try:
        if options.fetch:
            fetch(database, rules["db-urls"][0])
        if not database.exists():
            said = f"advisories: NOT CHECKED: there is no copy of the database at {database}; --fetch gets one"
            sys.exit(said if options.required else print(said))
        locked = tomllib.loads(options.lock.read_text())["package"]
        date, found = check(database, locked, rules, time.time())
    except (Unreadable, subprocess.CalledProcessError) as error:
        sys.exit(f"advisories: {error}")
    for line in found:
        print(f"advisories: {line}", file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"advisories: {len(locked)} packages, none with an advisory in the database of {date}")


if __name__ == "__main__":
    main()
