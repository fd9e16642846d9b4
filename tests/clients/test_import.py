"""Users of another registry's log-in, who go on with their names and passwords."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from credential import Credential
from documents import Shell, take
from processes import wait_until
from registry import Registry, assert_logs_in, assert_refused, docker_login, run, skopeo
from service import Account, Instance, Transire

PASSWORD = "a secret, older than this"
HTPASSWD = take("docs/move.md", "Import an htpasswd file")
DOCKER_AUTH = take("docs/move.md", "Import docker_auth's users and rights")
BACK = take("docs/move.md", "Go back")


def htpasswd(file: Path, name: str, password: str, *options: str) -> None:
    """Adds a user to a file by Apache's own program."""
    done = run(
        *(os.environ["TRANSIRE_TEST_HTPASSWD"], "-i", *options, *([] if file.exists() else ["-c"]), file, name),
        stdin=password,
        environment={"LD_LIBRARY_PATH": os.environ["TRANSIRE_TEST_HTPASSWD_LIBRARIES"]},
    )
    assert done.returncode == 0, done.stderr


def import_file(transire: Transire, instance: Instance, kind: str, file: Path, *options: str, exit_code: int = 0) -> list[dict[str, Any]]:
    place = ("--account", instance.account.id, "--instance", instance.tcr_id)
    done = transire.run("import", kind, file, *place, *options)
    assert done.returncode == exit_code, done.stderr
    return json.loads(done.stdout)["items"]


def results(lines: list[dict[str, Any]]) -> dict[str, str]:
    return {line["name"]: line["result"] for line in lines}


def hashes(transire: Transire, instance: Instance) -> dict[str, str]:
    listed = transire.items("credential", "list-passwords", "--instance", instance.tcr_id)
    return {one["old_name"]: one["hash"] for one in listed}


def hears(registry: Registry, credential: Credential, is_right: bool) -> None:
    """Waits until the service has heard of a command's change: it takes a second at most."""
    wait_until(
        f"{credential.username} to log in: {is_right}",
        lambda: (docker_login(registry, credential).returncode == 0) is is_right,
    )


def test_a_user_of_htpasswd_logs_in_at_a_registry_by_the_old_name_and_password(
    transire: Transire, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "htpasswd"
    transire.remember("old password", PASSWORD)
    htpasswd(file, "Alice.Smith", PASSWORD, "-B")
    htpasswd(file, "bob", PASSWORD, "-B", "-C", "10")
    options = ("--pull", "team", "--rename", "Alice.Smith=alice-smith")
    policy = f"htpasswd-{instance.tcr_id}"

    planned = import_file(transire, instance, "htpasswd", file, *options, "--dry-run")
    assert results(planned) == {policy: "new", "Alice.Smith": "new", "bob": "new"}
    assert [line["line"] for line in planned] == [None, 1, 2]
    assert planned[1]["detail"] == f"the user alice-smith, with {policy}"
    assert transire.items("user", "list", "--account", instance.account.id) == []

    assert results(import_file(transire, instance, "htpasswd", file, *options)) == {policy: "made", "Alice.Smith": "made", "bob": "made"}
    assert hashes(transire, instance) == {"Alice.Smith": "bcrypt", "bob": "bcrypt"}
    alice = Credential("Alice.Smith", PASSWORD, 0)
    assert_refused(registry, Credential("Alice.Smith", "another secret", 0))
    assert_refused(registry, Credential("alice-smith", PASSWORD, 0), "skopeo")
    assert_logs_in(registry, alice)
    assert hashes(transire, instance) == {"Alice.Smith": "argon2id", "bob": "bcrypt"}
    for tool in ("docker", "skopeo"):
        assert_logs_in(registry, alice, tool)
    assert_logs_in(registry, Credential("bob", PASSWORD, 0), "skopeo")
    # It may look for what isn't there, and not elsewhere.
    assert "404" in skopeo("list-tags", "--tls-verify=false", registry.reference("team/app")).stderr
    elsewhere = skopeo("list-tags", "--tls-verify=false", registry.reference("other/app"))
    assert elsewhere.returncode == 1 and "404" not in elsewhere.stderr

    repeated = import_file(transire, instance, "htpasswd", file, *options)
    assert set(results(repeated).values()) == {"already-there"}
    transire.cli("user", "disable", "--account", instance.account.id, "--name", "alice-smith")
    hears(registry, alice, False)
    assert_refused(registry, alice)


def test_what_is_no_bcrypt_is_refused_by_name_and_line_and_the_others_only_come_when_asked_for(
    transire: Transire, account: Account, instance: Instance, tmp_path: Path
) -> None:
    file = tmp_path / "htpasswd"
    htpasswd(file, "good", PASSWORD, "-B")
    htpasswd(file, "apache", PASSWORD, "-m")
    htpasswd(file, "sha", PASSWORD, "-s")
    htpasswd(file, "des", PASSWORD[:8], "-d")
    htpasswd(file, "plain", PASSWORD, "-p")
    htpasswd(file, "slow", PASSWORD, "-B", "-C", "13")
    refused = {
        "apache": (2, "Apache's MD5"),
        "sha": (3, "SHA-1 without a salt"),
        "des": (4, "crypt's DES"),
        "plain": (5, "plain text"),
        "slow": (6, "the cost 13"),
    }

    lines = import_file(transire, instance, "htpasswd", file, exit_code=1)
    said = {line["name"]: line for line in lines}
    assert said.pop("good")["result"] == "new"
    for name, (number, why) in refused.items():
        line = said.pop(name)
        assert (line["line"], line["result"]) == (number, "refused")
        assert why in line["detail"] and "htpasswd -B" in line["detail"]
        assert PASSWORD not in json.dumps(line)
    assert said == {}
    assert transire.items("user", "list", "--account", account.id) == []

    lines = import_file(transire, instance, "htpasswd", file, "--skip-refused", exit_code=1)
    assert results(lines) == {"good": "made", **dict.fromkeys(refused, "refused")}
    assert [user["name"] for user in transire.items("user", "list", "--account", account.id)] == ["good"]


def test_users_of_docker_auth_keep_what_its_list_surely_gave_and_the_rest_is_said(
    transire: Transire, account: Account, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    passwords = tmp_path / "passwords"
    for name in ("carol", "dora"):
        htpasswd(passwords, name, PASSWORD, "-B")
    users = "".join(
        f"  {name}: {{password: '{stored}'}}\n" for name, _, stored in (line.partition(":") for line in passwords.read_text().split())
    )
    file = tmp_path / "auth_config.yml"
    file.write_text(
        f"users:\n{users}  open: {{}}\nldap_auth: {{addr: 'ldap.example.com:636'}}\n"
        "acl:\n"
        "- match: {account: dora, name: 'dora/*'}\n  actions: ['*']\n"
        "- match: {account: dora, labels: {group: ops}}\n  actions: [push]\n"
        "- match: {account: dora}\n  actions: []\n"
        "- match: {account: '/.+/', name: '${account}/*'}\n  actions: ['*']\n"
        "- match: {account: '/.+/'}\n  actions: [pull]\n"
    )
    policies = {name: f"docker-auth-{instance.tcr_id}-{name}" for name in ("carol", "dora")}
    planned = import_file(transire, instance, "docker-auth", file, "--dry-run", exit_code=1)
    assert {line["name"]: line["result"] for line in planned if line["kind"] != "acl"} == dict.fromkeys(
        ["carol", "dora", *policies.values()], "new"
    ) | {"open": "refused", "ldap_auth": "left-out"}
    made = import_file(transire, instance, "docker-auth", file, "--skip-refused", exit_code=1)
    left_out = [(line["line"], line["kind"], line["name"]) for line in made if line["result"] in ("left-out", "refused")]
    assert left_out == [(4, "user", "open"), (5, "setting", "ldap_auth"), (9, "acl", "dora")]
    assert [line["detail"] for line in made if line["kind"] == "acl"] == ["push: it depends on labels"]

    for name in ("carol", "dora"):
        assert_logs_in(registry, Credential(name, PASSWORD, 0))
    for name, action, repository, decision in [
        ("carol", "push", "carol/app", "allowed"),
        ("carol", "push", "carol/app/more", "denied"),
        ("carol", "pull", "carol/app/more", "allowed"),
        ("carol", "push", "dora/app", "denied"),
        ("dora", "delete", "dora/app", "allowed"),
        ("dora", "pull", "carol/app", "denied"),
    ]:
        explained = transire.explain(f"{account.id}:user/{name}", action, f"{instance.tcr_id}/{repository}")
        assert explained["decision"] == decision, (name, action, repository)
    repeated = import_file(transire, instance, "docker-auth", file, "--skip-refused", exit_code=1)
    assert [line["result"] for line in repeated if line["kind"] == "user"] == ["already-there", "already-there", "refused"]


def test_the_steps_of_the_page_move_the_users_and_take_them_back(
    transire: Transire, new_registry: Callable[..., Registry], tmp_path: Path
) -> None:
    shell = Shell(tmp_path / "shell", {"transire": transire.binary})
    place = {"TRANSIRE_DATA_DIR": str(transire.data_dir)}
    htpasswd(shell.folder / "users.htpasswd", "alice", PASSWORD, "-B")
    htpasswd(shell.folder / "others", "carol", PASSWORD, "-B")
    stored = (shell.folder / "others").read_text().strip().partition(":")[2]
    (shell.folder / "auth_config.yml").write_text(
        f"users: {{carol: {{password: '{stored}'}}}}\nacl: [{{match: {{account: carol}}, actions: [pull]}}]\n"
    )
    setup, look, make, groups, listing = HTPASSWD
    (docker_auth,), (back,) = DOCKER_AUTH, BACK
    shell.does(setup.commands(), {}, place)
    (made,) = transire.items("instance", "list")
    owner = Account(made["account_id"], transire.new_access_key(made["account_id"]))
    instance = Instance(owner, made["tcr_id"], made["cri_id"], made["service"], transire.realm)
    here = {"tcr-abcd1234": instance.tcr_id}
    registry = new_registry(transire, instance)
    alice, carol = Credential("alice", PASSWORD, 0), Credential("carol", PASSWORD, 0)

    assert "alice" in shell.does(look.commands(), here, place)
    assert_refused(registry, alice)
    shell.does(make.commands() + groups.commands(), here, place)
    assert "bcrypt" in shell.does(listing.commands(), here, place)
    hears(registry, alice, True)
    assert "bcrypt" not in shell.does(listing.commands(), here, place)
    shell.does(docker_auth.commands(), here, place)
    hears(registry, carol, True)
    shell.does(back.commands(), here, place)
    hears(registry, alice, False)
    assert_refused(registry, alice)
    assert_logs_in(registry, carol)
