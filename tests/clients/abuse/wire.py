"""HTTP as far as an attacker speaks it: prebuilt bytes out, a status in."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """The service, and the addresses of one side's clients."""

    host: str
    port: int
    addresses: list[str]

    async def connect(self, address: str) -> "Connection":
        return Connection(*await asyncio.open_connection(self.host, self.port, local_addr=(address, 0), limit=1 << 20))


@dataclass
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> int:
        """Sends one request and reads its answer; returns the status.

        Raises OSError or EOFError where the connection ends first.
        """
        self.writer.write(request)
        await self.writer.drain()
        return await self.answer()

    async def answer(self) -> int:
        status, _ = await self.answer_with_body()
        return status

    async def answer_with_body(self) -> tuple[int, bytes]:
        head, body = await self.whole_answer()
        return int(head.split()[1]), body

    async def whole_answer(self) -> tuple[bytes, bytes]:
        """The head in small letters, and the body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = header(head, b"content-length")
        body = await self.reader.readexactly(int(length)) if length else b""
        if b"\r\nconnection: close\r\n" in head:
            self.close()
        return head, body

    @property
    def is_closing(self) -> bool:
        return self.writer.is_closing()

    def close(self) -> None:
        self.writer.close()


def header(head: bytes, name: bytes) -> bytes:
    """A header's value in a head of small letters; empty without one."""
    return head.partition(b"\r\n" + name + b":")[2].split(b"\r\n", 1)[0].strip()


class Pace:
    """Lets so many a second go on, of all that wait; what was missed is not made up for."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        now = time.monotonic()
        self._next = max(self._next, now) + self._interval
        await asyncio.sleep(self._next - self._interval - now)


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def post(path: str, body: bytes, *lines: str, content_type: str = "application/x-www-form-urlencoded") -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


def tc3(key_id: str, secret: str, action: str, body: dict[str, Any] | bytes, *lines: str) -> bytes:
    """A call at Tencent's door, signed for this second."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    now = int(time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    hexadecimal: Callable[[bytes], str] = lambda data: hashlib.sha256(data).hexdigest()  # noqa: E731
    canonical = f"POST\n/\n\ncontent-type:application/json\nhost:localhost\n\ncontent-type;host\n{hexadecimal(text)}"
    scope = f"{date}/tcr/tc3_request"
    key = f"TC3{secret}".encode()
    for part in (date, "tcr", "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signed = f"TC3-HMAC-SHA256\n{now}\n{scope}\n{hexadecimal(canonical.encode())}"
    signature = hmac.digest(key, signed.encode(), "sha256").hex()
    authorization = f"TC3-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders=content-type;host, Signature={signature}"
    named = [f"X-TC-Action: {action}", "X-TC-Version: 2019-09-24", "X-TC-Region: ap-guangzhou", f"X-TC-Timestamp: {now}"]
    return post("/", text, f"Authorization: {authorization}", *named, *lines, content_type="application/json")
