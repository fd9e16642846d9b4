"""Attackers of one and of ten addresses reach bounded memory, disk and log, and honest clients are served beside them.

Each round prints a row of one table. `TRANSIRE_TEST_LONG=1` asks for rounds of half a minute instead of four seconds.
"""

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from abuse.measure import postgres_bytes, sqlite_bytes
from abuse.sides import Round, attack
from namespace import Namespace
from redis_server import Redis
from service import Transire

LONG = os.environ.get("TRANSIRE_TEST_LONG") == "1"
SECONDS = 25.0 if LONG else 4.0

ATTACKS = [
    "guesses",
    "anonymous_scopes",
    "closed_windows",
    "refusals",
    "silence",
    "idle",
    "proved_idle",
    "held_bodies",
    "forms",
    "new_usernames",
    "denied_scopes",
]

CLIENTS = [f"127.0.1.{number}" for number in range(1, 5)]
ATTACKERS = [f"127.0.0.{number}" for number in range(2, 12)]
# Of a network of 48 bits each.
CLIENTS_6 = [f"2001:db8:{number:x}::1" for number in range(0x101, 0x105)]
ATTACKERS_6 = [f"2001:db8:{number:x}::1" for number in range(1, 11)]


@pytest.fixture
def many_files() -> Iterator[None]:
    """Lets the attackers, and the service, open as many files as the machine allows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def report(table: list[str]) -> Callable[..., None]:
    """Adds a round to the table at the end, and fails the test where a bound wasn't kept."""

    def add(done: Round, how: str = "") -> None:
        table.append(Round.HEAD)
        table.append(done.row(how))
        if missed := done.misses():
            pytest.fail("; ".join(missed), pytrace=False)

    return add


def few_files(transire: Transire) -> None:
    """Has the service start with 1,024 files, which is the usual limit."""
    wrapper = transire.data_dir.parent / "few-files"
    wrapper.write_text(f'#!/bin/sh\nulimit -n 1024 && exec {transire.binary} "$@"\n')
    wrapper.chmod(0o755)
    transire.binary = wrapper


@pytest.mark.parametrize("addresses", [1, 10])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_stays_within_its_bounds(
    new_transire: Callable[..., Transire], many_files: None, report: Callable[..., None], name: str, addresses: int
) -> None:
    transire = new_transire()
    if name == "silence":
        few_files(transire)
    transire.start()
    report(attack(transire, name, ATTACKERS[:addresses], CLIENTS, SECONDS, lambda: sqlite_bytes(transire.data_dir)))


@pytest.mark.parametrize("name", ["anonymous_scopes", "refusals", "new_usernames", "held_bodies", "silence"])
def test_an_attack_over_ipv6_stays_within_its_bounds(
    new_transire: Callable[..., Transire], many_files: None, report: Callable[..., None], tmp_path: Path, name: str
) -> None:
    transire = new_transire()
    if name == "silence":
        few_files(transire)
    namespace = Namespace(tmp_path / "network", [])
    try:
        for address in (*CLIENTS_6, *ATTACKERS_6):
            assert namespace.run("ip", "-6", "address", "add", f"{address}/128", "dev", "lo", "nodad").returncode == 0
        transire.start_inside(namespace, "[::1]:8480")
        done = attack(transire, name, ATTACKERS_6, CLIENTS_6, SECONDS, lambda: sqlite_bytes(transire.data_dir), namespace)
    finally:
        namespace.end()
    report(done, "IPv6")


@pytest.mark.parametrize("name", ["anonymous_scopes", "refusals", "denied_scopes"])
def test_an_attack_on_a_replica_stays_within_its_bounds(
    replicated: dict[str, str],
    database: str,
    redis: Redis,
    new_transire: Callable[..., Transire],
    many_files: None,
    report: Callable[..., None],
    name: str,
) -> None:
    transire = new_transire(settings={**replicated, "TRANSIRE_SHARED__URL": redis.url})
    transire.start()
    report(attack(transire, name, ATTACKERS, CLIENTS, SECONDS, lambda: postgres_bytes(database)), "PostgreSQL, Redis")
