"""What packages bring, by the tools that take it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import system_calls
import tencent
from credential import exchange
from processes import Daemon
from service import Transire

FOLDER = Path(__file__).parents[2] / "packaging/systemd"
UNIT = FOLDER / "transire.service"
SERVICES = [UNIT.name, "transire-backup.service"]

BARE = """\
[Service]
ExecStart=/bin/true
"""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with the programs that are tested in place of the installed ones."""
    folder = tmp_path / "units"
    folder.mkdir()
    for unit in FOLDER.glob("transire*.*"):
        text = unit.read_text().replace("/usr/lib/transire/backup", str(FOLDER / "backup"))
        (folder / unit.name).write_text(text.replace("/usr/bin/transire", os.environ["TRANSIRE_TEST_PROGRAM"]))
    return folder


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--man=no", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_systemd_takes_the_units_as_they_are_written(units: Path) -> None:
    verified = analyze("verify", *sorted(units.iterdir()))
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_leaves_its_program_little_of_the_machine(units: Path, tmp_path: Path, name: str) -> None:
    # Tenths of systemd's measure, of 100.
    threshold = ["security", "--offline=true", "--threshold=11"]
    judged = analyze(*threshold, units / name)
    assert judged.returncode == 0, judged.stdout
    bare = tmp_path / "bare.service"
    bare.write_text(BARE)
    assert analyze(*threshold, bare).returncode == 1


def test_the_unit_and_its_settings_are_the_programs(tmp_path: Path) -> None:
    """Each variable that the unit sets is one that the program knows: it refuses others."""
    variables = dict(
        line.removeprefix("Environment=").split("=", 1)
        for line in UNIT.read_text().splitlines()
        if line.startswith("Environment=")
    )
    assert variables
    variables = {name: str(tmp_path / "data") for name in variables}
    made = subprocess.run(
        [os.environ["TRANSIRE_TEST_PROGRAM"], "init"], env=variables, cwd=tmp_path, timeout=60, check=False
    )
    assert made.returncode == 0
    assert (tmp_path / "data/transire.db").exists()


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, str]:
    """The variables by which the backup's script finds the program, and data to back up."""
    program = Path(os.environ["TRANSIRE_TEST_PROGRAM"])
    settings = tmp_path / "transire.toml"
    settings.write_text(f'data_dir = "{tmp_path}/data"\n')
    subprocess.run([program, "--config", settings, "init"], timeout=60, check=True)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "TRANSIRE_CONFIG": str(settings),
        "BACKUP_FOLDER": str(tmp_path / "backups"),
    }


def back_up(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FOLDER / "backup"], env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_a_backup_has_its_moment_in_its_name_and_the_oldest_goes(stored: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    others = ["keep-me", "transire-2020-01-01", "transire-2020-01-01T000000Z.age"]
    old = [f"transire-2020-01-0{day}T000000Z" for day in range(1, 5)]
    for name in [*others, *old]:
        (folder / name).write_text("")
    done = back_up({**stored, "BACKUP_KEEP": "3"})
    assert done.returncode == 0, done.stderr
    kept = sorted(file.name for file in folder.iterdir() if file.name not in others)
    assert kept[:-1] == old[-2:], "the new one is the third"
    assert re.fullmatch(r"transire-\d{4}-\d\d-\d\dT\d{6}Z", kept[-1])
    assert all((folder / name).exists() for name in others)
    restored = [os.environ["TRANSIRE_TEST_PROGRAM"], "--data-dir", tmp_path / "restored", "restore", folder / kept[-1]]
    key = ["--master-key-file", tmp_path / "data" / "master.key"]
    subprocess.run([*restored, *key], timeout=60, check=True)


def test_a_backup_that_fails_removes_none(stored: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "transire-2020-01-01T000000Z").write_text("")
    (folder / "transire-2020-01-02T000000Z").write_text("")
    done = back_up({**stored, "TRANSIRE_CONFIG": str(tmp_path / "nothing"), "BACKUP_KEEP": "1"})
    assert done.returncode == 1 and "can't be read" in done.stderr
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("number", ["0", "-1", "all", "1.5"])
def test_a_number_of_backups_that_is_none_is_refused_before_one_is_made(
    stored: dict[str, str], tmp_path: Path, number: str
) -> None:
    done = back_up({**stored, "BACKUP_KEEP": number})
    assert done.returncode == 2 and "BACKUP_KEEP" in done.stderr
    assert not (tmp_path / "backups").exists()


def test_the_program_spends_no_start_on_a_second_source_of_randomness() -> None:
    """`.cargo/config.toml` says so to the cryptographic library's own build."""
    program = Path(os.environ["TRANSIRE_TEST_PROGRAM"]).read_bytes()
    if b"RAND_bytes" not in program:
        pytest.skip("its symbols are stripped")
    assert b"jent_" not in program


@pytest.mark.skipif(not system_calls.is_possible(), reason="the numbers of this machine's system calls aren't known")
def test_the_service_works_with_the_system_calls_that_its_unit_allows(new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    transire = new_transire()
    serve = [transire.binary, "--data-dir", transire.data_dir, "serve", "--listen", "127.0.0.1:0"]
    confined = system_calls.command(UNIT.read_text(), *serve)
    transire.adopt(Daemon(confined, tmp_path, transire.log, announces=True))
    assert "Seccomp:\t2\n" in Path(f"/proc/{transire.pid}/status").read_text()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id, "longterm")
    assert exchange(transire.realm, instance, credential).status == 200
    log = transire.log.read_text()
    assert " WARN " not in log, log


def test_a_call_that_no_unit_allows_is_refused() -> None:
    sethostname = system_calls.command(UNIT.read_text(), sys.executable, "-c", "import socket; socket.sethostname('x')")
    refused = subprocess.run(sethostname, capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "Operation not permitted" in refused.stderr
