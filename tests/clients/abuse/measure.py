"""The figures of the process under attack, from outside."""

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path

from postgres import psql

_TICKS = os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) * 1024


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Memory:
    """Looks at a process's memory twenty times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self.before = self.peak = self.end = resident_bytes(pid)
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            try:
                self.end = resident_bytes(self._pid)
            except (OSError, StopIteration):
                return
            self.peak = max(self.peak, self.end)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


class Meter:
    """Memory and processor time of one process between two moments."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._begun = time.monotonic()
        self._cpu = cpu_seconds(pid)
        self.memory = Memory(pid)
        self.cpu_share = 0.0

    def stop(self) -> None:
        self.memory.stop()
        self.cpu_share = (cpu_seconds(self._pid) - self._cpu) / (time.monotonic() - self._begun)


def sqlite_bytes(data_dir: Path) -> int:
    """The pages in use: the files grow and shrink with what waits in the write-ahead log."""
    with contextlib.closing(sqlite3.connect(data_dir / "transire.db")) as connection:
        figure = lambda name: int(connection.execute(f"PRAGMA {name}").fetchone()[0])  # noqa: E731
        return (figure("page_count") - figure("freelist_count")) * figure("page_size")


def postgres_bytes(url: str) -> int:
    return int(psql(url, "SELECT pg_database_size(current_database())"))
