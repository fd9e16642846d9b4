"""An hour in which everything happens that happens to a service in a year: each answer is the right one, and nothing grows.

The short form takes less than a minute. `TRANSIRE_TEST_LONG=1` asks for an hour, or for as many minutes as
`TRANSIRE_TEST_MINUTES` says.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from abuse.measure import resident_bytes
from duties import SETTINGS, Duties
from mixed import Worker, World, listed
from outage import settings
from postgres import Postgres
from processes import wait_until
from redis_server import Redis
from service import Clock, Transire

# Every duty comes twice at least: once before the warm-up is over, and once after it.
MIN_ROUNDS = 2
MINUTES = float(os.environ.get("TRANSIRE_TEST_MINUTES", "60")) if os.environ.get("TRANSIRE_TEST_LONG") == "1" else 0.0
# After each duty, in seconds.
PAUSE = 5.0 if MINUTES else 1.0
WORKERS = 4
# Of the whole time. Until then caches fill, and pools grow.
WARM_UP = 0.3
MAX_GROWN = 24 << 20
MAX_MORE_FILES, MAX_MORE_THREADS = 8, 4
# Nothing here is about how often.
OFTEN = {f"TRANSIRE_LIMITS__{name}": "100000" for name in ("REFUSALS_PER_SECOND", "REFUSALS_BURST", "FAILED_LOG_INS")}
OFTEN |= {f"TRANSIRE_LIMITS__OPERATOR_REQUESTS_{name}": "100000" for name in ("PER_SECOND", "BURST")}
ACTIONS = {"TRANSIRE_LIMITS__ACTIONS": '{ "tcr:ModifyInstanceToken" = 100000 }'}


@dataclass(frozen=True)
class Use:
    """The memory, files and threads of a process."""

    memory: int
    files: int
    threads: int

    @staticmethod
    def of(transire: Transire) -> "Use":
        place = Path(f"/proc/{transire.pid}")
        return Use(resident_bytes(transire.pid), len(list((place / "fd").iterdir())), len(list((place / "task").iterdir())))

    def to(self, end: "Use") -> str:
        """The row of the warm-up and the end."""
        pairs = {"MiB": (self.memory >> 20, end.memory >> 20), "descriptors": (self.files, end.files), "threads": (self.threads, end.threads)}
        return "at the warm-up and the end " + ", ".join(f"{first} and {last} {what}" for what, (first, last) in pairs.items())


@pytest.fixture
def server() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def replicas(tmp_path: Path, server: Postgres, redis: Redis, clock: Clock) -> Iterator[list[Transire]]:
    """One that stays, and one whose place others take. Their audit is trimmed, and not searched for secrets."""
    given = settings(tmp_path, server.url(), TRANSIRE_SHARED__URL=redis.url, TRANSIRE_ADMIN_LISTEN="0", **OFTEN, **ACTIONS, **SETTINGS)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        made = []
        try:
            for name in ("stays", "goes"):
                (tmp_path / name).mkdir()
                made.append(Transire(tmp_path / name, clock, settings=given))
                if name == "goes":
                    made[-1].listener = listener
                made[-1].start()
            yield made
        finally:
            for transire in made:
                transire.stop()


def held_use(world: World) -> Use:
    """Looks at the first replica while nothing is asked."""
    with world.held():
        return Use.of(world.replicas[0])


def test_a_wrong_answer_is_noticed(new_transire: Callable[..., Transire]) -> None:
    """Without this, the next test could not fail."""
    transire = new_transire(settings={"TRANSIRE_ADMIN_LISTEN": "0", **OFTEN})
    transire.start()
    world = World([transire], transire.cli("operator", "create", "--name", "alice", "--role", "admin")["token"])
    worker = Worker(world, 0)

    def disable_one() -> None:
        where = ["--instance", worker.instance.tcr_id]
        for credential in transire.items("credential", "list", *where)[:1]:
            transire.run("credential", "disable", *where, "--id", credential["id"])

    def is_noticed() -> bool:
        disable_one()
        return any("long-term" in found for found in world.unexpected)

    worker.thread.start()
    try:
        wait_until("the client to notice", is_noticed)
    finally:
        world.over.set()
        worker.thread.join()


def test_a_year_of_everything_brings_no_wrong_answer_and_nothing_grows(
    replicas: list[Transire], server: Postgres, redis: Redis, clock: Clock, tmp_path: Path, table: list[str]
) -> None:
    token = replicas[0].cli("operator", "create", "--name", "alice", "--role", "admin")["token"]
    world = World(replicas, token)
    workers = [Worker(world, number) for number in range(WORKERS)]
    duties = Duties(world, workers, server, redis, clock, tmp_path / "shared.key")
    began = time.monotonic()
    rounds, passed, warm = 0, 0.0, None
    for worker in workers:
        worker.thread.start()
    try:
        while (passed < MINUTES or rounds < MIN_ROUNDS) and not world.unexpected:
            duties.all(PAUSE)
            rounds += 1
            passed = (time.monotonic() - began) / 60
            if warm is None and passed >= WARM_UP * MINUTES:
                warm = held_use(world)
        end = held_use(world)
    finally:
        world.over.set()
        for worker in workers:
            worker.thread.join()
    assert world.unexpected == [], world.unexpected[:5]
    assert warm is not None
    done = replicas[0].run("audit", "verify", environment=clock.environment())
    findings = json.loads(done.stdout)["items"]
    unattended = duties.unattended()
    table.append(f"{passed:.1f} minutes: {listed(duties.done)}; {listed(unattended)}")
    table.append(f"{world.row()}; {warm.to(end)}; {len(findings)} findings in the audit")
    assert findings == []
    assert all(unattended.values()), unattended
    assert end.memory - warm.memory < MAX_GROWN
    assert end.files - warm.files <= MAX_MORE_FILES
    assert end.threads - warm.threads <= MAX_MORE_THREADS
