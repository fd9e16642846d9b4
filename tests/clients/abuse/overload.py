"""Crowds of several manners against one service at once, and the figures of it."""

import asyncio
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace

from histories import Stalls
from namespace import Network
from service import Transire

from .crowd import BEFORE_OTHERS, Clients, Crowd, Member, Refused, Tally
from .measure import Memory
from .sides import MAX_MEMORY, Side

PORT = 8480
MANNERS = ["as told", "SDK", "at once"]
ADDRESSES = 4
CLIENTS = 10
# One client an address asks so often while the service has time.
UNHURRIED = 0.3
UNHURRIED_SECONDS = 4.0
# As before is a service whose requests take at most so many times as long as they did.
SLOWER = 5
# A machine that has other work, too, delays a request by so much now and then, whatever the service does.
FLOOR_MS = 20.0
RESUMED_WITHIN = 2.0
# Of a probe, which is one request after the other.
PROBES = 20
# At the pace of a service that has time, the clients would ask for so many times as much as is answered.
TIMES = 10
# How many times more or less than the mean an address may get, of those with the same manners.
UNFAIR = 2.0
# How many times as many answers the clients get that repeat at once; 5.2 before requests were counted by address. On a
# machine with nothing else to do it is 2.6: nine in ten requests of clients that wait are answered, and they ask little.
GREED = 3.5
# How much smaller the chance of a request may look of clients that wait: they ask at other moments.
LUCK = 0.8


def percentile(part: float, times: list[float]) -> float:
    return sorted(times)[math.ceil(part * len(times)) - 1]


@dataclass
class Phase:
    """The answers of one phase, a tally an address."""

    seconds: float
    tallies: list[Tally]

    @property
    def asked(self) -> int:
        return sum(tally.asked for tally in self.tallies)

    @property
    def accepted(self) -> int:
        return sum(tally.accepted for tally in self.tallies)

    @property
    def chance(self) -> float:
        return self.accepted / self.asked

    @property
    def times(self) -> list[float]:
        return [time for tally in self.tallies for time in tally.milliseconds]

    @property
    def settled(self) -> list[float]:
        return [time for tally in self.tallies for time in tally.settled]

    @property
    def first_refused(self) -> str:
        """After how many seconds the first request was refused."""
        moments = [tally.first_refused for tally in self.tallies if tally.first_refused is not None]
        return f"{min(moments):.1f}" if moments else ""

    def row(self, name: str) -> str:
        each = [tally.accepted for tally in self.tallies]
        given_up = sum(tally.given_up for tally in self.tallies)
        rates = f"{self.asked / self.seconds:.0f} | {self.accepted / self.seconds:.0f} | {self.chance:.0%}"
        times = f"{percentile(0.5, self.times):.0f} | {percentile(0.99, self.times):.0f} | {percentile(0.99, self.settled):.0f} | {self.first_refused}"
        return f"| {name} | {rates} | {min(each)}, {max(each)} | {given_up} | {times} |"


@dataclass
class Figures:
    """The figures of one overload."""

    unhurried: Phase
    by_manner: dict[str, Phase]
    memory_before: int
    memory_peak: int
    resumed_after: float
    stalled: float
    """For how long the machine gave nobody a turn after the end."""

    @property
    def bound_ms(self) -> float:
        return SLOWER * max(percentile(0.99, self.unhurried.times), FLOOR_MS)

    @property
    def times_too_many(self) -> float:
        """How much more the clients would ask for, at the pace of a service that has time, than was answered."""
        phases = self.by_manner.values()
        asking = len(phases) * ADDRESSES * CLIENTS
        return asking / (percentile(0.5, self.unhurried.times) / 1000) / sum(phase.accepted / phase.seconds for phase in phases)

    def late(self) -> list[str]:
        """Names the manners whose accepted requests take too long once the overload is noticed. Of a minute; seconds say little."""
        p99 = {manner: percentile(0.99, phase.settled) for manner, phase in self.by_manner.items()}
        return [f"{manner}: a p99 of {time:.0f} ms, and not {self.bound_ms:.0f}" for manner, time in p99.items() if time > self.bound_ms]

    def misses(self) -> list[str]:
        """Names each bound that wasn't kept."""
        found = []
        phases = self.by_manner.values()
        if self.times_too_many < TIMES:
            found.append(f"{self.times_too_many:.1f} times as much was asked for as was answered: that is little")
        if not any(sum(tally.refused.values()) for phase in phases for tally in phase.tallies):
            found.append("nothing was refused")
        if self.memory_peak > MAX_MEMORY:
            found.append(f"{self.memory_peak >> 20} MiB of memory")
        for manner, phase in self.by_manner.items():
            mean = phase.accepted / ADDRESSES
            for tally in phase.tallies:
                if not mean / UNFAIR <= tally.accepted <= mean * UNFAIR:
                    found.append(f"{manner}: an address got {tally.accepted} answers, and the mean is {mean:.0f}")
            if self.by_manner["at once"].accepted > GREED * phase.accepted:
                found.append(f"{manner}: {phase.accepted} answers, and more than {GREED} times as many for those that repeat at once")
            if phase.chance < LUCK * self.by_manner["at once"].chance:
                found.append(f"{manner}: {phase.chance:.0%} were answered, and more of those that repeat at once")
        for tally in (*self.unhurried.tallies, *(tally for phase in phases for tally in phase.tallies)):
            if tally.faults:
                found.append(f"answers that no client can read: {tally.faults}")
        if self.resumed_after > RESUMED_WITHIN + self.stalled:
            found.append(f"it was as before after {self.resumed_after:.1f} s")
        return found

    HEAD = (
        "| clients repeat | asked/s | answered/s | answered | answers of an address: least, most | given up | p50 ms | p99 ms | p99 ms, settled | first refusal after s |\n"
        "|---|--:|--:|--:|---|--:|--:|--:|--:|--:|"
    )

    def rows(self, how: str) -> Iterator[str]:
        yield self.HEAD
        yield self.unhurried.row(f"not at all: {how}, unhurried")
        for manner, phase in self.by_manner.items():
            yield phase.row(manner)
        memory = f"memory {self.memory_before >> 20} MiB before and {self.memory_peak >> 20} MiB at most"
        yield f"{how}: {self.times_too_many:.0f} times as much as was answered; {memory}, as before {self.resumed_after:.1f} s after the end"


def cores() -> tuple[list[int], list[int]]:
    """The core of the service, and those of its clients."""
    first, *others = sorted(os.sched_getaffinity(0))
    return [first], others or [first]


class Scene:
    """A service on a machine and a core of its own, and members on three others."""

    def __init__(self, transire: Transire, network: Network) -> None:
        self._transire = transire
        own, self._cores = cores()
        wrapper = transire.data_dir.parent / "pinned"
        wrapper.write_text(f'#!/bin/sh\nexec nice -n {BEFORE_OTHERS} taskset --cpu-list {own[0]} {transire.binary} "$@"\n')
        wrapper.chmod(0o755)
        commands, transire.binary = transire.binary, wrapper
        machine = network.add()
        self._host = machine.address
        transire.start_inside(machine.namespace, f"{self._host}:{PORT}")
        transire.binary = commands
        account = transire.new_account("acme")
        self._instance = transire.new_instance(account, "demo")
        keys = [account.key, *(transire.new_access_key(account.id) for _ in range(len(MANNERS) * ADDRESSES - 1))]
        self._machines = [network.add() for _ in MANNERS]
        self._members: list[list[Member]] = []
        for machine in self._machines:
            addresses = network.more_addresses(machine, ADDRESSES)
            self._members.append([Member(address, key.id, key.secret) for address, key in zip(addresses, keys, strict=False)])
            del keys[:ADDRESSES]

    def overload(self, seconds: float) -> Figures:
        unhurried = self._phase(UNHURRIED_SECONDS, 1, UNHURRIED)
        memory = Memory(self._transire.pid)
        phases = self._phase(seconds, CLIENTS, 0)
        ended = time.monotonic()
        memory.stop()
        figures = Figures(
            unhurried=Phase(UNHURRIED_SECONDS, [tally for phase in unhurried for tally in phase.tallies]),
            by_manner=dict(zip(MANNERS, phases, strict=True)),
            memory_before=memory.before,
            memory_peak=memory.peak,
            resumed_after=0.0,
            stalled=0.0,
        )
        with Stalls() as stalls:
            while not asyncio.run(self._is_as_before(figures.bound_ms)) and time.monotonic() < ended + 30:
                pass
        figures.resumed_after, figures.stalled = time.monotonic() - ended, stalls.longest
        return figures

    def _phase(self, seconds: float, clients: int, pause: float) -> list[Phase]:
        with ExitStack() as ends:
            sides = []
            for manner, machine, members in zip(MANNERS, self._machines, self._members, strict=True):
                crowd = self._crowd(manner, seconds, members, clients, pause)
                sides.append(Side("abuse.crowd", asdict(crowd), machine.namespace))
                ends.callback(sides[-1].end)
            for side in sides:
                side.go()
            return [Phase(seconds, [Tally(**tally) for tally in side.result()]) for side in sides]

    async def _is_as_before(self, bound_ms: float) -> bool:
        """Whether one request after the other is accepted, and in time."""
        # By another address.
        member = replace(self._members[0][0], address="0.0.0.0")
        clients = Clients(self._crowd(MANNERS[0], 0, [member], 1, 0), member)
        try:
            await clients.probe(PROBES)
        except Refused:
            return False
        assert not clients.tally.faults, clients.tally.faults
        return max(clients.tally.milliseconds) <= bound_ms

    def _crowd(self, manner: str, seconds: float, members: list[Member], clients: int, pause: float) -> Crowd:
        return Crowd(
            manner=manner,
            host=self._host,
            port=PORT,
            seconds=seconds,
            members=members,
            clients=clients,
            pause=pause,
            tcr_id=self._instance.tcr_id,
            cri_id=self._instance.cri_id,
            service=self._instance.service,
            cores=self._cores,
        )
