"""One process takes the place of another at a socket that a supervisor keeps, as systemd does."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import image
import tencent
from credential import exchange
from processes import Daemon, free_port, wait_until
from registry import Registry, skopeo_login
from service import MANY_TOKENS, Account, Instance, Transire, fetch
from traffic import Traffic

# How often the service is started anew.
_HANDOVERS = 20 if os.environ.get("TRANSIRE_TEST_LONG") else 4


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Iterator[Transire]:
    """One that has the socket of a supervisor, which is there before it and after it."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        transire = new_transire(settings=MANY_TOKENS)
        transire.listener = listener
        transire.start()
        yield transire
        transire.stop()


class Load:
    """Requests by several clients at once, each over and over; all that fail are kept."""

    def __init__(self, *clients: Callable[[], object]) -> None:
        self._stop = threading.Event()
        self.served = [0] * len(clients)
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number, client)) for number, client in enumerate(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int, client: Callable[[], object]) -> None:
        while not self._stop.is_set():
            try:
                client()
                self.served[number] += 1
            except Exception as failure:
                self.failures.append(repr(failure))

    def go_on(self) -> None:
        """Waits until each client was served once more."""
        before = list(self.served)
        wait_until("every client", lambda: all(now > then for now, then in zip(self.served, before, strict=True)))

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_no_request_is_lost_while_one_process_after_the_other_takes_the_place(
    transire: Transire, account: Account, instance: Instance, registry: Registry, tmp_path: Path, table: list[str]
) -> None:
    credential = tencent.issue(transire, account.key, instance.tcr_id)
    image.write_oci_layout(tmp_path / "in", "v1")
    assert skopeo_login(registry, credential).returncode == 0

    def logs_in() -> None:
        assert exchange(transire.realm, instance, credential).status == 200

    def issues() -> None:
        tencent.issue(transire, account.key, instance.tcr_id)

    endpoint = transire.endpoint
    traffic = Traffic(registry, tmp_path / "in")
    load = Load(logs_in, logs_in, logs_in, issues, issues)
    try:
        for _ in range(_HANDOVERS):
            load.go_on()
            old = transire.pid
            transire.ask_to_end()
            assert transire.exit_code() == 0
            # Clients come while nobody is there.
            transire.launch()
            transire.await_ready()
            assert (transire.endpoint, transire.pid != old) == (endpoint, True)
        load.go_on()
        traffic.go_on(1)
    finally:
        load.stop()
        traffic.stop()
    table.append(
        f"{_HANDOVERS} restarts behind a socket: {sum(load.served)} requests and {traffic.rounds} pushes with pulls, "
        f"{len(load.failures) + len(traffic.failures)} failed"
    )
    assert (load.failures, traffic.failures) == ([], [])


def test_it_takes_the_sockets_of_systemd_itself(tmp_path: Path) -> None:
    """systemd-socket-activate starts it at the first connection."""
    clients, metrics = free_port(), free_port()
    command = [
        "systemd-socket-activate",
        f"--listen=127.0.0.1:{clients}",
        f"--listen=127.0.0.1:{metrics}",
        "--fdname=transire.socket:metrics",
        os.environ["TRANSIRE_TEST_PROGRAM"],
        "serve",
    ]
    activator = Daemon(command, tmp_path, tmp_path / "log")
    try:
        wait_until("systemd's sockets", lambda: activator.read_log().count("Listening on") == 2)
        assert fetch(f"http://127.0.0.1:{clients}/healthz").status == 200
        assert "transire_database_reachable 1" in fetch(f"http://127.0.0.1:{metrics}/metrics").body.decode()
        # The process that listened is the service now.
        os.kill(activator.pid, signal.SIGTERM)
        assert activator.exit_code() == 0
    finally:
        activator.stop()
