"""The operator's command line, while the service runs beside it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import alibaba
import tencent
from namespace import Namespace
from processes import free_port, wait_until
from service import REGION, Account, Instance, Transire, fetch


def works(transire: Transire, account: Account, instance: Instance) -> bool:
    """Whether the account's key is taken."""
    try:
        tencent.issue(transire, account.key, instance.tcr_id)
    except TencentCloudSDKException as refused:
        assert refused.get_code() == "AuthFailure.SecretIdNotFound"
        return False
    return True


# --- what commands print ---------------------------------------------------------------------------------------------


def test_commands_answer_in_the_shapes_that_scripts_rely_on(transire: Transire) -> None:
    account = transire.cli("account", "create", "--name", "acme", "--id", "100000000001")
    assert account == {"account_id": "100000000001", "name": "acme"}
    key = transire.cli("access-key", "create", "--account", "100000000001")
    transire.remember("access key secret", key["access_key_secret"])
    assert set(key) == {"access_key_id", "access_key_secret"}
    assert re.fullmatch(r"AKID[A-Za-z0-9]{32}", key["access_key_id"])
    instance = transire.cli(
        "instance", "create", "--account", "100000000001", "--name", "demo", "--region", REGION, "--service", "registry.example.com"
    )
    assert set(instance) == {"tcr_id", "cri_id", "service", "kind", "issuer", "token_ttl", "realm"}
    assert re.fullmatch(r"tcr-[a-z0-9]{8}", instance["tcr_id"])
    assert re.fullmatch(r"cri-[a-z0-9]{16}", instance["cri_id"])
    assert (instance["service"], instance["realm"]) == ("registry.example.com", "http://localhost:8480/token")


def test_lists_are_items_and_ids_are_text(transire: Transire, account: Account, instance: Instance) -> None:
    [listed] = transire.items("account", "list")
    assert (listed["account_id"], listed["name"]) == (account.id, "acme")
    [listed] = transire.items("access-key", "list")
    assert listed["access_key_id"] == account.key.id
    assert "access_key_secret" not in listed
    [listed] = transire.items("instance", "list")
    assert (listed["tcr_id"], listed["cri_id"], listed["service"]) == (instance.tcr_id, instance.cri_id, instance.service)
    assert transire.items("credential", "list", "--instance", instance.tcr_id) == []


def test_a_credential_is_listed_without_its_secret(transire: Transire, account: Account, instance: Instance) -> None:
    long_term = tencent.issue(transire, account.key, instance.tcr_id, "longterm")
    temporary = [
        tencent.issue(transire, account.key, instance.tcr_id, "temp"),
        alibaba.issue(transire, account.key, instance.cri_id),
    ]
    printed = transire.run("credential", "list", "--instance", instance.cri_id).stdout
    assert long_term.id in printed
    for credential in (long_term, *temporary):
        assert credential.secret not in printed
    assert len(transire.items("credential", "list", "--instance", instance.tcr_id)) == 1, "temporary ones are stored nowhere"


def test_what_happened_is_in_the_audit_list(transire: Transire, account: Account, instance: Instance) -> None:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    credential = tencent.issue(transire, account.key, instance.tcr_id, "longterm")
    # Issuing waits for no audit line: a writer of its own follows.
    wait_until("the audit line", lambda: credential.id in str(transire.items("audit", "list", "--since", since)))
    assert account.id in str(transire.items("audit", "list", "--since", since, "--principal", f"{account.id}:root"))


@pytest.mark.parametrize(
    "command",
    [
        ["access-key", "create", "--account", "999999999999"],
        ["access-key", "disable", "--id", "AKID" + "0" * 32],
        ["instance", "create", "--account", "999999999999", "--name", "demo", "--region", REGION, "--service", "other.example.com"],
        ["credential", "list", "--instance", "tcr-zzzzzzzz"],
        ["credential", "delete", "--instance", "tcr-zzzzzzzz", "--id", "0" * 20],
        ["registry-config", "--instance", "tcr-zzzzzzzz", "--kind", "distribution", "--out", "out"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_failure_says_why_and_prints_nothing_else(transire: Transire, account: Account, command: list[str]) -> None:
    transire.cli_refused(*command)


@pytest.mark.parametrize("command", [["account"], ["account", "create"], ["nonsense"], ["serve", "--colour", "red"]], ids=" ".join)
def test_a_wrong_command_exits_2(transire: Transire, command: list[str]) -> None:
    transire.cli_refused(*command, exit_code=2)


def test_two_instances_cannot_share_a_service(transire: Transire, account: Account, instance: Instance) -> None:
    stranger = transire.new_account("stranger")
    transire.cli_refused(
        *("instance", "create", "--account", stranger.id, "--name", "demo", "--region", REGION, "--service", instance.service)
    )


def test_a_password_is_no_argument(transire: Transire) -> None:
    """Everybody on the machine can read the arguments of a process."""
    done = transire.run("--database", "postgres://me:open-sesame@127.0.0.1:1/transire", "account", "list")
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "password" in done.stderr
    assert "open-sesame" not in done.stderr


# --- URLs that can't work ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("realm", "part"),
    [
        ("https:///token", "host is missing"),
        ("token", "scheme is missing"),
        ("http://host:%!s(<nil>)/token", "port"),
        ("https://example.com/token?service=x", "query"),
        ("https://me@example.com/token", "username"),
        ("https://example.com//token", "'//'"),
    ],
)
def test_a_realm_that_cannot_work_is_refused_by_the_part_that_is_wrong(
    transire: Transire, instance: Instance, tmp_path: Path, realm: str, part: str
) -> None:
    """It was written into the registry's configuration, and each client failed in its own way."""
    options = ("--instance", instance.tcr_id, "--kind", "distribution", "--out", tmp_path / "out", "--realm", realm)
    refused = transire.cli_refused("registry-config", *options, exit_code=2)
    assert "--realm" in refused
    assert part in refused
    assert not (tmp_path / "out").exists()


def test_a_public_url_that_cannot_work_is_refused(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings={"TRANSIRE_PUBLIC_URL": "https:///"})
    daemon = transire.launch()
    assert daemon.first_line() == "", "it must not listen"
    assert daemon.exit_code() == 1
    assert "public_url: its host is missing" in daemon.read_log()


def test_a_registry_url_that_cannot_work_is_refused_at_a_change_too(transire: Transire, instance: Instance) -> None:
    """`instance update` took what `instance create` refuses."""
    refused = transire.cli_refused("instance", "update", "--instance", instance.tcr_id, "--registry-url", "https:///v2", exit_code=2)
    assert "--registry-url: " in refused and "host is missing" in refused
    assert transire.items("instance", "list")[0]["registry_url"] is None


@pytest.mark.parametrize(
    ("listen", "settings", "warning"),
    [
        ("127.0.0.1:0", {}, None),
        ("127.0.0.1:9000", {"TRANSIRE_PUBLIC_URL": "http://credentials.example.com"}, "sends clients to port 80"),
        ("127.0.0.1:9000", {"TRANSIRE_PUBLIC_URL": "https://credentials.example.com"}, None),
        ("0.0.0.0:9000", {"TRANSIRE_ALLOW_PLAIN_HTTP": "true"}, "takes for its own machine"),
    ],
    ids=["port 0", "another port", "behind a proxy", "loopback for others"],
)
def test_a_public_url_that_leads_elsewhere_is_a_warning(
    new_transire: Callable[..., Transire], tmp_path: Path, listen: str, settings: dict[str, str], warning: str | None
) -> None:
    namespace = Namespace(tmp_path / "namespace", [])
    transire = new_transire(settings=settings)
    transire.start_inside(namespace, listen)
    lines = [line for line in transire.log.read_text().splitlines() if "WARN" in line and "public_url" in line]
    assert len(lines) == (1 if warning else 0), lines
    assert not warning or warning in lines[0]
    transire.stop()
    namespace.end()


# --- beside the running service --------------------------------------------------------------------------------------


def test_the_running_service_sees_a_disabled_key_within_a_second(transire: Transire, account: Account, instance: Instance) -> None:
    assert works(transire, account, instance)
    transire.cli("access-key", "disable", "--id", account.key.id)
    disabled_at = time.monotonic()
    wait_until("the key to be refused", lambda: not works(transire, account, instance), within=10)
    # The last call began before the second was over; its own time doesn't count.
    assert time.monotonic() - disabled_at < 1.5
    transire.cli("access-key", "enable", "--id", account.key.id)
    wait_until("the key to be taken again", lambda: works(transire, account, instance), within=10)
    transire.cli("access-key", "delete", "--id", account.key.id)
    wait_until("the key to be refused", lambda: not works(transire, account, instance), within=10)


def test_health_and_readiness_are_told_apart(transire: Transire) -> None:
    assert fetch(f"http://{transire.endpoint}/healthz").status == 200
    assert fetch(f"http://{transire.endpoint}/readyz").status == 200


def test_a_request_of_neither_cloud_is_told_what_this_is(transire: Transire) -> None:
    answer = fetch(f"http://{transire.endpoint}/")
    assert answer.status < 500
    assert b"transire" in answer.body.lower()


def test_it_ends_when_asked_to(transire: Transire) -> None:
    assert transire.stop() == 0


# --- the master key --------------------------------------------------------------------------------------------------


def master_key(transire: Transire) -> Path:
    [file] = [file for file in transire.data_dir.iterdir() if "master" in file.name]
    return file


def test_only_its_owner_reads_the_master_key(transire: Transire) -> None:
    assert master_key(transire).stat().st_mode & 0o777 == 0o600


def test_it_does_not_serve_with_another_master_key(transire: Transire, account: Account, new_transire: Callable[..., Transire]) -> None:
    other = new_transire("other")
    other.start()
    transire.stop()
    right = master_key(transire).read_bytes()
    master_key(transire).write_bytes(master_key(other).read_bytes())
    daemon = transire.launch()
    assert daemon.first_line() == "", "it must not listen"
    assert daemon.exit_code() == 1
    assert "master key" in daemon.read_log()
    master_key(transire).write_bytes(right)
    transire.start()


def test_it_does_not_replace_a_lost_master_key(transire: Transire, account: Account) -> None:
    transire.stop()
    file = master_key(transire)
    right = file.read_bytes()
    file.unlink()
    daemon = transire.launch()
    assert daemon.first_line() == "", "it must not listen"
    assert daemon.exit_code() == 1
    assert "master key" in daemon.read_log()
    assert not file.exists()
    file.write_bytes(right)
    file.chmod(0o600)
    transire.start()


# --- the quickstart --------------------------------------------------------------------------------------------------


def quickstart(transire: Transire) -> subprocess.CompletedProcess[str]:
    """Runs it once, on ports of its own; `TRANSIRE_QUICKSTART_REGISTRY` says where the registry's program is.

    REGISTRY_AUTH_FILE is set, as for everybody who uses skopeo or podman with it, and must not reach the registry, which
    would take it for a setting of its own and not start.
    """
    return transire.run(
        *("quickstart", "--once", "--listen", f"127.0.0.1:{free_port()}", "--registry-listen", f"127.0.0.1:{free_port()}"),
        environment={"TRANSIRE_QUICKSTART_REGISTRY": os.environ["TRANSIRE_TEST_REGISTRY"]},
    )


def test_the_quickstart_proves_itself_and_can_be_run_again(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire()
    first = quickstart(transire)
    assert first.returncode == 0, first.stderr
    assert "CreateInstanceToken" in first.stdout
    assert "GetAuthorizationToken" in first.stdout
    accounts, instances, keys = (transire.items(noun, "list") for noun in ("account", "instance", "access-key"))
    assert (len(accounts), len(instances), len(keys)) == (1, 1, 1)

    second = quickstart(transire)
    assert second.returncode == 0, second.stderr
    assert transire.items("account", "list") == accounts
    assert transire.items("instance", "list") == instances
    # A secret is shown once, so there is a new key; the last one is gone.
    [key] = transire.items("access-key", "list")
    assert key["access_key_id"] != keys[0]["access_key_id"]


def test_what_the_quickstart_prints_works_as_it_is_printed(new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    """Its commands were indented, which Python refuses when they are pasted, and its `pip install` fails on Debian 12."""
    transire = new_transire()
    process = transire.begin(
        *("quickstart", "--listen", f"127.0.0.1:{free_port()}", "--registry-listen", f"127.0.0.1:{free_port()}"),
        environment={"TRANSIRE_QUICKSTART_REGISTRY": os.environ["TRANSIRE_TEST_REGISTRY"]},
    )
    try:
        assert process.stdout is not None
        printed = "".join(iter(process.stdout.readline, "Serving until Ctrl-C.\n"))
        commands = printed.partition("shown this once:\n")[2]
        assert "\npython3 -m venv venv\nvenv/bin/pip install " in commands
        # The environment of these tests is what those two would make.
        (tmp_path / "venv").symlink_to(sys.prefix)
        (tmp_path / "docker").symlink_to(os.environ["TRANSIRE_TEST_DOCKER"])
        exports, sdks, log_in, command_line, by_itself = (
            "".join(re.findall(form, commands, re.MULTILINE | re.DOTALL))
            for form in (r"^export .*?\n", r"^venv/bin/python .*?\nEND\n", r"^docker login .*?\n", r"^venv/bin/tccli .*?\n", r"^[^\n]*get-login-password .*?\n")
        )
        secret = re.search(r"SECRET_KEY=(\S+)", exports)
        assert secret
        transire.remember("access key secret", secret[1])

        def shell(script: str, stdin: str = "") -> str:
            done = subprocess.run(
                ["bash", "-euc", exports + script],
                cwd=tmp_path,
                env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
                input=stdin,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, f"{script}{done.stdout}{done.stderr}"
            return done.stdout

        tencents, alibabas = shell(sdks).splitlines()
        token = transire.remember("credential", json.loads(tencents)["Token"])
        found = re.search(r"trst_\w+", alibabas)
        assert found, alibabas
        transire.remember("authorization token", found[0])
        assert "Login Succeeded" in shell(log_in, stdin=token)
        transire.remember("credential", json.loads(shell(command_line))["Token"])
        operator = re.search(r"^\S+ --data-dir .* operator create .*$", commands, re.MULTILINE)
        console = re.search(r"http://localhost:\d+(?=/console)", commands)
        assert operator and console
        admin = transire.remember("operator token", json.loads(shell(f"{operator[0]} -o json"))["token"])
        answer = fetch(f"{console[0]}/admin/v1/instances", headers={"Authorization": f"Bearer {admin}"})
        assert [one["name"] for one in json.loads(answer.body)["items"]] == ["quickstart"]
        assert b"operator_token" in fetch(f"{console[0]}/console").body
        assert commands.rstrip().endswith(by_itself.rstrip()), "the quickstart ends with the line that gets a credential"
        assert "Login Succeeded" in shell(by_itself)
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_the_quickstart_goes_on_without_a_registry(new_transire: Callable[..., Transire]) -> None:
    """On a machine without one it proves the log-in at the token endpoint, and says what is missing."""
    transire = new_transire()
    done = transire.run(
        *("quickstart", "--once", "--listen", f"127.0.0.1:{free_port()}", "--registry-listen", f"127.0.0.1:{free_port()}"),
        environment={"TRANSIRE_QUICKSTART_REGISTRY": "/nowhere/registry", "PATH": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
    assert "GetAuthorizationToken" in done.stdout
    assert "registry" in done.stdout
