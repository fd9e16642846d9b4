"""The audit's chains and checkpoints: what is done to them in the database is found, by the command alone."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import tencent
from credential import exchange
from postgres import psql
from processes import wait_until
from service import Clock, Instance, Transire

def found(transire: Transire, *arguments: str | Path) -> list[str]:
    """The findings of a verification, in words."""
    done = transire.run("audit", "verify", *arguments)
    findings = [item["finding"] for item in json.loads(done.stdout)["items"]]
    assert done.returncode == (1 if findings else 0), done.stderr
    assert f"{len(findings)} findings" in done.stderr
    return findings


def live(transire: Transire, clock: Clock, instance: Instance, offset: int) -> None:
    """Two minutes pass, with an account, a token and a checkpoint."""
    before = transire.checkpoints()
    transire.new_account(f"account-{offset}")
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    assert exchange(transire.realm, instance, credential).status == 200
    clock.move(f"+{offset}m")
    wait_until("a checkpoint", lambda: transire.checkpoints() > before)


def test_an_export_is_verified_elsewhere(
    transire: Transire, clock: Clock, instance: Instance, tmp_path: Path
) -> None:
    for offset in (2, 4, 6):
        live(transire, clock, instance, offset)
    assert found(transire) == []
    exported, key = tmp_path / "audit.jsonl", tmp_path / "audit-key.json"
    key.write_text(transire.run("audit", "public-key").stdout)
    assert transire.run("audit", "export", exported).returncode == 0
    assert "can't be written" in transire.run("audit", "export", exported).stderr

    def elsewhere() -> subprocess.CompletedProcess[str]:
        # Neither data nor a master key, nor any setting, is there.
        command = [str(transire.binary), "--output", "json", "audit", "verify", "--file", str(exported), "--public-key", str(key)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, timeout=60)

    done = elsewhere()
    assert (done.returncode, json.loads(done.stdout)) == (0, {"items": []}), done.stderr
    exported.write_text(exported.read_text().replace("account.create", "account.modify", 1))
    done = elsewhere()
    assert done.returncode == 1 and [item["finding"] for item in json.loads(done.stdout)["items"]] == ["changed"], done.stderr
    exported.write_text("".join(exported.read_text().splitlines(keepends=True)[:-1]))
    done = elsewhere()
    assert done.returncode == 2 and "cut off" in done.stderr


def test_a_checkpoint_elsewhere_shows_that_the_end_is_gone(
    new_transire: Callable[..., Transire], clock: Clock, tmp_path: Path
) -> None:
    kept, log = tmp_path / "checkpoints", tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(log))
        syslog.settimeout(20)
        places = {"TRANSIRE_CHECKPOINTS__FILE": str(kept), "TRANSIRE_CHECKPOINTS__SYSLOG": str(log)}
        transire = new_transire(clock=clock, settings=places)
        transire.start()
        instance = transire.new_instance(transire.new_account("acme"), "demo")
        live(transire, clock, instance, 2)
        transire.stop()
        copy = tmp_path / "copy"
        shutil.copytree(transire.data_dir, copy)
        transire.start()
        live(transire, clock, instance, 4)
        live(transire, clock, instance, 6)
        transire.stop()
        messages = []
        syslog.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(syslog.recv(65536).decode())
    lines = kept.read_text().splitlines()
    assert len(lines) >= 3 and all(line.count(".") == 2 for line in lines)
    assert all(message.startswith("<85>transire: audit checkpoint number=") for message in messages)
    logged = tmp_path / "messages"
    logged.write_text("".join(f"Jan  2 03:04:05 host {message[4:]}\n" for message in messages))
    for place in (kept, logged):
        assert found(transire, "--checkpoints", place) == []
    # All that was written later is gone, from every table.
    shutil.rmtree(transire.data_dir)
    shutil.copytree(copy, transire.data_dir)
    # The database alone doesn't show it.
    assert found(transire) == []
    for place in (kept, logged):
        assert found(transire, "--checkpoints", place) == ["elsewhere"]


def test_replicas_on_postgres_make_chains_of_their_own(
    replicated: dict[str, str], new_transire: Callable[..., Transire]
) -> None:
    first, second = (new_transire(name, settings=replicated) for name in ("first", "second"))
    first.start()
    second.start()
    instance = second.new_instance(first.new_account("acme"), "demo")
    for replica in (first, second, first):
        credential = tencent.issue(replica, instance.account.key, instance.tcr_id)
        assert exchange(replica.realm, instance, credential).status == 200
    first.stop()
    second.stop()
    assert found(first) == []
    database = replicated["TRANSIRE_DATABASE"]
    psql(database, "UPDATE audit SET principal = 'somebody' WHERE action = 'account.create'")
    assert found(first) == ["changed"]
    psql(database, "DELETE FROM audit WHERE action = 'account.create'")
    assert found(first) == ["missing"]
