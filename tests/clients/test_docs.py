"""Every block of every page is run by a test, or the page says above it why not."""

import ast
import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from credential import Credential, exchange
from documents import TAKEN, Block, Shell, blocks, pages, take, take_one
from processes import wait_until
from service import Transire

PROXIES = "docs/proxies.md"
SETTINGS = [*take(PROXIES, "Run behind a proxy", "toml"), *take(PROXIES, "Allow user interfaces in a browser", "toml")]
LOG = take_one("docs/observability.md", "The log", "json")
# Those that take blocks.
MODULES = [
    module
    for module in sorted(Path(__file__).parent.glob("*.py"))
    if re.search(r"^(from|import) documents\b", module.read_text(), re.MULTILINE)
]


def test_every_block_is_run_or_says_why_not() -> None:
    """A module takes its blocks while it loads."""
    for module in MODULES:
        importlib.import_module(module.stem)
    all_blocks = [block for page in pages() for block in blocks(page)]
    assert len(all_blocks) > 80
    missed = [str(block) for block in all_blocks if block not in TAKEN and not block.not_run]
    assert missed == [], "take each by `documents.take` in a test, or write `<!-- not run: REASON -->` right above it"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_module_uses_each_block_that_it_takes(module: Path) -> None:
    tree = ast.parse(module.read_text())
    taking = (part for part in tree.body if isinstance(part, ast.Assign) and re.search(r"\btake(_one)?\(", ast.unparse(part.value)))
    names = (name for part in taking for target in part.targets for name in ast.walk(target))
    taken = {name.id for name in names if isinstance(name, ast.Name)}
    used = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load)}
    assert taken - used == set()


def test_a_comment_right_above_a_block_says_why_it_is_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        "# One\n\n<!-- not run: it is endless -->\n```\n$ yes\n```\n```\n$ ls \\\n    -l\nfile\n$ id\n```\n"
        "1. A list\n\n   ```sh\n   true\n   ```\n"
    )
    monkeypatch.setattr("documents._ROOT", tmp_path)
    endless, listed, indented = blocks("page.md")
    assert [endless.not_run, listed.not_run, indented.not_run] == ["it is endless", None, None]
    assert listed.steps() == [("ls \\\n    -l\n", "file\n"), ("id\n", "")]
    assert (indented.heading, indented.language, indented.commands()) == ("One", "sh", "true\n")
    taken = set(TAKEN)
    assert take("page.md", "One") == [listed]
    TAKEN.intersection_update(taken)


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_the_settings_of_a_page_are_accepted(new_transire: Callable[..., Transire], tmp_path: Path, block: Block) -> None:
    settings = Shell(tmp_path / "operator", {}).write("transire.toml", block, {})
    checked = new_transire().run("config", "check", "--config", settings)
    assert checked.returncode == 0, checked.stderr


def test_a_line_of_the_log_has_the_documented_fields(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings={"TRANSIRE_LOG__FORMAT": "json"})
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    assert exchange(transire.realm, instance, Credential("nobody", "passwordEXAMPLE", 0)).status == 401
    (documented,) = LOG.objects()

    def refused() -> Any:
        lines = [json.loads(line) for line in transire.log.read_text().splitlines()]
        return next((line for line in lines if line["message"] == "refused"), None)

    line = wait_until("the refusal in the log", refused)
    differing = {"time", "request_id", "address"}
    assert list(line) == list(documented)
    assert {name: value for name, value in line.items() if name not in differing} == {
        name: value for name, value in documented.items() if name not in differing
    }
