"""What was acknowledged is still there: after a kill, and after a power cut that forgets every page that was not synced."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import tencent
from credential import Credential, exchange
from disk import ForgetfulDisk
from service import Instance, Transire

WRITERS = 4
ROUNDS = 3


@pytest.fixture
def disk(tmp_path: Path) -> ForgetfulDisk:
    return ForgetfulDisk(tmp_path / "disk")


def issue_until_killed(transire: Transire, instance: Instance, seconds: float) -> list[Credential]:
    """Issues long-term credentials from several threads, and kills the service in the middle; what was acknowledged."""
    acknowledged: list[Credential] = []
    killed = threading.Event()

    def issue() -> None:
        while not killed.is_set():
            try:
                acknowledged.append(tencent.issue(transire, instance.account.key, instance.tcr_id, "longterm"))
            except TencentCloudSDKException as error:
                # Excused is who was too quick, and who found nobody there any more.
                if error.code != "RequestLimitExceeded" and not killed.wait(timeout=10):
                    raise

    threads = [threading.Thread(target=issue) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    # A moment that no step of the service knows of.
    time.sleep(seconds)
    transire.kill()
    killed.set()
    for thread in threads:
        thread.join()
    return acknowledged


def test_the_disk_forgets_what_was_not_synced(disk: ForgetfulDisk, tmp_path: Path) -> None:
    """Without this, the next test could not fail."""
    script = """
import os, sys
for name, synced in (("kept", True), ("forgotten", False)):
    file = os.open(os.path.join(sys.argv[1], name), os.O_CREAT | os.O_WRONLY)
    os.write(file, b"first")
    if synced:
        os.fsync(file)
    os.write(file, b" second")
os.fsync(os.open(sys.argv[1], os.O_RDONLY))
"""
    work = tmp_path / "work"
    work.mkdir()
    subprocess.run([sys.executable, "-c", script, work], check=True, env={**os.environ, **disk.environment()}, timeout=60)
    disk.restore(tmp_path / "after")
    assert {file.name: file.read_bytes() for file in (tmp_path / "after").iterdir()} == {"kept": b"first", "forgotten": b""}


@pytest.mark.parametrize("power", ["stays", "is cut"])
def test_what_was_acknowledged_survives(new_transire: Callable[..., Transire], disk: ForgetfulDisk, tmp_path: Path, power: str) -> None:
    transire = new_transire(disk=disk)
    transire.start()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    disabled, deleted = (tencent.issue(transire, account.key, instance.tcr_id, "longterm") for _ in range(2))
    transire.cli("credential", "disable", "--instance", instance.tcr_id, "--id", disabled.id)
    transire.cli("credential", "delete", "--instance", instance.tcr_id, "--id", deleted.id)
    acknowledged: list[Credential] = []
    for round_ in range(ROUNDS):
        acknowledged += issue_until_killed(transire, instance, random.uniform(0.3, 0.8))
        if power == "is cut":
            after = tmp_path / f"after-{round_}"
            disk.restore(after)
            disk = ForgetfulDisk(tmp_path / f"disk-{round_}")
            disk.adopt(after)
            transire.move_to(after, disk)
        transire.start()
    assert len(acknowledged) > 10 * ROUNDS
    for credential in acknowledged:
        assert exchange(transire.realm, instance, credential).status == 200, credential.id
    for stopped in (disabled, deleted):
        assert exchange(transire.realm, instance, stopped).status == 401
    listed = {item["id"] for item in transire.items("credential", "list", "--instance", instance.tcr_id)}
    assert {credential.id for credential in acknowledged} <= listed
    recorded = {item["credential_id"] for item in transire.items("audit", "list", "--since", "1h") if item["action"] == "credential.issue-long-term"}
    assert listed <= recorded, "a change without its audit line"
