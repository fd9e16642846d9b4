"""Operators who have a token, by the commands that make and manage them."""

import os
import pwd
import re

from service import Account, Transire


def test_a_token_is_shown_once_and_is_nowhere_else(transire: Transire, account: Account) -> None:
    made = transire.cli("operator", "create", "--name", "alice", "--role", "account-admin", "--account", account.id)
    transire.remember("operator token", made["token"])
    assert set(made) == {"operator_id", "name", "role", "account", "token"}
    assert (made["name"], made["role"], made["account"]) == ("alice", "account-admin", account.id)
    assert re.fullmatch(r"trs[tlrsoc]_[A-Za-z0-9_-]{48,}", made["token"])
    shown = transire.cli("operator", "show", "--name", "alice")
    [listed] = transire.items("operator", "list")
    assert shown == listed
    assert (shown["operator_id"], shown["state"], shown["older_token_ends_at"]) == (made["operator_id"], "active", None)
    assert "token" not in shown and made["token"] not in str(transire.items("audit", "list", "--since", "1h"))


def test_an_operator_is_disabled_enabled_and_deleted(transire: Transire) -> None:
    transire.cli("operator", "create", "--name", "alice", "--role", "auditor")
    for action, state in [("disable", "disabled"), ("enable", "active")]:
        assert transire.cli("operator", action, "--name", "alice") == {"name": "alice", "state": state}
        assert transire.cli("operator", "show", "--name", "alice")["state"] == state
    assert transire.cli("operator", "delete", "--name", "alice") == {"name": "alice", "state": "deleted"}
    assert transire.items("operator", "list") == []
    refused = transire.run("operator", "show", "--name", "alice")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "There is no operator alice." in refused.stderr


def test_a_rotation_has_both_tokens_taken_for_a_day_unless_it_says_otherwise(transire: Transire) -> None:
    first = transire.cli("operator", "create", "--name", "alice", "--role", "admin")["token"]
    second = transire.cli("operator", "rotate", "--name", "alice")["token"]
    assert first != second
    assert transire.cli("operator", "show", "--name", "alice")["older_token_ends_at"]
    transire.cli("operator", "rotate", "--name", "alice", "--grace", "0")
    assert transire.cli("operator", "show", "--name", "alice")["older_token_ends_at"] is None
    refused = transire.run("operator", "rotate", "--name", "alice", "--grace", "31d")
    assert refused.returncode == 2
    assert "30d" in refused.stderr


def test_the_audit_names_who_ran_a_command(transire: Transire, account: Account) -> None:
    transire.cli("user", "create", "--account", account.id, "--name", "ann")
    user = f"operator/local/{pwd.getpwuid(os.geteuid()).pw_name}"
    for principal in [user, "operator"]:
        lines = transire.items("audit", "list", "--since", "1h", "--action", "user.create", "--principal", principal)
        assert [line["principal"] for line in lines] == [user]


def test_only_an_account_admin_has_an_account(transire: Transire, account: Account) -> None:
    for arguments in [["--role", "account-admin"], ["--role", "admin", "--account", account.id]]:
        refused = transire.run("operator", "create", "--name", "alice", *arguments)
        assert refused.returncode != 0
        assert "account" in refused.stderr
    assert transire.items("operator", "list") == []
