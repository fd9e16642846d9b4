"""The disk of the tests of durability: it forgets what was not synced, and leaves the program alone otherwise.

Without these, those tests could not fail, or could fail by their tool.
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from disk import ForgetfulDisk

WRITERS = 4
# Many files come and go at few names, and are synced at any moment: while they are renamed, and after they are gone.
CHURN = """
import os, random, sys, threading
def churn(seed):
    chance = random.Random(seed)
    name = lambda: os.path.join(sys.argv[1], chance.choice("abcw"))
    for _ in range(50):
        at = name()
        kind = chance.random()
        try:
            if kind < 0.6:
                file = os.open(at, os.O_CREAT | os.O_APPEND | chance.choice((os.O_RDWR, os.O_WRONLY)))
                os.write(file, b"x" * chance.randrange(1, 200_000))
                if kind < 0.2:
                    os.unlink(at)
                os.fsync(file)
                os.close(file)
            elif kind < 0.8:
                os.rename(at, name())
            elif kind < 0.9:
                os.unlink(at)
            else:
                folder = os.open(sys.argv[1], os.O_RDONLY)
                os.fsync(folder)
                os.close(folder)
        except FileNotFoundError:
            pass
threads = [threading.Thread(target=churn, args=(f"{sys.argv[2]} {number}",)) for number in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
SYNC = """
import os, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
os.write(file, b"some")
os.fsync(file)
"""


@pytest.fixture
def disk(tmp_path: Path) -> ForgetfulDisk:
    return ForgetfulDisk(tmp_path / "disk")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    return work


def begin(disk: ForgetfulDisk, script: str, *arguments: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, **disk.environment()}
    return subprocess.Popen([sys.executable, "-c", script, *arguments], env=environment, stderr=subprocess.PIPE, text=True)


def run(disk: ForgetfulDisk, script: str, *arguments: str | Path) -> None:
    running = begin(disk, script, *arguments)
    said = running.communicate(timeout=60)[1]
    assert (running.returncode, said) == (0, "")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_it_forgets_what_was_not_synced(disk: ForgetfulDisk, work: Path, tmp_path: Path) -> None:
    script = """
import os, sys
for name, synced in (("kept", True), ("forgotten", False)):
    file = os.open(os.path.join(sys.argv[1], name), os.O_CREAT | os.O_WRONLY)
    os.write(file, b"first")
    if synced:
        os.fsync(file)
    os.write(file, b" second")
os.fsync(os.open(sys.argv[1], os.O_RDONLY))
os.open(os.path.join(sys.argv[1], "nameless"), os.O_CREAT)
"""
    run(disk, script, work)
    disk.restore(work, tmp_path / "after")
    assert contents(tmp_path / "after") == {"kept": b"first", "forgotten": b""}


def test_what_it_left_is_what_the_next_power_cut_finds(disk: ForgetfulDisk, work: Path) -> None:
    run(disk, SYNC + "os.fsync(os.open(os.path.dirname(sys.argv[1]), os.O_RDONLY))", work / "kept")
    disk.lose_power(work)
    (work / "kept").write_bytes(b"more")
    (work / "forgotten").touch()
    disk.lose_power(work)
    assert contents(work) == {"kept": b"some"}


def test_several_processes_sync_one_file(disk: ForgetfulDisk, work: Path, tmp_path: Path) -> None:
    script = """
import os, sys
file = os.open(os.path.join(sys.argv[1], "shared"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
for _ in range(200):
    os.write(file, b".")
    os.fsync(file)
os.fsync(os.open(sys.argv[1], os.O_RDONLY))
"""
    writers = [begin(disk, script, work) for _ in range(WRITERS)]
    assert [writer.communicate(timeout=60)[1] for writer in writers] == [""] * WRITERS
    disk.restore(work, tmp_path / "after")
    assert contents(tmp_path / "after") == {"shared": b"." * 200 * WRITERS}


def test_no_program_ends_by_it_whatever_is_renamed_removed_and_killed_meanwhile(disk: ForgetfulDisk, work: Path, tmp_path: Path) -> None:
    running = [begin(disk, CHURN, work, str(number)) for number in range(WRITERS)]
    killed = begin(disk, CHURN, work, "killed")
    for number in range(10):
        # Wherever it is, with the lock or without.
        if random.random() < 0.5:
            killed.kill()
        assert killed.communicate(timeout=60)[1] == "" and killed.returncode in (0, -9)
        killed = begin(disk, CHURN, work, f"killed {number}")
    assert [(process.communicate(timeout=60)[1], process.returncode) for process in (*running, killed)] == [("", 0)] * (WRITERS + 1)
    run(disk, "import os, sys; os.fsync(os.open(sys.argv[1], os.O_RDONLY))", work)
    disk.restore(work, tmp_path / "after")
    assert {file.name for file in work.iterdir()} == {file.name for file in (tmp_path / "after").iterdir()}


def test_no_program_loses_its_locks_by_it(disk: ForgetfulDisk, work: Path) -> None:
    """To copy a file it opened and closed it, which drops POSIX locks: the last command to end then deleted SQLite's WAL
    under the running service."""
    script = """
import fcntl, os, subprocess, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
fcntl.lockf(file, fcntl.LOCK_EX)
os.fsync(file)
other = "import fcntl, os, sys; fcntl.lockf(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)"
assert subprocess.run([sys.executable, "-c", other, sys.argv[1]], stderr=subprocess.DEVNULL).returncode, "another has the lock, too"
"""
    run(disk, script, work / "locked")


def test_a_file_that_was_not_synced_has_nothing_of_one_that_had_its_inode(disk: ForgetfulDisk, work: Path, tmp_path: Path) -> None:
    """Copies were kept by inode alone, and a file system uses the inode of a removed file for the next."""
    script = """
import os, sys
at = os.path.join(sys.argv[1], "again")
for _ in range(1000):
    file = os.open(at, os.O_CREAT | os.O_RDWR)
    os.write(file, b"of another")
    os.fsync(file)
    before = os.stat(at).st_ino
    os.close(file)
    os.unlink(at)
    os.close(os.open(at, os.O_CREAT | os.O_RDWR))
    if os.stat(at).st_ino == before:
        break
os.fsync(os.open(sys.argv[1], os.O_RDONLY))
"""
    run(disk, script, work)
    disk.restore(work, tmp_path / "after")
    assert contents(tmp_path / "after") == {"again": b""}


def test_a_program_goes_on_where_nothing_can_be_kept(disk: ForgetfulDisk, work: Path, tmp_path: Path) -> None:
    """It ended the program, and a round of kills said nothing about the service."""
    kept = Path(disk.environment()["FORGETFUL_DISK"])
    (kept / "lock").mkdir()
    run(disk, SYNC, work / "file")
    with pytest.raises(AssertionError, match="and not what is tested, failed: can't open the lock"):
        disk.restore(work, tmp_path / "after")
    shutil.rmtree(kept)
    run(disk, SYNC, work / "file")
