"""What the program is built from: advisories, and the page that says why each dependency is trusted."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import debian

ROOT = debian.SOURCES
DEPENDENCIES = tomllib.loads((ROOT / "Cargo.toml").read_text())["dependencies"]
DAY = 86400

sys.path.insert(0, str(ROOT / "tests"))
import advisories  # noqa: E402

ADVISORY = """\
```toml
[advisory]
id = "{id}"
package = "{package}"
date = "2026-01-01"
{more}

[versions]
patched = {patched}
unaffected = ["< 1.0.0"]
```

# It breaks
"""


@pytest.fixture
def database(tmp_path: Path) -> Callable[..., Path]:
    """Makes a database of invented advisories."""
    folder = tmp_path / "advisory-db"

    def git(*arguments: str, **variables: str) -> None:
        named = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", folder, *named, *arguments], env={**os.environ, **variables}, check=True, capture_output=True)

    def make(*written: dict[str, Any], made: str = "2026-06-01T00:00:00Z") -> Path:
        for advisory in written:
            file = folder / "crates" / advisory["package"] / f"{advisory['id']}.md"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(ADVISORY.format(**{"patched": '[">= 1.2.3"]', "more": ""} | advisory))
        git("init", "--quiet")
        git("add", ".")
        git("commit", "--quiet", "--message=a", GIT_COMMITTER_DATE=made)
        return folder

    return make


def one(number: int, package: str, **fields: str) -> dict[str, str]:
    return {"id": f"RUSTSEC-2026-{number:04}", "package": package, **fields}


def locked(**versions: str) -> list[dict[str, Any]]:
    return [{"name": name, "version": version, "source": "registry"} for name, version in versions.items()]


def check(database: Path, packages: list[dict[str, Any]], days: int = 1, ignore: list[str] | None = None) -> list[str]:
    """What is found, some days after the database was made."""
    rules = {"ignore": [{"id": id} for id in ignore or []], "maximum-db-staleness": "P90D"}
    made = int(subprocess.check_output(["git", "-C", database, "log", "-1", "--format=%ct"]))
    return advisories.check(database, packages, rules, made + days * DAY)[1]


def test_a_version_that_is_known_to_be_bad_is_found(database: Callable[..., Path]) -> None:
    folder = database(one(1, "broken"), one(2, "broken", patched="[]", more='informational = "unmaintained"'))
    assert check(folder, locked(broken="1.2.2", other="1.2.2")) == [
        "RUSTSEC-2026-0001: broken 1.2.2: a vulnerability; patched: >= 1.2.3",
        "RUSTSEC-2026-0002: broken 1.2.2: unmaintained; patched: none",
    ]
    assert len(check(folder, locked(broken="1.2.3-rc.1"))) == 2
    assert len(check(folder, locked(broken="1.2.3"))) == 1
    assert check(folder, locked(broken="0.9.9")) == []
    assert check(folder, [{"name": "broken", "version": "1.2.2"}]) == [], "it is no crate of a registry"


def test_a_withdrawn_advisory_says_nothing_and_an_ignored_one_must_exist(database: Callable[..., Path]) -> None:
    folder = database(one(1, "broken", more='withdrawn = "2026-02-01"'), one(2, "broken"))
    bad = locked(broken="1.0.0")
    assert [line[:17] for line in check(folder, bad)] == ["RUSTSEC-2026-0002"]
    assert check(folder, bad, ignore=["RUSTSEC-2026-0002"]) == []
    [unknown] = check(folder, bad, ignore=["RUSTSEC-2026-0002", "RUSTSEC-2026-0003"])
    assert unknown.startswith("RUSTSEC-2026-0003 is ignored")


def test_an_old_copy_is_a_fault_of_its_own(database: Callable[..., Path]) -> None:
    folder = database(one(1, "broken"))
    assert check(folder, [], days=90) == []
    assert check(folder, [], days=91) == ["the copy is of 2026-06-01, 91 days old: get a newer one with --fetch"]


@pytest.mark.parametrize(
    ("requirement", "inside", "outside"),
    [
        (">= 1.2.3, < 2", "1.2.3 1.9.0 2.0.0-rc.1", "1.2.2 2.0.0 1.2.3-rc.1"),
        ("^1.2.3", "1.2.3 1.9.9", "1.2.2 2.0.0 2.0.0-rc.1"),
        ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.2 0.0.4"),
        ("0.3", "0.3.0 0.3.9", "0.2.9 0.4.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3.0"),
        ("=1.2.3", "1.2.3 1.2.3+build", "1.2.4"),
        ("> 1.2.3", "1.2.4", "1.2.3"),
        ("<= 1.2.3-rc.2", "1.2.3-rc.1 1.2.3-alpha 1.2.2", "1.2.3-rc.10 1.2.3"),
    ],
)
def test_a_requirement_is_met_as_cargo_means_it(requirement: str, inside: str, outside: str) -> None:
    for version, expected in [(text, True) for text in inside.split()] + [(text, False) for text in outside.split()]:
        assert advisories.meets(advisories.parsed(version)[0], requirement) is expected, version


def test_without_a_copy_the_check_says_so_and_fails_where_it_is_required(tmp_path: Path) -> None:
    for option, code in [("--lock=Cargo.lock", 0), ("--required", 1)]:
        done = subprocess.run(
            [ROOT / "tests/advisories.py", option],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "TRANSIRE_ADVISORY_DB": str(tmp_path / "none")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "NOT CHECKED" in done.stdout + done.stderr) == (code, True)


@pytest.mark.parametrize("broken", [None, "no toml", '```toml\n[advisory]\nid = "x"\n```\n'])
def test_a_database_that_can_not_be_read_is_a_failure(database: Callable[..., Path], broken: str | None) -> None:
    folder = database(one(1, "broken"))
    if broken is None:
        folder = folder / "crates"
        (folder / ".git").write_text("nothing")
    else:
        (folder / "crates/broken/RUSTSEC-2026-0001.md").write_text(broken)
        subprocess.run(["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qam", "b"], check=True)
    with pytest.raises(advisories.Unreadable):
        advisories.check(folder, [], {"ignore": [], "maximum-db-staleness": "P90D"}, 0)


# --- the page --------------------------------------------------------------------------------------------------------


def rows() -> list[list[str]]:
    _, section = (ROOT / "docs/dependencies.md").read_text().split("## Direct dependencies")
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    table = [[cell.strip() for cell in line] for line in lines]
    assert all(len(row) == 5 and all(row) for row in table), "a cell is empty"
    return table


def test_the_page_has_each_direct_dependency_and_no_other() -> None:
    names = [row[0].strip("`") for row in rows()]
    assert names == sorted(DEPENDENCIES)


def test_each_direct_dependency_is_used() -> None:
    sources = "\n".join(file.read_text() for file in [*(ROOT / "src").rglob("*.rs"), ROOT / "build.rs"])
    unused = [name for name in DEPENDENCIES if not re.search(rf"\b{name.replace('-', '_')}\s*(::|;| as )", sources)]
    assert unused == []


def test_what_the_page_says_of_unsafe_code_is_so() -> None:
    """A crate that the page calls free of unsafe code has none, and is linked to no library in C."""
    manifest = f"--manifest-path={ROOT / 'Cargo.toml'}"
    command = ["cargo", "metadata", manifest, "--format-version=1", "--locked", "--offline", "--all-features"]
    graph = json.loads(debian.run(*command, environment=debian.CARGO))
    [root] = [node for node in graph["resolve"]["nodes"] if node["id"] == graph["resolve"]["root"]]
    direct = {dependency["pkg"] for dependency in root["deps"]}
    # Two versions of a crate may be locked.
    taken = [package for package in graph["packages"] if package["id"] in direct]
    folders = {package["name"]: Path(package["manifest_path"]).parent for package in taken}
    claimed = {row[0].strip("`"): row[3].split(";")[0].split(":")[0] for row in rows()}
    assert set(claimed.values()) == {"none", "some", "C"}
    wrong = []
    for name, claim in claimed.items():
        sources = [file.read_text() for file in (folders[name] / "src").rglob("*.rs")]
        has = any(re.search(r"\bunsafe *(\{|fn|impl|extern)", re.sub(r"//.*", "", source)) for source in sources)
        if has != (claim != "none"):
            wrong.append(f"{name}: the page says {claim}")
    assert wrong == []
