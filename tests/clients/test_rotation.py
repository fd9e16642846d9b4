"""Rotation: real tools log in with both secrets within the grace, and with the new one alone after it.

Commands keep the true time. Only the service sees the moved clock.
"""

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from credential import Credential, exchange
from processes import wait_until
from registry import Registry, assert_logs_in, assert_refused
from service import Clock, Instance, Transire

each_tool = pytest.mark.parametrize("tool", ["docker", "skopeo"])


@pytest.fixture
def transire(request: pytest.FixtureRequest, new_transire: Callable[..., Transire]) -> Transire:
    """A running transire that slows nobody: what was disabled is asked for until the service has heard of it."""
    clock = request.getfixturevalue("clock") if "clock" in request.fixturenames else None
    settings = {"TRANSIRE_LIMITS__REFUSALS_BURST": "100000", "TRANSIRE_LIMITS__FAILED_LOG_INS": "100000"}
    transire = new_transire(clock=clock, settings=settings)
    transire.start()
    return transire



def status(transire: Transire, instance: Instance, credential: Credential) -> int:
    return exchange(transire.realm, instance, credential).status


def of_credential(made: dict[str, Any]) -> Credential:
    return Credential(made["username"], made["secret"], 0, made["id"])


def of_robot(made: dict[str, Any]) -> Credential:
    return Credential(made["name"], made["password"], 0, made["name"])


def create(transire: Transire, instance: Instance, kind: str) -> tuple[Credential, list[str]]:
    """Makes a credential or a service account; also returns the arguments that name it."""
    where = ["--instance", instance.tcr_id]
    if kind == "credential":
        made = transire.cli(kind, "create", *where, "--description", "build machine")
        return of_credential(made), [*where, "--id", made["id"]]
    made = transire.cli(kind, "create", *where, "--name", "robot", "--permission", "team:pull,push")
    return of_robot(made), [*where, "--name", "robot"]


def rotate(transire: Transire, kind: str, names: list[str], grace: str) -> tuple[Credential, dict[str, Any]]:
    made = transire.cli(kind, "rotate", *names, "--grace", grace)
    return (of_credential if kind == "credential" else of_robot)(made), made


def both_log_in_until_the_older_one_ends(
    transire: Transire, clock: Clock, instance: Instance, registry: Registry, tool: str, kind: str
) -> None:
    first, names = create(transire, instance, kind)
    assert_logs_in(registry, first, tool)
    second, made = rotate(transire, kind, names, "7d")
    assert first.username == second.username and first.secret != second.secret
    assert transire.cli(kind, "show", *names)["older_secret_ends_at"] == made["older_secret_ends_at"] is not None
    wait_until("the running service to know the new secret", lambda: status(transire, instance, second) == 200)
    for credential in (first, second):
        assert_logs_in(registry, credential, tool)
    clock.move("+167h")
    assert [status(transire, instance, one) for one in (first, second)] == [200, 200]
    clock.move("+169h")
    assert [status(transire, instance, one) for one in (first, second)] == [401, 200]
    assert_refused(registry, first, tool)


@each_tool
def test_both_secrets_of_a_credential_log_in_until_the_older_one_ends(
    transire: Transire, clock: Clock, instance: Instance, registry: Registry, tool: str
) -> None:
    both_log_in_until_the_older_one_ends(transire, clock, instance, registry, tool, "credential")


@each_tool
def test_both_passwords_of_a_service_account_log_in_until_the_older_one_ends(
    transire: Transire, clock: Clock, instance: Instance, registry: Registry, tool: str
) -> None:
    both_log_in_until_the_older_one_ends(transire, clock, instance, registry, tool, "service-account")


@pytest.mark.parametrize("kind", ["credential", "service-account"])
def test_disabled_neither_logs_in_and_a_rotation_without_grace_ends_the_older_one(
    transire: Transire, instance: Instance, registry: Registry, kind: str
) -> None:
    first, names = create(transire, instance, kind)
    second, _ = rotate(transire, kind, names, "1d")
    transire.cli(kind, "disable", *names)
    for credential in (first, second):
        wait_until("the running service to see it", lambda one=credential: status(transire, instance, one) == 401)
        assert_refused(registry, credential)
    transire.cli(kind, "enable", *names)
    wait_until("the running service to see it", lambda: status(transire, instance, second) == 200)
    third, made = rotate(transire, kind, names, "0")
    assert made["older_secret_ends_at"] is None
    wait_until("the running service to see it", lambda: status(transire, instance, third) == 200)
    for credential in (first, second):
        assert_refused(registry, credential)
    assert_logs_in(registry, third)
    transire.cli(kind, "delete", *names)
    wait_until("the running service to see it", lambda: status(transire, instance, third) == 401)


@pytest.mark.parametrize("kind", ["credential", "service-account"])
def test_the_printed_commands_log_in(transire: Transire, instance: Instance, registry: Registry, kind: str) -> None:
    _, names = create(transire, instance, kind)
    printed = subprocess.run(
        [str(transire.binary), kind, "rotate", *names],
        env={**os.environ, **transire.operator},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "kubectl create secret docker-registry" in printed and "registries.yaml" in printed
    commands = [line for line in printed.splitlines() if line.startswith("printf")]
    assert [command.split(" | ")[1].split()[0] for command in commands] == ["docker", "skopeo"]
    # The tests' registry is at an address of its own, without TLS.
    skopeo = commands[1].replace(f"'{instance.service}'", f"'{registry.address}'").replace("login", "login --tls-verify=false")
    done = subprocess.run(["sh", "-c", skopeo], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_written_use_outlives_a_kill(transire: Transire, instance: Instance) -> None:
    credential, names = create(transire, instance, "credential")
    assert transire.cli("credential", "show", *names)["last_used_at"] is None
    assert status(transire, instance, credential) == 200
    transire.stop()
    transire.start()
    used = transire.cli("credential", "show", *names)["last_used_at"]
    assert used.endswith(":00:00Z"), "a stop writes it, to the hour"
    transire.kill()
    assert transire.cli("credential", "show", *names)["last_used_at"] == used
    transire.start()
    listed = transire.cli("credential", "list", "--instance", instance.tcr_id)
    assert [one["last_used_at"] for one in listed["items"]] == [used]
    ending = transire.cli("report", "expiring", "--within", "4000d", "--filter", "kind=credential")
    assert [one["id"] for one in ending["items"]] == [credential.id]
    assert transire.cli("report", "unused", "--for", "1d")["items"] == []
