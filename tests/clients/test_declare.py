"""Files that say what there is: `transire apply` and `transire export`, by the lines of docs/declare.md and beyond."""

import json
from pathlib import Path
from typing import Any

import pytest

from documents import Shell, take, take_one
from service import Transire

PAGE = "docs/declare.md"
STATE = take_one(PAGE, "Apply a file", "toml")
APPLY = take_one(PAGE, "Apply a file", "console")
EXPORT = take_one(PAGE, "Export the state", "console")
ACCOUNT = "100000000001"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    file = tmp_path / "state.toml"
    file.write_text(STATE.text)
    return file


def line_of(place: str, text: str = STATE.text) -> int:
    return text[: text.index(place)].count("\n") + 1


def steps(report: dict[str, Any]) -> list[str]:
    return [f"{step['action']} {step['noun']} {step['name']}" for step in report["steps"]]


def test_the_documented_file_is_applied_once_and_exported(transire: Transire, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "operator", {"transire": transire.binary})
    shell.write("state.toml", STATE, {})
    (_, looked), (_, applied), (none, again) = shell.answers(APPLY, {}, transire.operator)
    assert again == none
    assert looked.startswith(f"+ {ACCOUNT} account {ACCOUNT}\n    name: acme\n+ {ACCOUNT} policy pull-team\n")
    assert f"\n+ {ACCOUNT} user alice to group developers\n" in looked
    assert f"\n+ {ACCOUNT} namespace main/team\n" in looked
    assert applied.startswith(looked), "the steps are shown before they are made"
    (_, written), (none, left) = shell.answers(EXPORT, {}, transire.operator)
    assert left == none
    exported = (shell.folder / "state.toml").read_text()
    assert 'name = "pull-team"\ndocument = \'\'\'\n{"version": "2.0"' in exported
    assert transire.run("apply", "-f", shell.folder / "state.toml").returncode == 0


def test_what_is_applied_works_and_is_in_the_audit(transire: Transire, state: Path) -> None:
    report = transire.cli("apply", "--file", state)
    assert report["made"] == len(report["steps"]) == 11
    instance = transire.items("instance", "list")[0]
    resource = f"{instance['tcr_id']}/team/app"
    assert transire.explain(f"{ACCOUNT}:user/alice", "pull", resource, "--ip", "192.0.2.1")["decision"] == "allowed"
    assert transire.explain(f"{ACCOUNT}:user/alice", "pull", resource, "--ip", "198.51.100.1")["decision"] == "denied"
    actions = [line["action"] for line in transire.items("audit", "list", "--since", "1h")]
    for action in ("account.create", "policy.attach", "group.add", "role.create", "instance.create", "allow-list.add", "namespace.create"):
        assert action in actions


def test_a_dry_run_makes_nothing_and_may_say_by_its_status_whether_it_would(transire: Transire, state: Path) -> None:
    looked = transire.cli("apply", "-f", state, "--dry-run")
    assert (looked["made"], len(looked["steps"])) == (0, 11)
    assert transire.items("account", "list") == []
    assert transire.run("apply", "-f", state, "--dry-run", "--exit-code").returncode == 1
    transire.cli("apply", "-f", state)
    assert transire.run("apply", "-f", state, "--dry-run", "--exit-code").returncode == 0
    state.write_text("accounts = 1")
    assert transire.run("apply", "-f", state, "--dry-run", "--exit-code").returncode == 2


def test_a_change_of_the_file_is_the_only_step(transire: Transire, state: Path) -> None:
    transire.cli("apply", "-f", state)
    state.write_text(STATE.text.replace("the office", "an office").replace('name = "alice"', 'name = "alice"\ndisabled = true'))
    report = transire.cli("apply", "-f", state)
    assert steps(report) == ["update user alice", "update instance main"]
    assert report["steps"][0]["changes"] == [{"field": "disabled", "old": False, "new": True}]
    assert transire.items("user", "list", "--account", ACCOUNT)[0]["state"] == "disabled"


def test_pruning_deletes_what_the_file_does_not_name(transire: Transire, state: Path) -> None:
    transire.cli("apply", "-f", state)
    other = transire.new_account("other")
    transire.cli("user", "create", "--account", other.id, "--name", "bob")
    transire.cli("user", "create", "--account", ACCOUNT, "--name", "carol")
    transire.cli("access-key", "create", "--account", ACCOUNT, "--user", "carol")
    without = STATE.text[: STATE.text.index("[[accounts.oidc_providers]]")]
    state.write_text(without)
    assert transire.cli("apply", "-f", state)["steps"] == []
    done = transire.run("apply", "-f", state, "--prune")
    report = json.loads(done.stdout)
    assert steps(report) == ["delete role builder", "delete OIDC provider ci", "delete user carol"]
    assert report["steps"][2]["changes"] == [{"field": "access_keys", "old": 1, "new": 0}]
    assert "instances stay without --prune-instances: main" in done.stderr
    assert [user["name"] for user in transire.items("user", "list", "--account", other.id)] == ["bob"]
    # It isn't empty.
    kept = transire.run("apply", "-f", state, "--prune", "--prune-instances")
    assert json.loads(kept.stdout)["steps"] == [] and "namespaces" in kept.stderr
    transire.cli("namespace", "delete", "--instance", "tcr-acme0001", "--name", "team")
    assert steps(transire.cli("apply", "-f", state, "--prune", "--prune-instances")) == ["delete instance main"]


@pytest.mark.parametrize(
    ("old", "new", "place", "about"),
    [
        ('name = "acme"', 'nmae = "acme"', "nmae", "the nearest is `name`"),
        ('["alice"]', '["alicia"]', "alicia", "the nearest is alice"),
        ('tcr_id = "tcr-acme0001"', 'tcr_id = "tcr-1"', 'name = "main"', "tcr_id"),
        ("192.0.2.0/24", "192.0.2.0/33", "192.0.2.0", "a range is written like"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_nothing_is_made(
    transire: Transire, state: Path, old: str, new: str, place: str, about: str
) -> None:
    text = STATE.text.replace(old, new)
    state.write_text(text)
    said = transire.cli_refused("apply", "-f", state, exit_code=2)
    assert f"{state}:{line_of(place, text)}: " in said and about in said
    assert transire.items("account", "list") == []


def test_a_failure_says_how_far_it_came_and_the_next_call_goes_on(transire: Transire, state: Path) -> None:
    account = transire.new_account("before")
    instance = transire.new_instance(account, "registry")
    transire.cli("instance", "delete", "--instance", instance.tcr_id)
    said = transire.run("apply", "-f", state)
    assert said.returncode not in (0, 2) and said.stdout == ""
    line = line_of('name = "main"')
    assert "9 of 11 steps were made" in said.stderr and f"{state}:{line}: instance: " in said.stderr
    state.write_text(STATE.text.replace('service = "registry.example.com"', 'service = "new.example.com"'))
    assert steps(transire.cli("apply", "-f", state)) == ["create instance main", "create namespace main/team"]


def test_an_export_of_one_account_holds_no_other_and_no_secret(transire: Transire, state: Path, tmp_path: Path) -> None:
    transire.cli("apply", "-f", state)
    other = transire.new_account("other")
    text = transire.cli("export", "--account", other.id)["text"]
    assert f'id = "{other.id}"' in text and ACCOUNT not in text
    assert other.key.secret not in text
    file = tmp_path / "written.toml"
    transire.cli("export", "-f", file)
    assert transire.cli("apply", "-f", file, "--prune")["steps"] == []
    assert "no account" in transire.cli_refused("export", "--account", "100000000009").lower()
