"""Traces as a receiver of OpenTelemetry reads them, by OpenTelemetry's own definitions."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import tencent
from issuer import LOOPBACK, Issuer, create_builder, job_token
from processes import free_port, wait_until
from registry import Registry
from service import Transire, fetch
from stock import Stock

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PATH = "/token?service=nobody.example.com"


class Receiver:
    """Takes what is sent by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
                receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.bodies.append(body)
        for resource in request.resource_spans:
            self.resources.append({pair.key: pair.value.string_value for pair in resource.resource.attributes})
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def of_request(self, request_id: str) -> Span:
        """The span of a request, once it came."""

        def found() -> list[Span]:
            return [span for span in self.spans if attributes(span).get("transire.request_id") == request_id]

        wait_until("the request's span", lambda: bool(found()))
        return found()[0]

    def below(self, span: Span, name: str) -> list[Span]:
        below = [other for other in self.spans if other.trace_id == span.trace_id and other.name == name]
        assert all(other.parent_span_id for other in below)
        return below

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def attributes(span: Span) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def traced(new_transire: Callable[..., Transire], receiver: Receiver) -> Callable[..., Transire]:
    """Starts a service that sends its traces to the receiver."""

    def start(name: str = "transire", **settings: str) -> Transire:
        own = {"TRANSIRE_TELEMETRY__TRACES_ENDPOINT": receiver.url, "TRANSIRE_METRICS_LISTEN": "0"}
        transire = new_transire(name, settings={**LOOPBACK, **own, **settings})
        transire.start()
        return transire

    return start


def lost(transire: Transire) -> int:
    page = fetch(f"http://{transire.metrics}/metrics").body.decode()
    [line] = [line for line in page.splitlines() if line.startswith("transire_spans_lost_total ")]
    return int(line.split()[1])


def refuse(transire: Transire, **headers: str) -> str:
    """A request that is refused; its id."""
    answer = transire.fetch(PATH, {"Authorization": "Basic eDp5", **headers})
    assert answer.status == 401
    return answer.headers["X-Request-Id"]


def test_a_request_its_queries_and_what_it_asks_of_others_are_one_trace(
    traced: Callable[..., Transire], receiver: Receiver, issuer: Issuer, tmp_path: Path
) -> None:
    transire = traced()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo", "--token-log-in", "on")
    create_builder(transire, account, issuer, tmp_path)
    token = job_token(transire, issuer, "GitHub")
    log_in = tencent.issue(transire, account.key, instance.tcr_id, "longterm")
    jwt = f"/token?service={instance.service}&scope=repository:team/app:pull"
    for username, secret in (("role/builder", token), (log_in.username, log_in.secret)):
        answer = transire.fetch(jwt, {"Authorization": type(log_in)(username, secret, 0).basic()})
        assert answer.status == 200, answer.body
        transire.remember("token", answer.json()["token"])
        request = receiver.of_request(answer.headers["X-Request-Id"])
        assert (request.name, request.kind, request.parent_span_id) == ("registry token", Span.SPAN_KIND_SERVER, b"")
        assert len(request.trace_id) == 16 and request.start_time_unix_nano < request.end_time_unix_nano
        assert attributes(request) == {
            "transire.door": "registry",
            "transire.action": "token",
            "transire.outcome": "ok",
            "transire.request_id": answer.headers["X-Request-Id"],
            "http.response.status_code": 200,
        }
        for query in receiver.below(request, "database"):
            assert query.kind == Span.SPAN_KIND_CLIENT
            assert request.start_time_unix_nano <= query.start_time_unix_nano <= query.end_time_unix_nano
        if username == "role/builder":
            [asked] = {attributes(other)["server.address"] for other in receiver.below(request, "upstream")}
            assert asked == "127.0.0.1"
        else:
            tables = {attributes(query)["db.collection.name"] for query in receiver.below(request, "database")}
            assert "credential" in tables
    other = transire.new_instance(account, "other")
    first = tencent.issue(transire, account.key, other.tcr_id, "longterm")
    answer = transire.fetch(f"/token?service={other.service}&scope=repository:team/app:pull", {"Authorization": first.basic()})
    assert answer.status == 200, answer.body
    transire.remember("token", answer.json()["token"])
    queries = receiver.below(receiver.of_request(answer.headers["X-Request-Id"]), "database")
    together = {attributes(query).get("db.query.summary"): attributes(query).get("db.operation.batch.size") for query in queries}
    assert together["read instance, credential"] == 2, together
    assert receiver.resources[0]["service.name"] == "transire"
    everything = b"".join(receiver.bodies)
    for secret in (token, log_in.secret, log_in.username, "role/builder", account.key.secret, account.key.id, "team/app"):
        assert secret.encode() not in everything


def test_what_a_call_asks_of_the_registry_is_in_its_trace(
    traced: Callable[..., Transire], receiver: Receiver, new_registry: Callable[..., Registry], tmp_path: Path
) -> None:
    """It was asked in tasks of its own, whose spans were lost."""
    transire, port = traced(), free_port()
    instance = transire.new_instance(transire.new_account("acme"), "demo", "--registry-url", f"http://127.0.0.1:{port}")
    stock = Stock(transire, instance, new_registry(transire, instance, port), tmp_path)
    for tag in ("v1", "v2"):
        stock.push("team/tool", tag)
    stock.import_all()
    listed = stock.tencent("DescribeImages", "team/tool")
    assert listed.TotalCount == 2
    request = receiver.of_request(listed.RequestId)
    assert request.name == "tencent DescribeImages"
    # The tags, then the head and the manifest of each.
    asked = receiver.below(request, "upstream")
    assert len(asked) > 4
    for span in asked:
        assert span.parent_span_id == request.span_id
        assert request.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert attributes(span)["server.address"] == "127.0.0.1"


def test_a_trusted_proxy_goes_on_with_its_trace_and_a_stranger_does_not(traced: Callable[..., Transire], receiver: Receiver) -> None:
    strangers = traced(name="strangers")
    asked = receiver.of_request(refuse(strangers, traceparent=f"00-{TRACE}-{SPAN}-01"))
    assert asked.trace_id.hex() != TRACE and asked.parent_span_id == b""
    [link] = asked.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (TRACE, SPAN)
    assert attributes(asked)["error.type"] == "bad-credentials"
    assert asked.status.code == Status.STATUS_CODE_UNSET, "a refusal is the client's fault"

    proxied = traced(name="proxied", TRANSIRE_TRUSTED_PROXIES="['127.0.0.1']", TRANSIRE_TELEMETRY__TRACES_PER_THOUSAND="0")
    refuse(proxied)
    asked = receiver.of_request(refuse(proxied, traceparent=f"00-{TRACE}-{SPAN}-01"))
    assert (asked.trace_id.hex(), asked.parent_span_id.hex(), len(asked.links)) == (TRACE, SPAN, 0)
    seen = len(receiver.spans)
    for headers in ({"traceparent": f"00-{TRACE}-{SPAN}-00"}, {"traceparent": "nonsense"}, {}):
        refuse(proxied, **headers)
    assert proxied.stop() == 0
    assert len(receiver.spans) == seen, "what isn't sampled is not sent"


def test_no_request_waits_for_a_receiver_that_takes_nothing(traced: Callable[..., Transire], receiver: Receiver) -> None:
    receiver.stop()
    transire = traced()
    refuse(transire)
    wait_until("a loss to be counted", lambda: lost(transire) > 0)
    assert "the receiver of traces doesn't take them" in transire.log.read_text()


def test_the_last_spans_are_sent_when_the_service_ends(traced: Callable[..., Transire], receiver: Receiver) -> None:
    transire = traced()
    asked = refuse(transire)
    assert transire.stop() == 0
    assert asked in {attributes(span).get("transire.request_id") for span in receiver.spans}


def test_an_endpoint_that_is_no_url_is_refused(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings={"TRANSIRE_TELEMETRY__TRACES_ENDPOINT": "collector:4318"})
    assert "TRANSIRE_TELEMETRY__TRACES_ENDPOINT: telemetry.traces_endpoint" in transire.cli_refused("config", "check")
