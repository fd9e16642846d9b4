"""The database is gone, stuck, locked, full or failed over, under the true program and the clouds' own SDKs."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import alibaba
import tencent
from credential import Credential, exchange
from outage import RESUMED_WITHIN, SLACK, Load, refusal, settings, usage
from postgres import Postgres
from processes import wait_until
from service import Transire, fetch


@pytest.fixture
def server() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def standby(server: Postgres) -> Iterator[Postgres]:
    """Follows the server, which waits for it."""
    standby = Postgres(follows=server)
    server.wants_standby()
    yield standby
    standby.remove()


@pytest.mark.parametrize("fault", ["killed", "paused"])
def test_the_service_outlives_its_database(
    server: Postgres, new_transire: Callable[..., Transire], tmp_path: Path, fault: str
) -> None:
    transire = new_transire(settings=settings(tmp_path, server.url()))
    transire.start()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    temporary = tencent.issue(transire, account.key, instance.tcr_id)
    known, unknown = (tencent.issue(transire, account.key, instance.tcr_id, "longterm") for _ in range(2))
    alibaba.issue(transire, account.key, instance.cri_id)
    for credential in (temporary, known):
        assert exchange(transire.realm, instance, credential).status == 200
    unknown_key = transire.new_access_key(account.id)
    threads_before, memory_before = usage(transire)

    with Load(transire, instance, temporary, known) as load:
        server.kill() if fault == "killed" else server.pause()
        wait_until("the loss to be noticed", lambda: not transire.is_ready(), within=10)
        began = time.monotonic()
        # Long enough for whatever piles up to be seen.
        while time.monotonic() - began < 6:
            during = tencent.issue(transire, account.key, instance.tcr_id)
            assert exchange(transire.realm, instance, during).status == 200
            assert exchange(transire.realm, instance, alibaba.issue(transire, account.key, instance.cri_id)).status == 200
            refused = exchange(transire.realm, instance, unknown)
            assert (refused.status, refused.headers["Retry-After"] is not None) == (503, True)
            begun = time.monotonic()
            assert refusal(lambda: tencent.issue(transire, account.key, instance.tcr_id, "longterm")) == "InternalError.DbError"
            assert refusal(lambda: tencent.issue(transire, unknown_key, instance.tcr_id)) == "InternalError.DbError"
            assert refusal(lambda: alibaba.issue(transire, unknown_key, instance.cri_id)) == "SystemError"
            assert time.monotonic() - begun < 3, "what is known to be impossible is refused at once"
        assert fetch(f"http://{transire.endpoint}/healthz").status == 200
        readiness = fetch(f"http://{transire.endpoint}/readyz")
        assert (readiness.status, readiness.json()["missing"]) == (503, ["the database does not answer"])
        threads, memory = usage(transire)
        server.start() if fault == "killed" else server.go_on()
        back = time.monotonic()
        wait_until(
            "long-term credentials to be issued again",
            lambda: refusal(lambda: tencent.issue(transire, account.key, instance.tcr_id, "longterm")) == "",
            within=RESUMED_WITHIN + SLACK,
        )
        print(f"resumed after {time.monotonic() - back:.2f} s, with {threads} threads and {memory:.0f} MB")
        wait_until("it to be ready", transire.is_ready, within=RESUMED_WITHIN + SLACK)
    # What was known was exchanged all along.
    assert set(load.statuses) == {200}, load.statuses
    assert set(load.codes) <= {"", "InternalError.DbError", "RequestLimitExceeded"}, load.codes
    assert load.slowest < 8, "those who were waiting when it was lost"
    # A thread that hashes or reads may have come, none for each request.
    assert threads <= threads_before + 8, (threads_before, threads)
    assert memory < memory_before + 100, (memory_before, memory)
    for credential in (temporary, known, unknown, during):
        assert exchange(transire.realm, instance, credential).status == 200


@pytest.mark.parametrize("fault", ["killed", "paused"])
def test_memory_is_gone_by_for_a_bounded_time(
    server: Postgres, new_transire: Callable[..., Transire], tmp_path: Path, fault: str
) -> None:
    transire = new_transire(settings=settings(tmp_path, server.url(), TRANSIRE_MAX_STALENESS_SECONDS="2"))
    transire.start()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    temporary = tencent.issue(transire, account.key, instance.tcr_id)
    assert exchange(transire.realm, instance, temporary).status == 200
    alibaba.issue(transire, account.key, instance.cri_id)
    server.kill() if fault == "killed" else server.pause()

    statuses = set()

    def is_too_old() -> bool:
        # One may be refused before: what a command made was perhaps read anew a moment ago, and isn't remembered.
        statuses.add(exchange(transire.realm, instance, temporary).status)
        return any("max_staleness_seconds" in missing for missing in fetch(f"http://{transire.endpoint}/readyz").json()["missing"])

    wait_until("what is remembered to be too old", is_too_old, within=10)
    assert statuses <= {200, 503}, "never 401: clients would throw a good credential away"
    for _ in range(5):
        refused = exchange(transire.realm, instance, temporary)
        assert (refused.status, refused.headers["Retry-After"] is not None) == (503, True)
        assert refusal(lambda: tencent.issue(transire, account.key, instance.tcr_id)) == "InternalError.DbError"
        assert refusal(lambda: alibaba.issue(transire, account.key, instance.cri_id)) == "SystemError"
    server.start() if fault == "killed" else server.go_on()
    resumed = lambda: exchange(transire.realm, instance, temporary).status == 200  # noqa: E731
    wait_until("what is remembered to be good again", resumed, within=RESUMED_WITHIN + SLACK)
    tencent.issue(transire, account.key, instance.tcr_id, "longterm")


def test_a_replica_that_stood_still_looks_before_it_goes_by_what_it_knew(
    server: Postgres, new_transire: Callable[..., Transire], tmp_path: Path
) -> None:
    shared = settings(tmp_path, server.url(), TRANSIRE_MAX_STALENESS_SECONDS="1")
    moving, standing = (new_transire(name, settings=shared) for name in ("moving", "standing"))
    moving.start()
    standing.start()
    account = moving.new_account("acme")
    instance = moving.new_instance(account, "demo")
    kept, stopped = (tencent.issue(moving, account.key, instance.tcr_id, "longterm") for _ in range(2))
    for credential in (kept, stopped):
        assert exchange(standing.realm, instance, credential).status == 200
    os.kill(standing.pid, signal.SIGSTOP)
    try:
        tencent.disable(moving, account.key, instance.tcr_id, stopped)
        # What it knows grows too old.
        time.sleep(1.5)
        answers: list[int] = []
        asking = [
            threading.Thread(target=lambda credential=credential: answers.append(exchange(standing.realm, instance, credential).status))
            for credential in [stopped] * 8
        ]
        for thread in asking:
            thread.start()
    finally:
        os.kill(standing.pid, signal.SIGCONT)
    for thread in asking:
        thread.join()
    assert set(answers) == {401}, "the first of them came before anything was read again"
    assert exchange(standing.realm, instance, kept).status == 200


def test_nothing_acknowledged_is_lost_when_a_standby_takes_over(
    server: Postgres, standby: Postgres, new_transire: Callable[..., Transire], tmp_path: Path
) -> None:
    transire = new_transire(settings=settings(tmp_path, server.url(standby)))
    transire.start()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    to_disable = [tencent.issue(transire, account.key, instance.tcr_id, "longterm") for _ in range(20)]
    for credential in to_disable:
        assert exchange(transire.realm, instance, credential).status == 200
    issued: list[Credential] = []
    disabled: list[Credential] = []
    over = threading.Event()

    def issue() -> None:
        while not over.is_set():
            with contextlib.suppress(TencentCloudSDKException):
                issued.append(tencent.issue(transire, account.key, instance.tcr_id, "longterm"))

    def disable() -> None:
        for credential in to_disable:
            if over.is_set():
                return
            with contextlib.suppress(TencentCloudSDKException):
                tencent.disable(transire, account.key, instance.tcr_id, credential)
                disabled.append(credential)

    threads = [threading.Thread(target=work) for work in (issue, issue, issue, disable)]
    for thread in threads:
        thread.start()
    wait_until("some writes", lambda: len(issued) > 10 and len(disabled) > 2)
    before = len(issued)
    server.kill()
    standby.promote()
    promoted = time.monotonic()
    wait_until("writes to go on", lambda: len(issued) > before + 10, within=RESUMED_WITHIN + SLACK + 5)
    print(f"ten writes later: {time.monotonic() - promoted:.2f} s, {before} before, {len(disabled)} disabled")
    over.set()
    for thread in threads:
        thread.join()
    for credential in issued:
        assert exchange(transire.realm, instance, credential).status == 200, credential.id
    assert disabled
    for credential in disabled:
        assert exchange(transire.realm, instance, credential).status == 401, credential.id
    listed = {item["id"]: item["state"] for item in transire.items("credential", "list", "--instance", instance.tcr_id)}
    assert {credential.id for credential in issued} <= set(listed)
    assert {listed[credential.id] for credential in disabled} == {"disabled"}


def test_a_locked_file_stops_writes_alone(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire()
    transire.start()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    with contextlib.closing(sqlite3.connect(transire.data_dir / "transire.db", isolation_level=None)) as other:
        for lock in ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"):
            other.execute(lock)
            for attempt in range(4):
                begun = time.monotonic()
                assert refusal(lambda: tencent.issue(transire, account.key, instance.tcr_id, "longterm")) == "InternalError.DbError"
                # The first waits in case it is a command; then it is known.
                assert time.monotonic() - begun < (5 if attempt == 0 else 2)
                temporary = tencent.issue(transire, account.key, instance.tcr_id)
                assert exchange(transire.realm, instance, temporary).status == 200
            other.execute("ROLLBACK")
            credential = tencent.issue(transire, account.key, instance.tcr_id, "longterm")
            assert exchange(transire.realm, instance, credential).status == 200
    listed = transire.items("credential", "list", "--instance", instance.tcr_id)
    assert len(listed) == 2, "what was refused must not be there"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB; a test asks for it before `new_transire`, whose last look is at the data."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts a file system")
def test_a_full_disk_stops_writes_alone(small_disk: Path, new_transire: Callable[..., Transire]) -> None:
    transire = new_transire()
    transire.data_dir = small_disk
    transire.start()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    acknowledged = [tencent.issue(transire, account.key, instance.tcr_id, "longterm")]
    filler = os.open(transire.data_dir / "filler", os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while os.write(filler, bytes(4096)):
            pass
    os.close(filler)

    def is_full() -> bool:
        try:
            acknowledged.append(tencent.issue(transire, account.key, instance.tcr_id, "longterm"))
        except TencentCloudSDKException as error:
            assert error.code in {"InternalError.DbError", "RequestLimitExceeded"}
            return error.code == "InternalError.DbError"
        return False

    wait_until("the disk to be full", is_full)
    for _ in range(3):
        assert refusal(lambda: tencent.issue(transire, account.key, instance.tcr_id, "longterm")) == "InternalError.DbError"
        temporary = tencent.issue(transire, account.key, instance.tcr_id)
        for credential in (temporary, acknowledged[0]):
            assert exchange(transire.realm, instance, credential).status == 200
    subprocess.run(["mount", "-o", "remount,size=32m", str(transire.data_dir)], check=True)
    acknowledged.append(tencent.issue(transire, account.key, instance.tcr_id, "longterm"))
    for credential in acknowledged:
        assert exchange(transire.realm, instance, credential).status == 200
    listed = {item["id"] for item in transire.items("credential", "list", "--instance", instance.tcr_id)}
    assert listed == {credential.id for credential in acknowledged}, "half of a write, or none of one that was acknowledged"
    assert transire.stop() == 0


def test_a_change_is_announced_to_other_replicas(server: Postgres, new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    """Without NOTIFY it comes by polling alone, and nothing depends on it."""
    for notify in ("true", "false"):
        shared = settings(tmp_path, server.url(), TRANSIRE_POSTGRES__NOTIFY=notify)
        first, second = (new_transire(f"{name}-{notify}", settings=shared) for name in ("first", "second"))
        first.start()
        second.start()
        account = first.new_account(f"acme-{notify}")
        instance = first.new_instance(account, f"demo-{notify}")
        credential = tencent.issue(first, account.key, instance.tcr_id, "longterm")
        assert exchange(second.realm, instance, credential).status == 200
        tencent.disable(first, account.key, instance.tcr_id, credential)
        assert exchange(first.realm, instance, credential).status == 401
        refused = lambda: exchange(second.realm, instance, credential).status == 401  # noqa: E731, B023
        wait_until("the other replica to obey", refused, within=2)
