"""All the data at once: moved to PostgreSQL and back, backed up while it is used, restored."""

import json
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import tencent
from credential import Credential, exchange
from service import Instance, Transire


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database, without the password: that is in a pgpass file, where every process here finds it."""
    server = urlsplit(os.environ["TRANSIRE_TEST_POSTGRES"])
    name = f"transire_moving_{secrets.token_hex(8)}"
    password = unquote(server.password or "").replace("\\", "\\\\").replace(":", "\\:")
    pgpass = tmp_path / "pgpass"
    pgpass.touch(mode=0o600)
    pgpass.write_text(f"{server.hostname}:{server.port}:*:{server.username}:{password}\n")
    monkeypatch.setenv("PGPASSFILE", str(pgpass))
    psql = ["psql", "--no-psqlrc", "--quiet", f"--host={server.hostname}", f"--port={server.port}", f"--username={server.username}"]

    def run(command: str) -> None:
        subprocess.run([*psql, f"--dbname={server.path.lstrip('/')}", f"--command={command}"], check=True, timeout=60)

    run(f"CREATE DATABASE {name}")
    yield f"postgres://{server.username}@{server.hostname}:{server.port}/{name}"
    run(f"DROP DATABASE {name} WITH (FORCE)")


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
