"""Starting, awaiting and ending the processes that a test needs, and only those."""

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# Gives the command its standard input as systemd gives a socket: the shell knows the id that the command will have.
_AS_SYSTEMD = 'exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"'

# How long anything local may take on a busy machine before the test gives up.
PATIENCE = 30.0


def wait_until(what: str, attempt: Callable[[], T | None], within: float = PATIENCE) -> T:
    """The first answer of `attempt` that is neither None nor False; fails with `what` when there is none in time."""
    deadline = time.monotonic() + within
    while True:
        answer = attempt()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within:g} s for {what}")
        time.sleep(0.02)


def free_port() -> int:
    """A port nobody listens on now; somebody may take it, so whoever uses it must be ready to try another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """A process that serves until it is told to stop.

    What it prints goes to a file, except the standard output of one that `announces`: that is for `first_line`. It may be
    given a listening socket, as systemd gives one.
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        cwd: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        announces: bool = False,
        listener: socket.socket | None = None,
    ) -> None:
        self.log = log
        words = [str(part) for part in command]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["sh", "-c", _AS_SYSTEMD, *words] if listener else words,
                cwd=cwd,
                env=dict(os.environ if environment is None else environment),
                stdin=listener or subprocess.DEVNULL,
                stdout=subprocess.PIPE if announces else output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def exit_code(self, within: float = PATIENCE) -> int:
        return self._process.wait(within)

    def first_line(self, within: float = PATIENCE) -> str:
        """The first line on standard output; empty when the process ends without one."""
        assert self._process.stdout is not None
        line = b""
        deadline = time.monotonic() + within
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"no line on standard output within {within:g} s; its log:\n{self.read_log()}")
            piece = os.read(self._process.stdout.fileno(), 4096)
            if not piece:
                break
            line += piece
        return line.decode()

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> int:
        """Asks it to end, and insists after a while."""
        if self.is_running():
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._reap()

    def pause(self) -> None:
        """Stops it as it stands; a signal to end reaches it when it goes on."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it as a power cut would: no handler runs."""
        self._process.kill()
        self._reap()

    def _reap(self) -> int:
        code = self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code
