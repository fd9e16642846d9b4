"""What comes beyond what can be answered, and the end of the process: by the true program."""

import http.client
import selectors
import signal
import socket
import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import alibaba
import tencent
from credential import Credential
from processes import wait_until
from registry import docker_login, assert_logs_in
from service import MANY_TOKENS, Instance, Transire

PASSWORD = "Passw0rd-EXAMPLE"


def address(transire: Transire) -> tuple[str, int]:
    host, _, port = transire.endpoint.rpartition(":")
    return host, int(port)


def memory(transire: Transire) -> int:
    """What the process holds in memory, in bytes."""
    status = Path(f"/proc/{transire.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) * 1024


def request(instance: Instance, credential: Credential) -> bytes:
    return f"GET /token?service={instance.service} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {credential.basic()}\r\n\r\n".encode()


class Crowd:
    """Many kept connections by one thread, each with one request at a time and the next at once."""

    def __init__(self, transire: Transire, text: bytes, connections: int) -> None:
        self.statuses: Counter[int] = Counter()
        self.without_retry_after = 0
        self._text = text
        self._selector = selectors.DefaultSelector()
        for _ in range(connections):
            connection = socket.create_connection(address(transire), timeout=30)
            self._selector.register(connection, selectors.EVENT_READ, bytearray())

    def press(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        for key in list(self._selector.get_map().values()):
            key.fileobj.sendall(self._text)  # type: ignore[union-attr]
        while not until():
            assert time.monotonic() < deadline, self.statuses
            for key, _ in self._selector.select(timeout=30):
                connection: socket.socket = key.fileobj  # type: ignore[assignment]
                piece = connection.recv(65536)
                assert piece, "the connection was closed"
                key.data.extend(piece)
                head, found, body = bytes(key.data).partition(b"\r\n\r\n")
                if not found or len(body) < int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
                    continue
                status = int(head.split()[1])
                self.statuses[status] += 1
                self.without_retry_after += status == 503 and b"\r\nretry-after: " not in head.lower()
                key.data.clear()
                connection.sendall(self._text)

    def leave(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()


def test_ten_times_too_many_requests_are_refused_at_once_in_bounded_memory(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(
        settings={"TRANSIRE_LIMITS__WAIT_MILLISECONDS": "2", **MANY_TOKENS}
    )
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    # As many as keep it busy: what they leave in memory is what work needs.
    few = Crowd(transire, request(instance, credential), 30)
    few.press(lambda: few.statuses.total() >= 3000)
    few.leave()
    before = memory(transire)
    many = Crowd(transire, request(instance, credential), 300)
    many.press(lambda: many.statuses[503] >= 300 and many.statuses[200] >= 1000)
    grown = memory(transire) - before
    many.leave()
    assert set(many.statuses) == {200, 503}, many.statuses
    assert many.without_retry_after == 0
    assert grown < 32 << 20, f"{grown >> 20} MiB more"
    assert "more requests come than can be answered" in transire.log.read_text()
    # It is over at once when the crowd has left.
    wait_until("answers again", lambda: transire.fetch(f"/token?service={instance.service}", {"Authorization": credential.basic()}).status == 200)


def test_each_door_says_in_its_own_words_that_there_is_too_much(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings={"TRANSIRE_LIMITS__REQUESTS_IN_WORK": "1", "TRANSIRE_LIMITS__PASSWORD_THREADS": "1"})
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    # A password that a person could have chosen takes a slow hash: nearly all the time one is in work.
    stop = threading.Event()

    def keep_busy() -> None:
        connection = http.client.HTTPConnection(*address(transire), timeout=30)
        guess = 0
        while not stop.is_set():
            guess += 1
            # Of ever another user, who fails for the first time.
            headers = {"Authorization": Credential(f"user{guess}", PASSWORD, 0).basic()}
            connection.request("GET", f"/token?service={instance.service}", headers=headers)
            connection.getresponse().read()
        connection.close()

    busy = [threading.Thread(target=keep_busy) for _ in range(3)]
    for thread in busy:
        thread.start()
    try:
        refusal = wait_until("a refusal at Tencent's door", lambda: by_tencent(transire, instance))
        assert "RequestLimitExceeded" in refusal
        refusal = wait_until("a refusal at Alibaba's door", lambda: by_alibaba(transire, instance))
        assert "ServiceUnavailable" in refusal and "503" in refusal
        begun = time.monotonic()
        answer = wait_until("a refusal at the registry's door", lambda: by_registry(transire, instance, credential))
        assert answer == {"code": "UNAVAILABLE", "message": "Too many requests are in work; try again in a moment.", "detail": None}
        assert transire.fetch("/healthz").status == 200 and transire.fetch("/readyz").status == 200
        assert time.monotonic() - begun < 30
    finally:
        stop.set()
        for thread in busy:
            thread.join()
    assert_answers(transire, instance, credential)


def by_tencent(transire: Transire, instance: Instance) -> str | None:
    try:
        tencent.issue(transire, instance.account.key, instance.tcr_id)
    except TencentCloudSDKException as refusal:
        return str(refusal)
    return None


def by_alibaba(transire: Transire, instance: Instance) -> str | None:
    try:
        alibaba.issue(transire, instance.account.key, instance.cri_id)
    except Exception as refusal:  # noqa: BLE001
        return f"{refusal} {getattr(refusal, 'data', '')} {getattr(refusal, 'status_code', '')}"
    return None


def by_registry(transire: Transire, instance: Instance, credential: Credential) -> object:
    answer = transire.fetch(f"/token?service={instance.service}", {"Authorization": credential.basic()})
    return answer.json()["errors"][0] if answer.status == 503 else None


def assert_answers(transire: Transire, instance: Instance, credential: Credential) -> None:
    assert transire.fetch(f"/token?service={instance.service}", {"Authorization": credential.basic()}).status == 200


def test_connections_beyond_the_share_of_an_address_take_no_memory(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings={"TRANSIRE_LIMITS__CONNECTIONS_PER_ADDRESS": "50"})
    transire.start()
    before = memory(transire)
    held = []
    half = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 30000
    for _ in range(500):
        connection = socket.create_connection(address(transire), timeout=30)
        held.append(connection)
        try:
            connection.sendall(half)
        except OSError:
            pass  # It was closed already.
    grown = memory(transire) - before
    assert grown < 16 << 20, f"{grown >> 20} MiB more"
    wait_until("the log to say so", lambda: "limits.connections_per_address" in transire.log.read_text())
    for connection in held:
        connection.close()
    wait_until("an answer", lambda: answers(transire))


def connect_from(source: str, transire: Transire) -> socket.socket:
    return socket.create_connection(address(transire), timeout=30, source_address=(source, 0))


def test_silent_strangers_shut_nobody_out(new_transire: Callable[..., Transire]) -> None:
    """Two addresses with a request each and then silence took every place of a process with 1,024 files, and no line said so."""
    transire = new_transire(settings={"TRANSIRE_LIMITS__HEADER_SECONDS": "1"})
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files[1], 4096), files[1]))
    few_files = transire.data_dir.parent / "few-files"
    few_files.write_text(f'#!/bin/sh\nulimit -n 1024 && exec {transire.binary} "$@"\n')
    few_files.chmod(0o755)
    transire.binary = few_files
    transire.start()
    held: list[socket.socket] = []
    try:
        for number in range(1600):
            held.append(connect_from(f"127.0.0.{2 + number % 4}", transire))
            held[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if number % 100 == 99:
                assert transire.fetch("/healthz").status == 200
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
    assert "it takes 896 connections at once" in transire.log.read_text()
    wait_until("the log to say so", lambda: "connections are short" in transire.log.read_text())


def answers(transire: Transire) -> bool:
    try:
        return transire.fetch("/healthz").status == 200
    except OSError:
        return False


class Clients:
    """Asks for tokens by kept connections, until the service is gone."""

    def __init__(self, transire: Transire, instance: Instance, credential: Credential) -> None:
        self.answers = 0
        self.lost: list[str] = []
        self._lock = threading.Lock()
        self._place = address(transire)
        self._ask = (f"/token?service={instance.service}", {"Authorization": credential.basic()})
        self._threads = [threading.Thread(target=self._run) for _ in range(6)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(*self._place, timeout=30)
        while True:
            try:
                # Closed after its last answer: what comes next connects anew, as any client would.
                connection.connect() if connection.sock is None else None
            except ConnectionRefusedError:
                return
            try:
                connection.request("GET", self._ask[0], headers=self._ask[1])
                answer = connection.getresponse()
                answer.read()
                with self._lock:
                    self.answers += 1
                    if answer.status != 200:
                        self.lost.append(str(answer.status))
            except Exception as error:  # noqa: BLE001
                with self._lock:
                    self.lost.append(repr(error))
                return

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("delay", ["0", "1"])
def test_at_the_end_nothing_that_is_under_way_is_lost(new_transire: Callable[..., Transire], delay: str) -> None:
    transire = new_transire(settings={"TRANSIRE_SHUTDOWN__DELAY_SECONDS": delay, **MANY_TOKENS})
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    clients = Clients(transire, instance, tencent.issue(transire, instance.account.key, instance.tcr_id))
    wait_until("some answers", lambda: clients.answers > 100)
    begun = time.monotonic()
    transire.ask_to_end()
    assert transire.exit_code() == 0
    clients.join()
    assert clients.lost == []
    assert float(delay) <= time.monotonic() - begun < float(delay) + 8


def hold_a_request(transire: Transire) -> socket.socket:
    """A request whose body doesn't come."""
    connection = socket.create_connection(address(transire), timeout=30)
    connection.sendall(b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\na")
    # What came later is answered: that one's head was read.
    assert transire.fetch("/healthz").status == 200
    return connection


def test_the_deadline_holds(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings={"TRANSIRE_SHUTDOWN__DRAIN_SECONDS": "2"})
    transire.start()
    with hold_a_request(transire):
        begun = time.monotonic()
        transire.ask_to_end()
        assert transire.exit_code() == 0
        assert 2 <= time.monotonic() - begun < 8
    assert "did not finish in time" in transire.log.read_text()


def test_a_second_signal_ends_it_at_once(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings={"TRANSIRE_SHUTDOWN__DRAIN_SECONDS": "60", "TRANSIRE_LIMITS__BODY_SECONDS": "60"})
    transire.start()
    with hold_a_request(transire):
        transire.ask_to_end()
        wait_until("the log to say so", lambda: "shutting down" in transire.log.read_text())
        os.kill(transire.pid, signal.SIGINT)
        begun = time.monotonic()
        assert transire.exit_code() == 0
        assert time.monotonic() - begun < 8
    assert "told to stop twice" in transire.log.read_text()


def test_dockers_bad_password_counts_once(new_transire: Callable[..., Transire], new_registry: Callable[..., object]) -> None:
    """It sends it by POST, and then by GET: half the attempts that people have were gone."""
    transire = new_transire(
        settings={"TRANSIRE_LIMITS__REFUSALS_PER_SECOND": "1", "TRANSIRE_LIMITS__FAILED_LOG_INS": "2", "TRANSIRE_LIMITS__FAILED_LOG_INS_PER_MINUTE": "1"}
    )
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    registry = new_registry(transire, instance)
    attempts = [docker_login(registry, Credential("acme", f"{PASSWORD}{number}", 0)).stderr for number in range(3)]  # type: ignore[arg-type]
    assert ["unauthorized" in attempt for attempt in attempts] == [True, True, False], attempts
    assert "toomanyrequests" in attempts[2].lower() or "429" in attempts[2], attempts[2]
    # And what this service made logs in all the same.
    assert_logs_in(registry, tencent.issue(transire, instance.account.key, instance.tcr_id))  # type: ignore[arg-type]


def test_a_credential_that_asks_for_too_many_tokens_is_told_to_come_again(
    new_transire: Callable[..., Transire], new_registry: Callable[..., object]
) -> None:
    """One service account asked as often as it liked; now docker shows why it has to wait, and goes on after a second."""
    transire = new_transire(settings={"TRANSIRE_LIMITS__TOKEN_REQUESTS_PER_SECOND": "1", "TRANSIRE_LIMITS__TOKEN_REQUESTS_BURST": "2"})
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    registry = new_registry(transire, instance)
    busy, other = (tencent.issue(transire, instance.account.key, instance.tcr_id, kind) for kind in ("temp", "longterm"))
    stop, answers = threading.Event(), set[tuple[int, str | None]]()

    def keep_asking() -> None:
        while not stop.is_set():
            answer = transire.fetch(f"/token?service={instance.service}", {"Authorization": busy.basic()})
            answers.add((answer.status, answer.headers["Retry-After"]))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        # It may get the token of a second before the others do.
        wait_until("docker to be refused", lambda: "asked for too many tokens: 1 a second" in docker_login(registry, busy).stderr)  # type: ignore[arg-type]
        assert_logs_in(registry, other)  # type: ignore[arg-type]
    finally:
        stop.set()
        asking.join()
    assert answers == {(200, None), (429, "1")}
    wait_until("docker to log in again", lambda: docker_login(registry, busy).returncode == 0)  # type: ignore[arg-type]
    [line, *_] = [line for line in transire.log.read_text().splitlines() if "throttled" in line]
    assert instance.account.id in line
