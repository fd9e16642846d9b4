"""Honest clients, at a fixed modest rate, each request by a connection of its own from an address of its own.

Started as `python -m abuse.honest` with its plan, one line of JSON, on standard input. It prints `ready` once every
kind was served, begins to count at the next line, and prints one line of JSON when its time is over.
"""

import asyncio
import base64
import itertools
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import raw
from service import AccessKey

from .wire import Target, get, post, tc3

# How long a client waits for its answer.
PATIENCE = 10.0
# Requests a second, of each kind.
SIGNED_PER_SECOND = 4
EXCHANGES_PER_SECOND = 8
PASSWORDS_PER_SECOND = 1


@dataclass(frozen=True)
class Person:
    """An account whose root sets a new password and logs in with it, again and again."""

    name: str
    key_id: str
    key_secret: str
    cri_id: str
    service: str


@dataclass(frozen=True)
class Plan:
    host: str
    port: int
    addresses: list[str]
    seconds: float
    tcr_id: str
    people: list[Person]


@dataclass
class Outcome:
    """The answers that honest clients got."""

    asked: int = 0
    served: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)


def basic(username: str, secret: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{username}:{secret}".encode()).decode()


class Clients:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._target = Target(plan.host, plan.port, plan.addresses)
        self._addresses = itertools.cycle(plan.addresses)
        self._key = AccessKey(plan.people[0].key_id, plan.people[0].key_secret)
        self._credential = ("", "")
        self._padding = itertools.cycle(range(64))
        self._by_form = itertools.cycle([False, True])
        self.outcome = Outcome()

    async def _ask(self, kind: str, request: bytes, address: str, is_served: Callable[[Any], bool]) -> Any:
        """Sends a request by a connection of its own; the parsed answer, or None where it wasn't served."""
        self.outcome.asked += 1
        begun = time.monotonic()
        document, failure = None, ""
        try:
            async with asyncio.timeout(PATIENCE):
                connection = await self._target.connect(address)
                try:
                    connection.writer.write(request)
                    status, body = await connection.answer_with_body()
                finally:
                    connection.close()
            document = json.loads(body)
            if status != 200 or not is_served(document):
                failure = f"{status} {body[:200].decode(errors='replace')}"
        except (OSError, EOFError, TimeoutError) as error:
            failure = type(error).__name__
        self.outcome.milliseconds.append((time.monotonic() - begun) * 1000)
        if failure:
            name = f"{kind}: {failure}"
            self.outcome.failures[name] = self.outcome.failures.get(name, 0) + 1
            return None
        self.outcome.served += 1
        return document

    async def tencent(self) -> None:
        # Padded: two requests of one second would be one, sent twice.
        body = json.dumps({"RegistryId": self._plan.tcr_id}).encode() + b" " * next(self._padding)
        request = tc3(self._key.id, self._key.secret, "CreateInstanceToken", body)
        answer = await self._ask("CreateInstanceToken", request, next(self._addresses), lambda answer: "Token" in answer["Response"])
        if answer:
            self._credential = (answer["Response"]["Username"], answer["Response"]["Token"])

    async def alibaba(self) -> None:
        query = raw.alibaba_query(self._key, "GetAuthorizationToken", InstanceId=self._plan.people[0].cri_id)
        await self._ask("GetAuthorizationToken", get(f"/?{query}"), next(self._addresses), lambda answer: "AuthorizationToken" in answer)

    async def exchange(self) -> None:
        await self._log_in("exchange", self._plan.people[0].service, *self._credential, next(self._addresses))

    async def password(self, person: Person, address: str) -> None:
        """Sets a password, which the API takes and its log-in hashes anew."""
        password = f"Passw0rd-{secrets.token_hex(8)}"
        key = AccessKey(person.key_id, person.key_secret)
        query = raw.alibaba_query(key, "ResetLoginPassword", InstanceId=person.cri_id, Password=password)
        if await self._ask("ResetLoginPassword", get(f"/?{query}"), address, lambda answer: answer["Code"] == "success"):
            await self._log_in("password", person.service, person.name, password, address)

    async def _log_in(self, kind: str, service: str, username: str, secret: str, address: str) -> None:
        scope = "repository:team/app:pull"
        if next(self._by_form):
            fields = {"grant_type": "password", "service": service, "scope": scope, "username": username, "password": secret}
            request = post("/token", urlencode({**fields, "client_id": "honest"}).encode())
        else:
            request = get(f"/token?service={service}&scope={quote(scope)}", basic(username, secret))
        await self._ask(kind, request, address, lambda answer: "token" in answer or "access_token" in answer)

    async def each_once(self) -> None:
        await self.tencent()
        await self.alibaba()
        await self.exchange()
        await self.exchange()
        for person, address in zip(self._plan.people, self._plan.addresses, strict=False):
            await self.password(person, address)

    async def all(self) -> None:
        async with asyncio.TaskGroup() as kinds:
            kinds.create_task(self._steadily(SIGNED_PER_SECOND, self.tencent))
            kinds.create_task(self._steadily(SIGNED_PER_SECOND, self.alibaba))
            kinds.create_task(self._steadily(EXCHANGES_PER_SECOND, self.exchange))
            for person, address in zip(self._plan.people, self._plan.addresses, strict=False):
                kinds.create_task(self._one_by_one(person, address))

    async def _steadily(self, per_second: float, work: Callable[[], Awaitable[None]]) -> None:
        """Begins one after the other at fixed moments, whether or not those before are answered."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as requests:
            for number in range(int(per_second * self._plan.seconds)):
                await asyncio.sleep(begun + number / per_second - time.monotonic())
                requests.create_task(work())  # type: ignore[arg-type]

    async def _one_by_one(self, person: Person, address: str) -> None:
        """A new password ends the one before: a person waits for each."""
        end = time.monotonic() + self._plan.seconds
        while (begun := time.monotonic()) < end:
            await self.password(person, address)
            await asyncio.sleep(begun + 1 / PASSWORDS_PER_SECOND - time.monotonic())


async def main() -> None:
    document = json.loads(sys.stdin.readline())
    clients = Clients(Plan(**{**document, "people": [Person(**person) for person in document["people"]]}))
    await clients.each_once()
    print(json.dumps(clients.outcome.failures) if clients.outcome.failures else "ready", flush=True)
    sys.stdin.readline()
    clients.outcome = Outcome()
    await clients.all()
    print(json.dumps(vars(clients.outcome)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
