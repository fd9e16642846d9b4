"""Signals that end the process come at any moment: in the first one, and while it waits."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from credential import Credential, exchange
from processes import wait_until
from service import Instance, Transire

NO_DATABASE = {"TRANSIRE_MASTER_KEY": "5e" * 32, "TRANSIRE_POSTGRES__CONNECT_SECONDS": "600", "TRANSIRE_POSTGRES__START_SECONDS": "600"}


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that lets everyone in and never says a word."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(30)
        yield server


def test_a_signal_right_after_it_listens_ends_it_in_order(transire: Transire, instance: Instance) -> None:
    """Handlers came after the announcement: of twenty that were told to end right after it, six were killed by the signal."""
    transire.stop()
    stranger = Credential("stranger", "not a secret", 0)
    for number in range(24):
        daemon = transire.launch()
        transire.endpoint = json.loads(daemon.first_line())["listening"]
        if number % 2:
            assert exchange(transire.realm, instance, stranger).status == 401
        os.kill(daemon.pid, signal.SIGINT if number % 3 else signal.SIGTERM)
        assert daemon.exit_code() == 0
    lines = transire.items("audit", "list", "--since", "1h")
    assert sum(line["action"] == "registry.log-in" for line in lines) == 12, "what waited for the audit is written"


@contextlib.contextmanager
def as_process_1(transire: Transire, *arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Runs a command as the first process of a namespace, as in a container; its exit code, and its id as seen from here."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--pid", "--fork", "--kill-child", str(transire.binary), "--data-dir", str(transire.data_dir), *arguments]
    process = subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        yield process, int(wait_until("the process", lambda: children.read_text().strip()))
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("command", "code"),
    [(["serve", "--listen", "0"], 0), (["quickstart", "--listen", "0"], 143), (["init"], 143), (["account", "list"], 143)],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_as_process_1_it_ends_while_it_waits_for_a_database(
    new_transire: Callable[..., Transire], silent: socket.socket, command: list[str], code: int
) -> None:
    """The kernel ignores a signal to process 1 that has no handler, so a container had to be killed."""
    host, port = silent.getsockname()
    settings = {**NO_DATABASE, "TRANSIRE_DATABASE": f"postgres://transire@{host}:{port}/transire"}
    with as_process_1(new_transire(), *command, **settings) as (process, pid):
        connection, _ = silent.accept()
        with connection:
            os.kill(pid, signal.SIGTERM)
            process.wait(30)
    assert process.returncode == code


def test_a_command_that_waits_is_interrupted(new_transire: Callable[..., Transire], silent: socket.socket) -> None:
    host, port = silent.getsockname()
    transire = new_transire(settings={**NO_DATABASE, "TRANSIRE_DATABASE": f"postgres://transire@{host}:{port}/transire"})
    waiting = transire.begin("account", "list")
    connection, _ = silent.accept()
    with connection:
        waiting.send_signal(signal.SIGINT)
        stdout, _ = waiting.communicate(timeout=30)
    assert (waiting.returncode, stdout) == (130, "")


def test_it_ends_while_redis_says_nothing(new_transire: Callable[..., Transire], silent: socket.socket) -> None:
    host, port = silent.getsockname()
    transire = new_transire(settings={"TRANSIRE_SHARED__URL": f"redis://{host}:{port}", "TRANSIRE_SHARED__TIMEOUT_MS": "5000"})
    daemon = transire.launch()
    connection, _ = silent.accept()
    with connection:
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.exit_code() == 0
