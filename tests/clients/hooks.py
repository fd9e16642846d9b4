"""A receiver of webhooks on loopback, which is good, slow or lying as a test says, down to the bytes."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from authority import Authority

GOOD = b"HTTP/1.1 204 No Content\r\n\r\n"
# The most bytes of a message that a receiver reads.
_LIMIT = 65536
# A write that nobody reads fails after so many seconds.
_PATIENCE = 20

# Answers a message over its connection; returns how many bytes it sent.
Behaviour = Callable[[socket.socket], int]


def says(answer: bytes) -> Behaviour:
    """Sends these bytes, and hangs up."""

    def behave(connection: socket.socket) -> int:
        connection.sendall(answer)
        return len(answer)

    return behave


def never_ends(head: bytes) -> Behaviour:
    """Sends a head, and a body until the other side hangs up."""

    def behave(connection: socket.socket) -> int:
        connection.sendall(head)
        sent = len(head)
        while sent < 1 << 30:
            sent += connection.send(b"x" * 65536)
        return sent

    return behave


def drips(gone: threading.Event) -> Behaviour:
    """Sends a head byte by byte, until the other side hangs up."""

    def behave(connection: socket.socket) -> int:
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        sent = 0
        while not gone.wait(0.1):
            sent += connection.send(b"x")
        return sent

    return behave


@dataclass(frozen=True)
class Message:
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Takes messages until it is stopped."""

    def __init__(self, behaviour: Behaviour | None = None, authority: Authority | None = None, port: int = 0) -> None:
        self.behaviour = behaviour or says(GOOD)
        self.messages: list[Message] = []
        self.sent: list[int] = []
        """How many bytes each connection was sent, once it is over."""
        self.stopped = threading.Event()
        self._tls = None
        if authority:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(authority.certificate_file, authority.key_file)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        if not self.stopped.is_set():
            self.stopped.set()
            # It wakes the thread that waits in accept.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Any) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(_PATIENCE)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self.messages.append(_read(connection))
                self.sent.append(self._answer(connection))

    def _answer(self, connection: socket.socket) -> int:
        counted = _Counting(connection)
        with contextlib.suppress(OSError):
            self.behaviour(counted)  # type: ignore[arg-type]
        return counted.sent


class _Counting:
    """A connection that counts what is sent, also where it breaks in the middle."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.sent = 0

    def send(self, data: bytes) -> int:
        sent = self._connection.send(data)
        self.sent += sent
        return sent

    def sendall(self, data: bytes) -> None:
        self._connection.sendall(data)
        self.sent += len(data)

    def recv(self, most: int) -> bytes:
        return self._connection.recv(most)


def _read(connection: socket.socket) -> Message:
    text = b""
    while b"\r\n\r\n" not in text and len(text) < _LIMIT:
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionResetError
        text += piece
    head, _, body = text.partition(b"\r\n\r\n")
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    headers = {name.lower(): value for name, value in pairs}
    length = int(headers["content-length"])
    while len(body) < min(length, _LIMIT):
        body += connection.recv(4096)
    return Message(headers, body)
