"""`transire status` and `transire doctor`, about services that are well and about some that aren't."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processes import wait_until
from service import Transire


def examined(transire: Transire, exit_code: int = 0, **variables: str) -> dict[str, list[dict[str, Any]]]:
    """The checks by their names."""
    done = transire.run("doctor", environment=variables)
    assert done.returncode == exit_code, done.stdout + done.stderr
    checks: dict[str, list[dict[str, Any]]] = {}
    for check in json.loads(done.stdout)["items"]:
        checks.setdefault(check["check"], []).append(check)
    return checks


def test_the_status_names_the_version_the_data_and_the_replica_that_runs(transire: Transire, tmp_path: Path) -> None:
    (replica,) = wait_until("the replica to be listed", lambda: transire.cli("status")["replicas"])
    status = transire.cli("status")
    assert replica == f"{os.uname().nodename}:{transire.pid} {status['version']}"
    assert status["database"] == "SQLite" and status["database_bytes"] > 0 and status["schema"] > 10
    assert status["issuer"] == status["public_url"]
    assert status["warnings"] == [] and status["last_backup_at"] is None
    transire.cli("backup", tmp_path / "backup")
    assert transire.cli("status")["last_backup_at"]


def test_a_service_that_is_well_has_no_fault(transire: Transire) -> None:
    wait_until("the replica to be listed", lambda: transire.cli("status")["replicas"])
    checks = examined(transire)
    for name in ("version", "settings", "database", "clock", "replicas", "limits", "issuer", "keys", "certificates", "audit"):
        assert [check["state"] for check in checks[name]] == ["ok"], checks[name]
    (backup,) = checks["backup"]
    assert backup["state"] == "warning" and "transire backup" in backup["advice"]


def test_a_service_that_listens_where_the_settings_say_is_asked(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire()
    transire.start()
    port = transire.endpoint.rpartition(":")[2]
    here = {"TRANSIRE_LISTEN": f"127.0.0.1:{port}", "TRANSIRE_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    checks = examined(transire, **here)
    assert [checks[name][0]["state"] for name in ("service", "public_url", "issuer")] == ["ok", "ok", "warning"], checks
    assert transire.stop() == 0
    checks = examined(transire, **here)
    assert [checks[name][0]["state"] for name in ("service", "public_url")] == ["warning", "warning"], checks


def test_a_master_key_that_others_can_read_is_a_fault(transire: Transire) -> None:
    key = transire.data_dir / "master.key"
    key.chmod(0o644)
    checks = examined(transire, exit_code=1)
    # Other commands refuse it.
    key.chmod(0o600)
    assert any(check["state"] == "fault" and "chmod 600" in check["finding"] for check in checks["settings"]), checks


def test_data_that_is_not_there_is_a_fault(new_transire: Callable[..., Transire]) -> None:
    checks = examined(new_transire("nothing"), exit_code=1)
    assert [check["state"] for check in checks["data"]] == ["fault"] and "there is no data" in checks["data"][0]["finding"]


@pytest.mark.parametrize("form", ["table", "name"])
def test_a_fault_is_the_exit_status_in_every_form(new_transire: Callable[..., Transire], form: str) -> None:
    done = new_transire("nothing").run("doctor", "-o", form)
    assert done.returncode == 1 and "data" in done.stdout and done.stderr == ""


def test_the_clock_and_the_size_of_a_server_are_asked_for(replicated: dict[str, str], new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings=replicated)
    transire.start()
    checks = examined(transire)
    (database,), (clock,) = checks["database"], checks["clock"]
    assert "PostgreSQL 1" in database["finding"] and "MiB" in database["finding"]
    assert clock["state"] == "ok" and "ms apart" in clock["finding"]
