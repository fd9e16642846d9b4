"""One round: attackers and honest clients against one service, and the figures of it."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from namespace import Namespace
from processes import PATIENCE
from service import Transire

from .attacks import Order
from .honest import Outcome, Person, Plan
from .measure import Meter

HERE = Path(__file__).parent.parent

# A rate is taken over ten seconds at least: less is a burst.
MIN_SECONDS = 10.0
MAX_MEMORY = 256 << 20
MAX_LOGGED_PER_SECOND = 10_000
MAX_STORED_PER_SECOND = 100_000
# A caller who is proved has a whole line in the audit for each request, at most 2,560 bytes long, and 100 requests a second.
MAX_STORED_PER_SECOND_OF_A_CALLER = 256_000
PROVED = {"denied_scopes", "proved_idle"}
MIN_SERVED = 0.99


class Side:
    """A process that speaks in lines: its order in, `ready` out, go, its result out."""

    def __init__(self, module: str, order: object, namespace: Namespace | None) -> None:
        command: list[str | os.PathLike[str]] = [sys.executable, "-m", module]
        if namespace:
            command = namespace.command(*command, folder=HERE)
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(json.dumps(order))
        ready = self._hear()
        assert ready == "ready\n", ready

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def go(self) -> None:
        self._say("go")

    def result(self) -> dict[str, Any]:
        line = self._hear()
        assert self._process.wait(PATIENCE) == 0
        return json.loads(line)

    def end(self) -> None:
        """Ends it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()


@dataclass(frozen=True)
class Round:
    """The figures of one round."""

    attack: str
    addresses: int
    seconds: float
    answers: Mapping[str, int]
    memory_before: int
    memory_peak: int
    memory_end: int
    stored: int
    logged: int
    cpu_share: float
    honest: Outcome

    @property
    def stored_per_second(self) -> float:
        return self.stored / max(self.seconds, MIN_SECONDS)

    @property
    def logged_per_second(self) -> float:
        return self.logged / max(self.seconds, MIN_SECONDS)

    @property
    def served(self) -> float:
        return self.honest.served / self.honest.asked

    def percentile(self, part: float) -> float:
        """A time of honest requests, in milliseconds, those that failed among them."""
        times = sorted(self.honest.milliseconds)
        return times[math.ceil(part * len(times)) - 1]

    def misses(self) -> list[str]:
        """Names each bound that the round didn't keep."""
        found = []
        if self.served < MIN_SERVED:
            found.append(f"{self.served:.1%} of {self.honest.asked} honest requests were served: {self.honest.failures}")
        if self.memory_peak > MAX_MEMORY:
            found.append(f"{self.memory_peak >> 20} MiB of memory")
        if self.logged_per_second > MAX_LOGGED_PER_SECOND:
            found.append(f"{self.logged_per_second / 1000:.1f} KB/s of log")
        bound = MAX_STORED_PER_SECOND_OF_A_CALLER if self.attack in PROVED else MAX_STORED_PER_SECOND
        if self.stored_per_second > bound:
            found.append(f"{self.stored_per_second / 1000:.1f} KB/s of data")
        return found

    HEAD = (
        "| attack | addresses | answers | memory MiB: before, peak, end | stored KB/s | logged KB/s | honest served | p50 ms | p99 ms | CPU |\n"
        "|---|--:|---|---|--:|--:|--:|--:|--:|--:|"
    )

    def row(self, how: str) -> str:
        name = f"{self.attack} ({how})" if how else self.attack
        answers = ", ".join(f"{answer}: {count}" for answer, count in sorted(self.answers.items()))
        memory = ", ".join(str(figure >> 20) for figure in (self.memory_before, self.memory_peak, self.memory_end))
        return (
            f"| {name} | {self.addresses} | {answers} | {memory} | {self.stored_per_second / 1000:.1f} | {self.logged_per_second / 1000:.1f}"
            f" | {self.served:.1%} of {self.honest.asked} | {self.percentile(0.5):.0f} | {self.percentile(0.99):.0f} | {self.cpu_share:.0%} |"
        )


def attack(
    transire: Transire,
    name: str,
    attackers: list[str],
    clients: list[str],
    seconds: float,
    stored: Callable[[], int],
    namespace: Namespace | None = None,
) -> Round:
    """Runs one attack against a service that runs and is empty, and stops the service."""
    host, _, port = transire.endpoint.rpartition(":")
    place: dict[str, Any] = {"host": host.strip("[]"), "port": int(port), "seconds": seconds}
    people = []
    for number in range(3):
        account = transire.new_account(f"honest-{number}")
        instance = transire.new_instance(account, f"honest-{number}")
        people.append(Person(f"honest-{number}", account.key.id, account.key.secret, instance.cri_id, instance.service))
        if number == 0:
            first = instance
    stranger = transire.new_account("stranger")
    own = transire.new_instance(stranger, "stranger")
    order = Order(
        attack=name,
        addresses=attackers,
        service=first.service,
        victim=people[0].name,
        victim_key_id=people[0].key_id,
        key_id=stranger.key.id,
        key_secret=stranger.key.secret,
        own_tcr_id=own.tcr_id,
        own_service=own.service,
        **place,
    )
    plan = Plan(addresses=clients, tcr_id=first.tcr_id, people=people, **place)
    sides: list[Side] = []
    try:
        honest = Side("abuse.honest", asdict(plan), namespace)
        sides.append(honest)
        attacker = Side("abuse.attacks", asdict(order), namespace)
        sides.append(attacker)
        # The preparation is in neither figure.
        stored_before, logged_before = stored(), transire.log.stat().st_size
        meter = Meter(transire.pid)
        attacker.go()
        honest.go()
        answers = attacker.result()
        outcome = honest.result()
        meter.stop()
    finally:
        for side in sides:
            side.end()
    # Lines that wait are written at the end.
    assert transire.stop() == 0
    return Round(
        attack=name,
        addresses=len(attackers),
        seconds=seconds,
        answers=answers,
        memory_before=meter.memory.before,
        memory_peak=meter.memory.peak,
        memory_end=meter.memory.end,
        stored=stored() - stored_before,
        logged=transire.log.stat().st_size - logged_before,
        cpu_share=meter.cpu_share,
        honest=Outcome(**outcome),
    )
