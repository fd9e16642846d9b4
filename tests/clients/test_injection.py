"""Texts that would be something else to a database, a terminal, a log or a header: never a failure, and never more than a text."""

import itertools
import re
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote, quote_plus

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import tencent
from credential import Credential
from service import Instance, Transire

PAYLOADS = [
    "' OR '1'='1",
    "'; DROP TABLE account; --",
    '" UNION SELECT secret FROM access_key --',
    "$1 $$ \\' %s %n %d {} {0} {{7*7}}",
    "${jndi:ldap://127.0.0.1/a}",
    "../../../../etc/passwd",
    "..\\..\\windows",
    "a\r\nX-Injected: yes\r\n\r\nHTTP/1.1 200 OK",
    "a\n2030-01-01T00:00:00.000000Z  INFO transire: forged outcome=ok",
    "a\x00b",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b2J\x85\u2028\u2029\u202e\u2066",
    '"}],"injected":[{"a":"',
    "<script>alert(1)</script>]]>&amp;<!DOCTYPE a>",
    "\ufeff\ud7ff\uffff\U0001f4a3" * 20,
    "a" * 4000,
]
# Characters that a terminal obeys, or that end a line or turn it round. The log's own lines end with one.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def raw(transire: Transire, request: bytes, source: int = 1) -> tuple[int, bytes]:
    """Sends bytes as they are, from one of many addresses; the status, and all that came."""
    host, _, port = transire.endpoint.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30, source_address=(f"127.0.0.{source}", 0)) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return int(answer.split()[1]), answer


def requests(instance: Instance, payload: str) -> Iterator[tuple[str, bytes]]:
    """The text at every place of a request where a stranger may put one."""
    quoted, service = quote(payload, safe=""), quote(instance.service)
    basic = lambda name, secret: f"Authorization: {Credential(name, secret, 0).basic()}"  # noqa: E731
    for place, query in {
        "service": f"service={quoted}",
        "scope": f"service={service}&scope={quoted}",
        "name in a scope": f"service={service}&scope=repository:{quoted}:pull",
        "action in a scope": f"service={service}&scope=repository:a:{quoted}",
        "account": f"service={service}&account={quoted}",
        "client_id": f"service={service}&client_id={quoted}",
        "another parameter": f"service={service}&{quoted}={quoted}",
    }.items():
        yield place, get(f"/token?{query}")
    yield "username", get(f"/token?service={service}", basic(payload, "Passw0rd-EXAMPLE"))
    yield "robot", get(f"/token?service={service}", basic(f"tcr${payload}", "Passw0rd-EXAMPLE"))
    yield "password", get(f"/token?service={service}", basic("acme", payload))
    yield "path", get(f"/{quoted}")
    yield "path of a registry", get(f"/v2/{quoted}/manifests/latest")
    yield "query", get(f"/?Action={quoted}&{quoted}={quoted}&AccessKeyId={quoted}&Signature={quoted}")
    yield "key of Tencent's", get(f"/?Action=A&SecretId={quoted}&Signature={quoted}&Timestamp={quoted}&Nonce={quoted}")
    form = lambda **fields: "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()).encode()  # noqa: E731
    yield "form's username", post("/token", form(grant_type="password", service=instance.service, username=payload, password=payload))
    yield "form's grant", post("/token", form(grant_type=payload, service=instance.service))
    yield "form's refresh token", post("/token", form(grant_type="refresh_token", service=instance.service, refresh_token=payload))
    for name in ["User-Agent", "X-Forwarded-For", "X-Request-Id", "Referer", "Origin", "Accept-Language", "X-TC-TraceId", "X-TC-Action", "X-TC-Version"]:
        yield name, get("/token", f"{name}: ".encode() + in_a_header(payload))
    yield "authorization", get("/", b"Authorization: " + in_a_header(payload))
    yield "host", b"GET / HTTP/1.1\r\nConnection: close\r\nHost: " + in_a_header(payload) + b"\r\n\r\n"
    yield "method", in_a_header(payload).replace(b" ", b"_") + b" / HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n\r\n"


def in_a_header(payload: str) -> bytes:
    """Without what ends it: that would be another line of the client's own."""
    return payload.replace("\r", "").replace("\n", " ").replace("\0", "").encode()


def get(path: str, *lines: str | bytes) -> bytes:
    head = [line if isinstance(line, bytes) else line.encode() for line in (f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines)]
    return b"\r\n".join([*head, b"", b""])


def post(path: str, body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}", "Content-Type: application/x-www-form-urlencoded"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def data(transire: Transire) -> dict[str, list[tuple[object, ...]]]:
    """All that is stored, but for the audit, what notes that it was written, and counts."""
    with closing(sqlite3.connect(transire.data_dir / "transire.db")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'") if "audit" not in name and name not in ("operation", "activity")]
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}


def table(transire: Transire, *arguments: str) -> str:
    """The output of a command as a person reads it."""
    done = subprocess.run(
        [transire.binary, "--data-dir", transire.data_dir, "--output", "table", *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_no_text_of_a_stranger_is_more_than_a_text(transire: Transire, instance: Instance) -> None:
    before = data(transire)
    assert len(before) > 10
    tried = 0
    for payload in PAYLOADS:
        for place, request in requests(instance, payload):
            status, answer = raw(transire, request)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert status < 500, f"{place}, {payload!r}: {answer!r}"
            assert b"x-injected" not in head.lower(), f"{place}, {payload!r}: {answer!r}"
            assert b"HTTP/1.1 200 OK" not in body, f"{place}, {payload!r}: {answer!r}"
            tried += 1
    assert tried > 400
    transire.stop()
    assert data(transire) == before
    log = transire.log.read_text()
    assert not OBEYED.search(log), OBEYED.findall(log)
    forged = [line for line in log.splitlines() if not re.match(r"\d{4}-\d\d-\d\dT[0-9:.]+Z +[A-Z]+ transire", line) or line.startswith("2030")]
    assert forged == []
    assert " failed: " not in log


@pytest.mark.parametrize("payload", filter(OBEYED.search, PAYLOADS), ids=itertools.count())
def test_no_text_of_a_stranger_is_obeyed_by_the_operators_terminal(transire: Transire, instance: Instance, payload: str) -> None:
    """A log-in at the service `x` and an escape sequence cleared the screen of whoever listed the audit."""
    sent = 0
    for number, (_, request) in enumerate(requests(instance, payload)):
        # Every address has lines of its own, few at once.
        raw(transire, request, source=2 + number)
        sent += 1
    transire.stop()
    listed = table(transire, "audit", "list", "--since", "1h")
    assert len(listed.splitlines()) > sent / 2
    for text in (listed, transire.log.read_text()):
        assert not OBEYED.search(text), set(OBEYED.findall(text))


@pytest.mark.parametrize("payload", PAYLOADS, ids=itertools.count())
def test_a_signed_text_is_stored_as_it_is_or_refused(transire: Transire, instance: Instance, payload: str) -> None:
    client = tencent.client(transire, instance.account.key)
    try:
        tencent.create_instance_token(client, instance.tcr_id, "longterm", payload)
    except TencentCloudSDKException as refusal:
        assert refusal.code == "InvalidParameterValue", refusal
        assert transire.items("credential", "list", "--instance", instance.tcr_id) == []
    else:
        [listed] = transire.items("credential", "list", "--instance", instance.tcr_id)
        assert listed["description"] == payload
        shown = table(transire, "credential", "list", "--instance", instance.tcr_id)
        assert len(shown.splitlines()) == 2 and not OBEYED.search(shown), shown
