"""A few kills show little of what happens at a rare moment: many, in numbers.

`TRANSIRE_TEST_LONG=1` asks for the long form, and `TRANSIRE_TEST_ROUNDS` for another number of rounds.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from disk import ForgetfulDisk
from kills import SETTINGS, Kills, read_postgres, read_sqlite
from outage import settings as outage_settings
from postgres import Postgres
from promotions import MEMORY, Promotions
from service import Transire

LONG = os.environ.get("TRANSIRE_TEST_LONG") == "1"
# The short form, and the long one.
_FORMS = {"SQLite": (30, 10_000), "SQLite, power cut": (15, 1_000), "PostgreSQL": (12, 1_000), "promotion": (2, 1_000)}
ROUNDS = {how: int(os.environ.get("TRANSIRE_TEST_ROUNDS", long)) if LONG else short for how, (short, long) in _FORMS.items()}


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Transire]]:
    """Makes a service. Its audit is too long to be searched for secrets at the end."""
    made: list[Transire] = []

    def begin(settings: dict[str, str], disk: ForgetfulDisk | None = None) -> Transire:
        folder = tmp_path / "service"
        folder.mkdir()
        made.append(Transire(folder, disk=disk, settings={**SETTINGS, **settings}))
        return made[0]

    yield begin
    for transire in made:
        transire.kill_if_running()


def report(how: str, kills: Kills, table: list[str]) -> None:
    kills.verify()
    table.append(kills.totals.row(how))
    assert kills.totals.found() == []
    assert kills.totals.acknowledged > 0


def test_what_is_lost_or_revived_is_found(begin: Callable[..., Transire]) -> None:
    """Without this, the next test could not fail."""
    transire = begin({})
    kills = Kills(transire, read_sqlite(transire))
    while not {"lost", "revived"} <= kinds(kills):
        kills.load(lambda: kills.await_changes(1))
        kills.restart()
        tampered = "UPDATE credential SET state = CASE state WHEN 'active' THEN 'disabled' ELSE 'active' END"
        with contextlib.closing(sqlite3.connect(transire.data_dir / "transire.db")) as database, database:
            database.execute(tampered)
        kills.look()


def kinds(kills: Kills) -> set[str]:
    return {kind for kind in ("lost", "revived") if getattr(kills.totals, kind)}


@pytest.mark.parametrize("how", list(ROUNDS)[:3])
def test_many_kills_lose_nothing_and_revive_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, begin: Callable[..., Transire], table: list[str], how: str
) -> None:
    if how == "PostgreSQL":
        settings = request.getfixturevalue("replicated")
        transire = begin(settings)
        kills = Kills(transire, read_postgres(transire, settings["TRANSIRE_DATABASE"]))
    elif how == "SQLite":
        transire = begin({})
        kills = Kills(transire, read_sqlite(transire))
    else:
        disk = ForgetfulDisk(tmp_path / "disk")
        transire = begin({}, disk)
        kills = Kills(transire, read_sqlite(transire), after_kill=lambda: disk.lose_power(transire.data_dir))
    kills.rounds(ROUNDS[how])
    report(how, kills, table)


def test_many_promotions_of_a_synchronous_standby_lose_nothing_and_revive_nothing(
    tmp_path: Path, begin: Callable[..., Transire], table: list[str]
) -> None:
    primary = Postgres(folder=MEMORY)
    standby = Postgres(follows=primary, folder=MEMORY)
    transire = begin(outage_settings(tmp_path, primary.url(standby)))
    promotions = Promotions(transire, primary, standby)
    try:
        promotions.rounds(ROUNDS["promotion"])
        report("promotion", promotions, table)
    finally:
        promotions.end()
