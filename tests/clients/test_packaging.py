"""What packages bring, by the tools that take it."""

import os
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "packaging/systemd/transire.service"

BARE = """\
[Service]
ExecStart=/bin/true
"""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with the program that is tested in place of the installed one."""
    text = UNIT.read_text()
    assert "ExecStart=/usr/bin/transire " in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/usr/bin/transire", os.environ["TRANSIRE_TEST_PROGRAM"]))
    return unit


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--man=no", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_systemd_takes_the_unit_as_it_is_written(unit: Path) -> None:
    verified = analyze("verify", unit)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_unit_leaves_the_service_little_of_the_machine(unit: Path, tmp_path: Path) -> None:
    # Tenths of systemd's measure, of 100.
    threshold = ["security", "--offline=true", "--threshold=20"]
    assert analyze(*threshold, unit).returncode == 0
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
