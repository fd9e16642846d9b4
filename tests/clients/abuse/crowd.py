"""A crowd of clients that differ in their manners alone: each asks for the next thing as soon as it has the one before.

Started as `python -m abuse.crowd` with a `Crowd`, one line of JSON, on standard input. It prints `ready` once each member
has a credential, begins at the next line, and prints one line of JSON, a tally an address, when its time is over.
"""

import asyncio
import itertools
import json
import os
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import raw
from service import AccessKey

from .honest import basic
from .wire import Connection, Target, get, header, tc3

# As SDKs do: so often, twice as long each time, and at random within that.
TRIES = 4
FIRST_PAUSE = 0.5
# An overload is noticed by then.
SETTLED = 1.5
# Where an answer doesn't say when to come again.
USUAL_PAUSE = 1.0
# As nice(1) counts. The machine may have other work, which is not to be measured.
BEFORE_OTHERS = -10
# They make a token dear: without them, a test's clients would be busier than the service.
SCOPES = 5


@dataclass(frozen=True)
class Member:
    """An address, and the access key that is used there and nowhere else."""

    address: str
    key_id: str
    key_secret: str


@dataclass(frozen=True)
class Crowd:
    """Members of one manner, and all that they know of the service."""

    manner: str
    host: str
    port: int
    seconds: float
    members: list[Member]
    clients: int
    """At each address."""
    pause: float
    """Between an answer and the next thing that is asked for."""
    tcr_id: str
    cri_id: str
    service: str
    cores: list[int]


@dataclass
class Tally:
    """The answers that the clients of one address got."""

    asked: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By door."""
    given_up: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """Answers that are neither right nor a refusal that a client can read."""
    milliseconds: list[float] = field(default_factory=list)
    """Of those that were accepted."""
    settled: list[float] = field(default_factory=list)
    """Those of them that began once the overload had lasted for `SETTLED` seconds."""
    first_refused: float | None = None
    """After so many seconds."""


class Refused(Exception):
    """A refusal that a client can read, and after how many seconds it may come again, if it says so."""

    def __init__(self, after: float | None) -> None:
        self.after = after


class Clients:
    """The clients of one member."""

    def __init__(self, crowd: Crowd, member: Member) -> None:
        self._crowd = crowd
        self._target = Target(crowd.host, crowd.port, [])
        self._address = member.address
        self._key = AccessKey(member.key_id, member.key_secret)
        self._log_in = ""
        self._numbers = itertools.count()
        self._began = time.monotonic()
        self.tally = Tally()

    async def prepare(self) -> None:
        """Gets a credential; raises Refused where it gets none."""
        connection = await self._target.connect(self._address)
        connection.writer.write(self._tencent())
        head, body = await connection.whole_answer()
        connection.close()
        at_tencent(int(head.split()[1]), head, body)
        made = json.loads(body)["Response"]
        self._log_in = basic(made["Username"], made["Token"])

    async def probe(self, count: int) -> None:
        """Asks for so many tokens, one after the other; raises Refused at the first that it doesn't get."""
        await self.prepare()
        connection = await self._target.connect(self._address)
        for _ in range(count):
            connection = await self._ask(connection, self._token(), at_token)
        connection.close()

    async def ask_on(self) -> None:
        """One client, until it is cancelled."""
        self._began = time.monotonic()
        doors = itertools.cycle([(self._token, at_token), (self._tencent, at_tencent), (self._token, at_token), (self._alibaba, at_alibaba)])
        connection = await self._target.connect(self._address)
        await asyncio.sleep(random.uniform(0, self._crowd.pause))
        for request, read in doors:
            for number in range(TRIES):
                try:
                    connection = await self._ask(connection, request(), read)
                    break
                except Refused as refusal:
                    await self._wait(number, refusal.after)
            else:
                self.tally.given_up += 1
            if self._crowd.pause:
                await asyncio.sleep(random.uniform(0.5, 1.5) * self._crowd.pause)

    async def _wait(self, number: int, after: float | None) -> None:
        if self._crowd.manner == "as told":
            await asyncio.sleep(after or USUAL_PAUSE)
        elif self._crowd.manner == "SDK":
            await asyncio.sleep(random.uniform(0, FIRST_PAUSE * 2**number))

    async def _ask(self, connection: Connection, request: bytes, read: Callable[[int, bytes, bytes], None]) -> Connection:
        """Asks once; the connection for the next time."""
        self.tally.asked += 1
        begun = time.monotonic()
        try:
            if connection.is_closing:
                connection = await self._target.connect(self._address)
            connection.writer.write(request)
            head, body = await connection.whole_answer()
            read(int(head.split()[1]), head, body)
        except Refused:
            self.tally.refused[read.__name__] += 1
            if self.tally.first_refused is None:
                self.tally.first_refused = time.monotonic() - self._began
            raise
        except (OSError, EOFError, ValueError, KeyError) as error:
            self.tally.faults[f"{read.__name__}: {error!r}"[:300]] += 1
            connection.close()
            return connection
        self.tally.accepted += 1
        took = round((time.monotonic() - begun) * 1000, 1)
        self.tally.milliseconds.append(took)
        if begun - self._began >= SETTLED:
            self.tally.settled.append(took)
        return connection

    def _token(self) -> bytes:
        # Not what was asked before: that would be remembered.
        scopes = "&".join(f"scope={quote(f'repository:team/{secrets.token_hex(4)}:pull')}" for _ in range(SCOPES))
        return get(f"/token?service={self._crowd.service}&{scopes}", self._log_in)

    def _tencent(self) -> bytes:
        # Two requests of one second would be one, sent twice.
        body = json.dumps({"RegistryId": self._crowd.tcr_id}).encode() + b" " * (next(self._numbers) % 512)
        return tc3(self._key.id, self._key.secret, "CreateInstanceToken", body)

    def _alibaba(self) -> bytes:
        return get("/?" + raw.alibaba_query(self._key, "GetAuthorizationToken", InstanceId=self._crowd.cri_id))


def at_token(status: int, head: bytes, body: bytes) -> None:
    """Returns where a token came, and raises otherwise: ValueError where no client could read it."""
    document = _object(body)
    if status == 200 and document["token"]:
        return
    if status != 503 or document["errors"][0]["code"] != "UNAVAILABLE":
        raise ValueError(f"{status} {body[:200]!r}")
    seconds = int(header(head, b"retry-after") or "0")
    if not 1 <= seconds <= 60:
        raise ValueError(f"Retry-After: {seconds}")
    raise Refused(seconds)


def at_tencent(status: int, _head: bytes, body: bytes) -> None:
    answer = _object(body)["Response"]
    if status == 200 and answer["RequestId"] and "Token" in answer:
        return
    if status != 200 or not answer["RequestId"] or answer["Error"]["Code"] != "RequestLimitExceeded":
        raise ValueError(f"{status} {body[:200]!r}")
    # The protocol has no header for it.
    raise Refused(None)


def at_alibaba(status: int, _head: bytes, body: bytes) -> None:
    answer = _object(body)
    if status == 200 and answer["AuthorizationToken"]:
        return
    if status != 503 or not answer["RequestId"] or answer["Code"] != "ServiceUnavailable":
        raise ValueError(f"{status} {body[:200]!r}")
    # Nor has this one, but for a caller that is throttled.
    raise Refused(None)


def _object(body: bytes) -> dict[str, Any]:
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError(f"no object: {body[:200]!r}")
    return document


async def main() -> None:
    document = json.loads(sys.stdin.readline())
    crowd = Crowd(**{**document, "members": [Member(**member) for member in document["members"]]})
    if crowd.cores:
        os.sched_setaffinity(0, crowd.cores)
    # Other work of the machine is not what they measure; and those that are always busy are not what the others wait for.
    os.nice(BEFORE_OTHERS // 2 if crowd.manner == "at once" else BEFORE_OTHERS)
    clients = [Clients(crowd, member) for member in crowd.members]
    for each in clients:
        await each.prepare()
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        async with asyncio.timeout(crowd.seconds), asyncio.TaskGroup() as group:
            for each in clients:
                for _ in range(crowd.clients):
                    group.create_task(each.ask_on())
    except TimeoutError:
        pass
    print(json.dumps([vars(each.tally) for each in clients]), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
