"""All the data at once: moved to PostgreSQL and back, backed up while it is used, restored."""

import contextlib
import json
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import tencent
from credential import Credential, exchange
from postgres import psql
from processes import wait_until
from service import Instance, Transire

# So many that copying them can be interrupted.
MANY = 20_000


def adopt(transire: Transire, instance: Instance, credential: Credential) -> None:
    """Starts a service on data that was made elsewhere, and sees that the credential logs in."""
    transire.start()
    assert exchange(transire.realm, instance, credential).status == 200


def test_data_moves_to_postgres_and_back(database: str, new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    old = new_transire("old")
    old.start()
    account = old.new_account("acme")
    instance = old.new_instance(account, "demo")
    stays, stopped = (tencent.issue(old, account.key, instance.tcr_id, "longterm") for _ in range(2))
    old.cli("credential", "disable", "--instance", instance.tcr_id, "--id", stopped.id)
    old.stop()

    back = new_transire("back")
    moved = old.run("migrate-data", "--from", f"sqlite:{old.data_dir}", "--to", database)
    assert moved.returncode == 0, moved.stderr
    assert "master key" in moved.stderr
    there = old.items("migrate-data", "--from", database, "--to", f"sqlite:{back.data_dir}")
    assert there == json.loads(moved.stdout)["items"]
    assert {item["table"]: item["rows"] for item in there}["credential"] == 2
    assert "not empty" in old.cli_refused("migrate-data", "--to", database)
    assert "password must not be an argument" in old.cli_refused(
        "migrate-data", "--to", "postgres://u:hunter2@127.0.0.1/x", exit_code=2
    )
    assert "there is no data" in old.cli_refused("migrate-data", "--from", f"sqlite:{tmp_path / 'typo'}", "--to", database)
    assert not (tmp_path / "typo").exists()

    key = old.data_dir / "master.key"
    on_postgres = new_transire("new", settings={"TRANSIRE_DATABASE": database, "TRANSIRE_MASTER_KEY_FILE": str(key)})
    adopt(on_postgres, instance, stays)
    assert exchange(on_postgres.realm, instance, stopped).status == 401
    # The key moves by hand, and without it nothing starts.
    assert "master key" in back.cli_refused("account", "list")
    shutil.copy(key, back.data_dir)
    adopt(back, instance, stays)
    assert exchange(back.realm, instance, stopped).status == 401


def test_a_move_that_was_killed_is_gone_on_with(database: str, new_transire: Callable[..., Transire]) -> None:
    old = new_transire("old")
    old.cli("init")
    old.new_account("acme")
    with contextlib.closing(sqlite3.connect(old.data_dir / "transire.db")) as data:
        row = "'r', 'a', NULL, NULL, NULL, NULL, NULL, '{}', 'ok', NULL"
        data.execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) "
            "INSERT INTO audit (id, happened_at, request_id, action, principal, account_id, credential_id, address, service, "
            f"detail, outcome, access_key) SELECT 'filler-' || n, n, {row} FROM numbers",
            (MANY,),
        )
        data.commit()
    move = ["migrate-data", "--to", database]
    process = subprocess.Popen([old.binary, "--data-dir", old.data_dir, *move], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def begun() -> bool:
        assert process.poll() is None, process.communicate()[1]
        return psql(database, "SELECT to_regclass('audit') IS NOT NULL") == "t" and psql(database, "SELECT COUNT(*) > 0 FROM audit") == "t"

    wait_until("the copying to begin", begun)
    process.kill()
    process.communicate()
    assert process.returncode == -9
    there = int(psql(database, "SELECT COUNT(*) FROM audit"))
    assert 0 < there < MANY
    new = new_transire("new", settings={"TRANSIRE_DATABASE": database, "TRANSIRE_MASTER_KEY_FILE": str(old.data_dir / "master.key")})
    assert "not all in this database yet" in new.cli_refused("account", "list")
    rows = {item["table"]: item["rows"] for item in old.items(*move)}
    assert rows["audit"] == int(psql(database, "SELECT COUNT(*) FROM audit")) > MANY
    assert [item["name"] for item in new.items("account", "list")] == ["acme"]


@pytest.mark.parametrize("to", ["sqlite", "postgres"])
def test_a_backup_of_a_busy_service_is_restored(database: str, new_transire: Callable[..., Transire], tmp_path: Path, to: str) -> None:
    transire = new_transire("busy")
    transire.start()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    acknowledged = [tencent.issue(transire, account.key, instance.tcr_id, "longterm") for _ in range(3)]
    done = threading.Event()

    def issue() -> None:
        while not done.is_set():
            try:
                tencent.issue(transire, account.key, instance.tcr_id, "longterm")
            except TencentCloudSDKException as error:
                if error.code != "RequestLimitExceeded":
                    raise

    thread = threading.Thread(target=issue)
    thread.start()
    try:
        file = tmp_path / "backup"
        made = transire.run("backup", file)
    finally:
        done.set()
        thread.join()
    assert made.returncode == 0, made.stderr
    assert "master key, which is not in it" in made.stderr
    content = file.read_bytes()
    assert (transire.data_dir / "master.key").read_text().strip().encode() not in content
    for credential in acknowledged:
        assert credential.secret.encode() not in content
    assert account.key.secret.encode() not in content
    assert "store.backup" in {item["action"] for item in transire.items("audit", "list", "--since", "1h")}

    key = tmp_path / "kept" / "master.key"
    key.parent.mkdir()
    shutil.copy(transire.data_dir / "master.key", key)
    settings = {"TRANSIRE_MASTER_KEY_FILE": str(key)} | ({"TRANSIRE_DATABASE": database} if to == "postgres" else {})
    restored = new_transire("restored", settings=settings)
    cut = tmp_path / "cut"
    cut.write_bytes(content[:-1])
    assert "can't be used" in restored.cli_refused("restore", cut)
    restored.cli("restore", file)
    assert "not empty" in restored.cli_refused("restore", file)
    restored.start()
    for credential in acknowledged:
        assert exchange(restored.realm, instance, credential).status == 200
