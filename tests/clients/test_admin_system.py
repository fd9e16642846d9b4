"""The service as a whole by the admin API: its audit, its keys, files that say what there is, imports and backups."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from operators import Operators

ACCOUNT = "100000000001"
STATE = f'''
[[accounts]]
id = "{ACCOUNT}"
name = "acme"
[[accounts.users]]
name = "alice"
'''
LOCAL = [
    ["restore", "backup"],
    ["migrate-data", "--to", "sqlite:elsewhere"],
    ["init"],
    ["serve"],
    ["doctor"],
    ["config", "check"],
    ["keys", "take-ca-offline", "--out", "ca.pem"],
    ["keys", "generate-master", "master.key"],
    ["keys", "rotate", "master"],
    ["backup", "verify", "backup"],
]


@pytest.fixture
def admin(operators: Operators) -> Path:
    return operators.token_file("alice", "admin")


def does(operators: Operators, token_file: Path, *command: str | Path) -> dict:
    done = operators.run(token_file, *command)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", LOCAL, ids=" ".join)
def test_what_stays_on_the_machine_says_why(operators: Operators, admin: Path, command: list[str], tmp_path: Path) -> None:
    at = [operators.transire.binary, "--server", operators.at, "--token-file", admin]
    refused = subprocess.run([*at, *command], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "run this command on the service's machine, without --server: " in refused.stderr
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [admin.name]


# --- the audit ---------------------------------------------------------------------------------------------------------


def test_the_audit_is_followed_from_elsewhere(operators: Operators, admin: Path) -> None:
    transire = operators.transire
    does(operators, admin, "account", "create", "--name", "acme", "--id", ACCOUNT)
    does(operators, admin, "user", "create", "--account", ACCOUNT, "--name", "before")
    command = ["audit", "list", "--follow", "--action", "user.create", "--since", "1h", "--limit", "3"]
    at = [transire.binary, "--server", operators.at, "--token-file", admin, "--output", "json"]
    with subprocess.Popen([*at, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        for name in ["before", "one", "two"]:
            if name != "before":
                does(operators, admin, "user", "create", "--account", ACCOUNT, "--name", name)
            assert json.loads(following.stdout.readline())["detail"]["user"] == name
        assert following.stdout.read() == ""
        assert following.wait(timeout=20) == 0


def test_an_audit_of_many_pages_is_listed_whole(operators: Operators, admin: Path) -> None:
    token = admin.read_text()
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": ACCOUNT})
    for name in ["a", "b", "c", "d", "e"]:
        operators.ask("POST", f"/admin/v1/accounts/{ACCOUNT}/users", token, {"name": name})
    names, after = [], ""
    while True:
        status, _, page = operators.ask("GET", f"/admin/v1/audit?action=user.create&limit=2{after}", token)
        assert (status, len(page["items"]) <= 2) == (200, True)
        names += [event["detail"]["user"] for event in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert names == ["a", "b", "c", "d", "e"]
    for query, parameter in [("after=x", "after"), ("sort=at", "sort"), ("since=soon", "since"), ("cause=x", "cause")]:
        status, _, problem = operators.ask("GET", f"/admin/v1/audit?{query}", token)
        assert (status, problem["parameter"]) == (400, parameter)


# --- files that say what there is --------------------------------------------------------------------------------------


def test_a_state_is_applied_and_exported_from_elsewhere(operators: Operators, admin: Path, tmp_path: Path) -> None:
    auditor = operators.token_file("bob", "auditor")
    file = tmp_path / "state.toml"
    file.write_text(STATE)
    report = does(operators, admin, "apply", "--file", file)
    assert ([step["noun"] for step in report["steps"]], report["made"]) == (["account", "user"], 2)
    assert set(report) == {"steps", "made", "kept", "warnings", "fingerprint"}
    assert does(operators, admin, "export") == operators.transire.cli("export")
    assert does(operators, auditor, "apply", "--file", file, "--dry-run")["steps"] == []
    file.write_text(STATE + '[[accounts.users]]\nname = "carol"\n')
    refused = operators.run(auditor, "apply", "--file", file)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "0 of 1 steps were made" in refused.stderr


def test_other_steps_than_those_that_were_shown_are_not_made(operators: Operators, admin: Path) -> None:
    body = {"text": STATE, "fingerprint": "of other steps"}
    status, _, problem = operators.ask("POST", "/admin/v1/apply", admin.read_text(), body)
    assert (status, problem["kind"]) == (409, "precondition-failed")


def test_a_file_that_is_too_large_is_refused_with_the_limit(operators: Operators, admin: Path, tmp_path: Path) -> None:
    file = tmp_path / "state.toml"
    file.write_text(STATE + "#" * (2 << 20))
    assert does(operators, admin, "apply", "--file", file)["made"] == 2
    file.write_text(STATE + "#" * (8 << 20))
    refused = operators.run(admin, "apply", "--file", file)
    assert refused.returncode == 1
    error = json.loads(refused.stderr)["error"]
    assert error["kind"] == "request-too-large"
    assert "8388608 bytes" in error["message"]


# --- keys --------------------------------------------------------------------------------------------------------------


def test_a_shared_key_is_made_once_for_one_idempotency_key(operators: Operators, admin: Path) -> None:
    token = admin.read_text()
    status, _, made = operators.ask("POST", "/admin/v1/keys/sealing", token, {}, Idempotency_Key="k")
    assert (status, set(made), made["state"]) == (201, {"key_id", "state"}, "next")
    _, _, again = operators.ask("POST", "/admin/v1/keys/sealing", token, {}, Idempotency_Key="k")
    assert (again["key_id"], again["kind"], again["replayed"]) == (made["key_id"], "sealing", True)
    assert operators.ask("GET", f"/admin/v1/keys/{made['key_id']}", token)[2]["state"] == "next"
    here = operators.transire.cli("keys", "rotate", "sealing")
    there = does(operators, admin, "keys", "rotate", "sealing")
    assert (list(there), there["state"]) == (list(here), here["state"])


def test_an_auditor_sees_keys_and_rotates_none(operators: Operators) -> None:
    auditor = operators.token_file("bob", "auditor")
    assert does(operators, auditor, "keys", "list")["items"]
    for command in (["sealing"], ["ca"], ["ca", "--retire"]):
        refused = operators.run(auditor, "keys", "rotate", *command)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "rotate" in json.loads(refused.stderr)["error"]["message"]


def test_a_ca_that_is_kept_elsewhere_is_imported_as_pem_and_as_der(
    operators: Operators, admin: Path, tmp_path: Path
) -> None:
    requests = does(operators, admin, "keys", "csr", "--out", tmp_path / "requests")["items"]
    for request in requests:
        assert x509.load_pem_x509_csr(Path(request["file"]).read_bytes()).is_signature_valid
    pem = tmp_path / "ca.pem"
    openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "800"]
    subprocess.run([*openssl, "-subj", "/CN=EXAMPLE CA", "-keyout", tmp_path / "ca.key", "-out", pem], check=True, capture_output=True)
    der = tmp_path / "ca.der"
    der.write_bytes(x509.load_pem_x509_certificate(pem.read_bytes()).public_bytes(Encoding.DER))
    first = does(operators, admin, "keys", "import-ca", der)
    assert (set(first), first["state"]) == ({"key_id", "state", "certificate_expires_at", "next"}, "next")
    assert does(operators, admin, "keys", "import-ca", pem) == first
    assert does(operators, admin, "keys", "rotate", "ca", "--cancel")["key_id"] == first["key_id"]


# --- imports -----------------------------------------------------------------------------------------------------------


def test_users_of_a_file_are_imported_from_elsewhere(operators: Operators, admin: Path, tmp_path: Path) -> None:
    transire = operators.transire
    does(operators, admin, "account", "create", "--name", "acme", "--id", ACCOUNT)
    instance = does(operators, admin, "instance", "create", "--account", ACCOUNT, "--name", "demo", "--service", "registry.example.com")
    file = tmp_path / "htpasswd"
    file.write_text("alice:$2y$10$abcdefghijklmnopqrstuuEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXA\nbob:{SHA}EXAMPLE\n")
    command = ["import", "htpasswd", file, "--account", ACCOUNT, "--instance", instance["tcr_id"], "--pull", "team"]
    refused = operators.run(admin, *command)
    assert refused.returncode == 1
    assert "nothing was made, because 1 of the users are refused" in refused.stderr
    done = operators.run(admin, *command, "--skip-refused")
    results = {line["name"]: line["result"] for line in json.loads(done.stdout)["items"]}
    assert (done.returncode, results["alice"], results["bob"]) == (1, "made", "refused")
    assert [user["name"] for user in transire.items("user", "list", "--account", ACCOUNT)] == ["alice"]


# --- backups -----------------------------------------------------------------------------------------------------------


def without_audit(tables: list[dict]) -> dict[str, str]:
    """The sums of tables, but for those that each command writes."""
    written = ("audit", "meta", "operation", "replica")
    return {table["table"]: table["sha256"] for table in tables if not table["table"].startswith(written)}


def test_a_backup_from_elsewhere_is_the_local_one_and_is_restored(operators: Operators, admin: Path, tmp_path: Path) -> None:
    transire = operators.transire
    does(operators, admin, "account", "create", "--name", "acme", "--id", ACCOUNT)
    there = does(operators, admin, "backup", tmp_path / "there")["items"]
    here = transire.items("backup", tmp_path / "here")
    assert [list(table) for table in there] == [list(table) for table in here]
    assert without_audit(there) == without_audit(here)
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir() if "part" in file.name] == []
    transire.cli("backup", "verify", tmp_path / "there")
    events = transire.items("audit", "list", "--action", "store.backup")
    assert [(event["principal"], event["outcome"]) for event in events][0] == ("operator/alice", "ok")
    assert does(operators, admin, "status")["last_backup_at"]
    refused = operators.run(admin, "backup", tmp_path / "there")
    assert refused.returncode == 1
    assert "is there already, and is not overwritten" in refused.stderr


def test_a_backup_from_elsewhere_goes_to_standard_output(operators: Operators, admin: Path, tmp_path: Path) -> None:
    at = [operators.transire.binary, "--server", operators.at, "--token-file", admin]
    with (tmp_path / "backup").open("wb") as out:
        done = subprocess.run([*at, "backup", "-"], stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "sha256" in done.stderr
    operators.transire.cli("backup", "verify", tmp_path / "backup")


def test_an_admin_alone_makes_a_backup(operators: Operators, tmp_path: Path) -> None:
    auditor = operators.token_file("bob", "auditor")
    refused = operators.run(auditor, "backup", tmp_path / "backup")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "backup.create" in json.loads(refused.stderr)["error"]["message"]
    assert not [file for file in tmp_path.iterdir() if file.name.startswith("backup")]
