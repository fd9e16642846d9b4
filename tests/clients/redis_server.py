"""A Redis that keeps nothing on any disk, to be killed and paused."""

import os
from pathlib import Path

from namespace import Machine
from processes import Daemon, free_port, wait_until


class Redis:
    """One on loopback, or on a machine of its own; it keeps its port when it is started again."""

    def __init__(self, folder: Path, machine: Machine | None = None) -> None:
        folder.mkdir()
        self.machine = machine
        self._address = machine.address if machine else "127.0.0.1"
        self.log = folder / "redis.log"
        self._folder = folder
        for _ in range(5):
            # Between choosing a port here and the server's start somebody may take it.
            self._port = free_port()
            self.log.write_text("")
            if self.start():
                return
        raise AssertionError(f"Redis does not start:\n{self.log.read_text()}")

    @property
    def url(self) -> str:
        return f"redis://{self._address}:{self._port}"

    def start(self) -> bool:
        """Whether it came up; it remembers nothing of before."""
        command: list[str | os.PathLike[str]] = [os.environ["TRANSIRE_TEST_REDIS"], "--bind", self._address, "--port", str(self._port), "--dir", self._folder]
        before = self.log.read_text().count("Ready to accept connections")
        # Nothing secret is in it, and beyond loopback it would want a password.
        command += ["--save", "", "--appendonly", "no", "--protected-mode", "no"]
        if self.machine:
            command = self.machine.namespace.command(*command)
        self._daemon = Daemon(command, self._folder, self.log)
        answers = lambda: self.log.read_text().count("Ready to accept connections") > before  # noqa: E731
        wait_until("Redis to answer or end", lambda: not self._daemon.is_running() or answers())
        return self._daemon.is_running()

    def kill(self) -> None:
        self._daemon.kill()

    def pause(self) -> None:
        """Stops it as it stands: connections stay open, and nothing is answered."""
        self._daemon.pause()

    def resume(self) -> None:
        self._daemon.resume()

    def stop(self) -> None:
        self._daemon.resume()
        self._daemon.stop()
