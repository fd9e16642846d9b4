"""Notices and the webhook, with receivers that are good, slow, gone and lying."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authority import Authority
from documents import Shell, take_one
from hooks import GOOD, Behaviour, Receiver, drips, never_ends, says
from processes import Daemon, wait_until
from service import Clock, Instance, Transire, fetch

PAGE = "docs/rotation.md"
MAKE_SECRET = take_one(PAGE, "The webhook")
MESSAGE = take_one(PAGE, "The webhook", "json")
DOCUMENTED = take_one(PAGE, "The webhook", "python")

KEY = b"a webhook's secret EXAMPLE 01234"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
# More than the receiver may take, however the head is cut.
FEW_BYTES = 8 << 20


@pytest.fixture
def receivers() -> Iterator[Callable[..., Receiver]]:
    """Starts receivers, which end with the test."""
    made: list[Receiver] = []

    def make(behaviour: Behaviour | None = None, **more: Any) -> Receiver:
        made.append(Receiver(behaviour, **more))
        return made[-1]

    yield make
    for receiver in made:
        receiver.stop()


@pytest.fixture
def hooked(new_transire: Callable[..., Transire], tmp_path: Path) -> Callable[..., Transire]:
    """Starts a transire whose webhook has this URL."""

    def make(url: str, clock: Clock | None = None, **more: str) -> Transire:
        file = tmp_path / "webhook.secret"
        file.write_text(f"{SECRET}\n")
        file.chmod(0o600)
        settings = {
            "TRANSIRE_METRICS_LISTEN": "0",
            "TRANSIRE_OUTGOING__SECONDS": "2",
            "TRANSIRE_NOTICES__WEBHOOK_URL": url,
            "TRANSIRE_NOTICES__WEBHOOK_SECRET_FILE": str(file),
            "TRANSIRE_NOTICES__WEBHOOK_ALLOW_HTTP": "true",
            "TRANSIRE_NOTICES__WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true",
        }
        transire = new_transire(clock=clock, settings={**settings, **more})
        transire.remember("the webhook's secret", SECRET)
        transire.start()
        return transire

    return make


def shown(transire: Transire, made: dict[str, Any]) -> dict[str, Any]:
    return transire.cli("notice", "show", "--id", made["id"])


def await_state(transire: Transire, made: dict[str, Any], state: str) -> dict[str, Any]:
    wait_until(f"the notice to be {state}", lambda: shown(transire, made)["state"] == state, within=60)
    return shown(transire, made)


def await_failure(transire: Transire, made: dict[str, Any]) -> str:
    """Waits until an attempt failed; returns why."""
    wait_until("an attempt to fail", lambda: shown(transire, made)["failure"] is not None, within=60)
    failed = shown(transire, made)
    assert failed["state"] == "waiting" and failed["attempts"] >= 1
    return str(failed["failure"])


def verified(message: Any) -> dict[str, Any]:
    """The document of a message, whose signature is verified as its specification says."""
    headers = message.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + message.body
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    return dict(json.loads(message.body))


def metric(transire: Transire, name: str) -> float:
    lines = fetch(f"http://{transire.metrics}/metrics").body.decode().splitlines()
    (found,) = [line for line in lines if line.startswith(f"{name} ")]
    return float(found.split()[1])


def test_the_documented_receiver_takes_what_the_documented_secret_signs(
    hooked: Callable[..., Transire], tmp_path: Path
) -> None:
    shell = Shell(tmp_path / "receiver", {})
    shell.does(MAKE_SECRET.commands(), {}, dict(os.environ))
    file = shell.folder / "webhook.secret"
    assert file.stat().st_mode & 0o777 == 0o600
    program = DOCUMENTED.text.replace('("127.0.0.1", 8090), Receiver).serve_forever()', '("127.0.0.1", 0), Receiver)')
    assert program != DOCUMENTED.text
    program = program.replace("http.server.HTTPServer(", "server = http.server.HTTPServer(")
    program += "print(server.server_port, flush=True)\nserver.serve_forever()\n"
    (shell.folder / "receiver.py").write_text(program)
    log = tmp_path / "receiver.log"
    output = subprocess.Popen(
        [sys.executable, "receiver.py"], cwd=shell.folder, stdout=subprocess.PIPE, stderr=log.open("w"), text=True
    )
    try:
        assert output.stdout is not None
        url = f"http://127.0.0.1:{int(output.stdout.readline())}/hook"
        transire = hooked(url, TRANSIRE_NOTICES__WEBHOOK_SECRET_FILE=str(file))
        transire.remember("the webhook's secret", file.read_text().strip())
        made = transire.cli("notice", "test")
        assert made["kind"] == "test"
        delivered = await_state(transire, made, "delivered")
        assert delivered["attempts"] == 1 and delivered["failure"] is None
        assert output.stdout.readline() == "notice.test\n"
        forged = {"webhook-id": "msg-a", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        assert fetch(url, headers=forged, data=b"{}").status == 401
        assert metric(transire, 'transire_webhook_messages_total{outcome="delivered"}') == 1
    finally:
        output.kill()
        output.wait()


def test_the_webhook_is_told_of_checkpoints_of_the_audit(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver], clock: Clock, tmp_path: Path
) -> None:
    receiver = receivers()
    transire = hooked(receiver.url, clock, TRANSIRE_CHECKPOINTS__WEBHOOK="true")
    transire.new_account("acme")
    clock.move("+2m")
    wait_until("the message", lambda: len(receiver.messages) > 0)
    message = receiver.messages[-1]
    document = verified(message)
    told = document["data"]
    assert document["type"] == "audit.checkpoint"
    assert message.headers["webhook-id"] == f"audit-checkpoint-{told['number']}"
    assert told["sha256"] == hashlib.sha256(told["checkpoint"].encode()).hexdigest()
    # The message is what a verification compares.
    kept = tmp_path / "kept"
    kept.write_text(told["checkpoint"] + "\n")
    assert transire.cli("audit", "verify", "--checkpoints", kept) == {"items": []}


def test_a_rotation_is_told_as_documented_and_another_secret_signs_without_a_restart(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver], tmp_path: Path
) -> None:
    receiver = receivers()
    transire = hooked(receiver.url)
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    where = ["--instance", instance.tcr_id]
    made = transire.cli("credential", "create", *where)
    rotated = transire.cli("credential", "rotate", *where, "--id", made["id"])
    wait_until("the message", lambda: len(receiver.messages) == 1)
    document, documented = verified(receiver.messages[0]), json.loads(MESSAGE.text)
    assert document["type"] == "notice.rotated"
    assert document.keys() == documented.keys()
    assert document["data"].keys() == documented["data"].keys()
    assert document["data"]["subject"].keys() == documented["data"]["subject"].keys()
    assert document["data"]["subject"]["id"] == made["id"]
    assert document["data"]["ends_at"] == rotated["older_secret_ends_at"]
    for secret in (made["secret"], rotated["secret"]):
        assert secret not in receiver.messages[0].body.decode()
    # The receiver still has the first secret; the file has both.
    another = f"whsec_{base64.b64encode(b'another secret of EXAMPLE 0123456').decode()}"
    (tmp_path / "webhook.secret").write_text(f"{SECRET}\n{another}\n")
    transire.cli("credential", "delete", *where, "--id", made["id"])
    wait_until("the message", lambda: len(receiver.messages) == 2)
    first, _ = receiver.messages[1].headers["webhook-signature"].split()
    receiver.messages[1].headers["webhook-signature"] = first
    assert verified(receiver.messages[1])["type"] == "notice.revoked"


def test_a_slow_receiver_costs_its_time_and_delays_nobody(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver]
) -> None:
    released = threading.Event()
    receiver = receivers()
    receiver.behaviour = lambda connection: int(not receiver.stopped.wait(60) and not released.is_set())
    transire = hooked(receiver.url)
    made = [transire.cli("notice", "test") for _ in range(3)]
    assert "no answer within 2s" in await_failure(transire, made[0])
    # Changes go on meanwhile.
    transire.new_account("acme")
    receiver.behaviour = says(GOOD)
    for one in made:
        await_state(transire, one, "delivered")
    ids = [message.headers["webhook-id"] for message in receiver.messages]
    assert set(ids) == {one["id"] for one in made} and len(ids) > 3


def test_a_receiver_that_was_gone_is_told_when_it_is_back(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver]
) -> None:
    gone = receivers()
    gone.stop()
    transire = hooked(gone.url)
    made = transire.cli("notice", "test")
    assert "can't be connected to" in await_failure(transire, made)
    back = receivers(port=gone.port)
    await_state(transire, made, "delivered")
    assert verified(back.messages[0])["data"]["id"] == made["id"]


def test_a_redirect_leads_nowhere(hooked: Callable[..., Transire], receivers: Callable[..., Receiver]) -> None:
    other = receivers()
    answer = f"HTTP/1.1 307 Temporary Redirect\r\nlocation: {other.url}\r\ncontent-length: 0\r\n\r\n"
    receiver = receivers(says(answer.encode()))
    transire = hooked(receiver.url)
    assert await_failure(transire, transire.cli("notice", "test")) == "the receiver answered 307"
    assert other.messages == []


LIES = {
    "an endless body": (never_ends(b"HTTP/1.1 500 Internal Server Error\r\n\r\n"), "answered 500"),
    "an endless head": (never_ends(b"HTTP/1.1 200 OK\r\nx: "), "can't be read"),
    "a body longer than it says": (says(b"HTTP/1.1 503 Busy\r\ncontent-length: 1\r\n\r\n" + b"x" * 4096), "answered 503"),
    "two lengths": (says(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"), "can't be read"),
    "a head that is cut": (says(b"HTTP/1.1 200 OK\r\ncontent-le"), "can't be read"),
    "nothing": (says(b""), "can't be read"),
    "no HTTP": (says(b"SSH-2.0-OpenSSH_9.6\r\n"), "can't be read"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_receiver_costs_bounded_bytes_and_time(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver], lie: str
) -> None:
    behaviour, why = LIES[lie]
    receiver = receivers(behaviour)
    transire = hooked(receiver.url)
    made = transire.cli("notice", "test")
    assert why in await_failure(transire, made)
    wait_until("the connection to be over", lambda: bool(receiver.sent))
    assert receiver.sent[0] < FEW_BYTES
    receiver.behaviour = says(GOOD)
    await_state(transire, made, "delivered")


def test_a_receiver_that_drips_is_left(hooked: Callable[..., Transire], receivers: Callable[..., Receiver]) -> None:
    receiver = receivers()
    receiver.behaviour = drips(receiver.stopped)
    transire = hooked(receiver.url)
    made = transire.cli("notice", "test")
    assert "no answer within 2s" in await_failure(transire, made)
    wait_until("the connection to be over", lambda: bool(receiver.sent))


def test_the_body_of_a_right_answer_is_not_read(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver]
) -> None:
    receiver = receivers(never_ends(b"HTTP/1.1 200 OK\r\n\r\n"))
    transire = hooked(receiver.url)
    await_state(transire, transire.cli("notice", "test"), "delivered")
    wait_until("the connection to be over", lambda: bool(receiver.sent))
    assert receiver.sent[0] < FEW_BYTES


def test_a_certificate_that_nobody_trusts_is_told_nothing(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver], authority: Authority
) -> None:
    receiver = receivers(authority=authority)
    transire = hooked(receiver.url)
    made = transire.cli("notice", "test")
    assert "TLS with 127.0.0.1 failed" in await_failure(transire, made)
    assert receiver.messages == []
    transire.stop()
    trusting = {"TRANSIRE_OUTGOING__CA_FILE": str(authority.file)}
    transire._settings.update(trusting)
    transire.start()
    await_state(transire, made, "delivered")


def test_a_message_whose_sender_was_killed_comes_again(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver], clock: Clock
) -> None:
    receiver = receivers()
    receiver.behaviour = lambda connection: int(receiver.stopped.wait(60))
    transire = hooked(receiver.url, clock=clock)
    made = transire.cli("notice", "test")
    wait_until("the message", lambda: len(receiver.messages) == 1)
    # It has the message, and nothing says so yet.
    transire.kill()
    assert shown(transire, made)["state"] == "waiting"
    receiver.behaviour = says(GOOD)
    transire.start()
    # The claim of the killed one ends a minute after its attempt.
    clock.move("+2m")
    await_state(transire, made, "delivered")
    assert [message.headers["webhook-id"] for message in receiver.messages] == [made["id"]] * 2
    assert receiver.messages[0].body == receiver.messages[1].body


def test_ends_are_told_in_log_metrics_readiness_and_webhook(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver], clock: Clock
) -> None:
    receiver = receivers()
    transire = hooked(receiver.url, clock=clock)
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    robot = ["--name", "robot", "--permission", "team:pull", "--expires-in", "8d"]
    transire.cli("service-account", "create", "--instance", instance.tcr_id, *robot)
    for moved, kind in (("+25h", "expiring"), ("+169h", "expiring"), ("+193h", "expired")):
        before = len(receiver.messages)
        clock.move(moved)
        wait_until("the message", lambda count=before: len(receiver.messages) == count + 1, within=60)
        document = verified(receiver.messages[-1])
        assert document["type"] == f"notice.{kind}"
        assert document["data"]["subject"]["name"] == "tcr$robot"
    assert metric(transire, 'transire_notices_total{kind="expiring"}') == 2
    assert metric(transire, 'transire_notices_total{kind="expired"}') == 1
    assert "a secret ends soon" in transire.log.read_text()
    listed = transire.items("notice", "list", "--account", "acme")
    assert [one["kind"] for one in listed] == ["expired", "expiring", "expiring"]


def test_a_dead_message_is_warned_of_and_sent_again(
    hooked: Callable[..., Transire], receivers: Callable[..., Receiver], clock: Clock
) -> None:
    receiver = receivers(says(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"))
    transire = hooked(receiver.url, clock=clock)
    made = transire.cli("notice", "test")
    await_state(transire, made, "dead")

    def warnings(address: str) -> list[str]:
        answer = fetch(f"http://{address}/readyz")
        assert answer.status == 200
        return list(answer.json()["warnings"])

    wait_until("the warning", lambda: any("didn't take 1 notices" in text for text in warnings(transire.metrics)), within=90)
    assert warnings(transire.endpoint) == ["the webhook doesn't take notices: see the log or the metrics listener"]
    assert metric(transire, "transire_webhook_messages_dead") == 1
    dead = transire.items("notice", "list", "--filter", "state=dead")
    assert [one["id"] for one in dead] == [made["id"]]
    receiver.behaviour = says(GOOD)
    transire.cli("notice", "retry", "--id", made["id"])
    await_state(transire, made, "delivered")
    assert "isn't dead" in transire.cli_refused("notice", "retry", "--id", made["id"])


@pytest.mark.parametrize(
    ("mode", "text", "says_what"),
    [(0o644, SECRET, "chmod 600"), (0o600, "hunter2EXAMPLE", "whsec_"), (0o600, f"{SECRET}\n" * 3, "one or two secrets")],
)
def test_a_secret_that_is_no_secret_is_refused_at_the_start(
    new_transire: Callable[..., Transire], tmp_path: Path, mode: int, text: str, says_what: str
) -> None:
    file = tmp_path / "webhook.secret"
    file.write_text(text)
    file.chmod(mode)
    settings = {
        "TRANSIRE_NOTICES__WEBHOOK_URL": "https://hooks.example.com/transire",
        "TRANSIRE_NOTICES__WEBHOOK_SECRET_FILE": str(file),
    }
    transire = new_transire(settings=settings)
    daemon: Daemon = transire.launch()
    assert daemon.exit_code() != 0
    log = daemon.read_log()
    assert says_what in log and text.strip() not in log
    assert says_what in transire.cli_refused("config", "check")
