"""What others at the same address do keeps no right client out: by the true program, with the clouds' own SDKs."""

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

import alibaba
import tencent
from processes import wait_until
from service import AccessKey, Transire

# So few that a neighbour has used them up at once.
_SHORT = {"TRANSIRE_LIMITS__REFUSALS_PER_SECOND": "1", "TRANSIRE_LIMITS__REFUSALS_BURST": "2"}


@contextmanager
def repeated(work: Callable[[], object], threads: int = 2) -> Iterator[Counter[str]]:
    """Does work again and again beside the test; counts what came of it."""
    stop, outcomes = threading.Event(), Counter[str]()

    def repeat() -> None:
        while not stop.is_set():
            outcomes[str(work())] += 1

    running = [threading.Thread(target=repeat) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield outcomes
    finally:
        stop.set()
        for thread in running:
            thread.join()


def refusal(call: Callable[[], object]) -> str:
    """The code of a call that must fail."""
    try:
        call()
    except Exception as error:  # noqa: BLE001
        return str(getattr(error, "code", None) or getattr(error, "error_code", None) or type(error).__name__)
    raise AssertionError("it was served")


@pytest.mark.parametrize("door", [tencent, alibaba], ids=["tencent", "alibaba"])
def test_a_right_client_is_served_beside_two_that_sign_with_a_wrong_secret(new_transire: Callable[..., Transire], door: object) -> None:
    """37 of 40 right calls of the same address were refused at Tencent's door, 29 of 30 at Alibaba's."""
    transire = new_transire(settings=_SHORT)
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    key = instance.account.key
    # The victim's own key id, too.
    wrong = AccessKey(key.id, "guessedEXAMPLEguessedEXAMPLE1234")
    place = instance.tcr_id if door is tencent else instance.cri_id
    slowed = "RequestLimitExceeded" if door is tencent else "Throttling"
    fail = lambda: refusal(lambda: door.issue(transire, wrong, place))  # type: ignore[attr-defined]  # noqa: E731
    with repeated(fail) as outcomes:
        wait_until("the neighbours to be slowed", lambda: outcomes[slowed] >= 5)
        served = 0
        for _ in range(30):
            door.issue(transire, key, place)  # type: ignore[attr-defined]
            served += 1
    assert served == 30


def place(transire: Transire) -> tuple[str, int]:
    host, _, port = transire.endpoint.rpartition(":")
    return host, int(port)


def slow_body(transire: Transire, key: AccessKey, bytes_sent: int) -> socket.socket:
    """A call whose headers name a key, and whose body stops on its way."""
    now = datetime.now(UTC)
    scope = f"{key.id}/{now:%Y-%m-%d}/tcr/tc3_request"
    head = (
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "X-TC-Action: CreateInstanceToken\r\nX-TC-Version: 2019-09-24\r\nX-TC-Region: ap-guangzhou\r\n"
        f"X-TC-Timestamp: {int(time.time())}\r\n"
        f"Authorization: TC3-HMAC-SHA256 Credential={scope}, SignedHeaders=content-type;host, Signature={'0' * 64}\r\n"
        f"Content-Length: {bytes_sent + 1}\r\n\r\n"
    )
    connection = socket.create_connection(place(transire), timeout=30)
    connection.sendall(head.encode() + b" " * bytes_sent)
    return connection


def test_slow_bodies_under_the_same_key_keep_no_right_call_out(new_transire: Callable[..., Transire]) -> None:
    """Whoever knew a key's id could fill the memory for bodies, and every call with one was refused."""
    transire = new_transire(
        # Half of it is for those whose headers name a known key: four bodies of 64 KiB.
        settings={"TRANSIRE_LIMITS__BODIES_IN_FLIGHT_BYTES": str(8 * 65536), "TRANSIRE_LIMITS__BODY_SECONDS": "60"}
    )
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    key = instance.account.key
    held = [slow_body(transire, key, 60_000) for _ in range(12)]
    try:
        # There is room for four of 60,000 bytes: the others were told to come again. Which are the oldest is not known here, for
        # the server may begin with a later one first.
        wait_until("eight to give way", lambda: sum(b"RequestLimitExceeded" in peek(connection) for connection in held) == 8)
        for _ in range(20):
            tencent.issue(transire, key, instance.tcr_id)
        wrong_and_late = slow_body(transire, key, 60_000)
        tencent.issue(transire, key, instance.tcr_id)
        wrong_and_late.close()
    finally:
        for connection in held:
            connection.close()


def peek(connection: socket.socket) -> bytes:
    connection.setblocking(False)
    try:
        return connection.recv(65536, socket.MSG_PEEK)
    except OSError:
        return b""


def test_a_key_that_a_command_has_just_made_signs_beside_made_up_ids(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings=_SHORT)
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    number = iter(range(1_000_000))
    made_up = lambda: refusal(lambda: tencent.issue(transire, AccessKey(f"AKIDmadeUp{next(number)}EXAMPLE", "x"), instance.tcr_id))  # noqa: E731
    with repeated(made_up) as outcomes:
        wait_until("the neighbours to be slowed", lambda: outcomes["RequestLimitExceeded"] >= 3)
        for _ in range(3):
            key = transire.new_access_key(instance.account.id)
            tencent.issue(transire, key, instance.tcr_id)


def test_of_many_guesses_at_once_so_many_are_hashed_as_the_limit_allows(new_transire: Callable[..., Transire]) -> None:
    """36 were hashed where one was allowed."""
    transire = new_transire(settings={"TRANSIRE_LIMITS__FAILED_LOG_INS": "3", "TRANSIRE_LIMITS__FAILED_LOG_INS_PER_MINUTE": "1"})
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    statuses: Counter[int] = Counter()
    lock, begin = threading.Lock(), threading.Barrier(40)

    def guess(number: int) -> None:
        connection = http.client.HTTPConnection(*place(transire), timeout=30)
        form = f"grant_type=password&service={instance.service}&username=acme&password=Passw0rd-wrong-{number}"
        begin.wait()
        connection.request("POST", "/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        json.loads(answer.read())
        with lock:
            statuses[answer.status] += 1

    guesses = [threading.Thread(target=guess, args=(number,)) for number in range(40)]
    for thread in guesses:
        thread.start()
    for thread in guesses:
        thread.join()
    assert statuses == {401: 3, 429: 37}


def log_in(transire: Transire, source: str, service: str, username: str, password: str) -> int:
    """Asks for a token from an address of this machine."""
    connection = http.client.HTTPConnection(*place(transire), timeout=30, source_address=(source, 0))
    form = f"grant_type=password&service={service}&username={username}&password={password}"
    connection.request("POST", "/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_guesses_with_new_usernames_keep_no_right_password_out(new_transire: Callable[..., Transire]) -> None:
    """20 of 25 right log-ins were told to come again, and signed calls that set a password failed."""
    transire = new_transire(
        # So that no guess is refused before it is hashed.
        settings={"TRANSIRE_LIMITS__REFUSALS_PER_SECOND": "100000", "TRANSIRE_LIMITS__REFUSALS_BURST": "100000"}
    )
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    number = iter(range(1_000_000))
    guess = lambda: log_in(transire, "127.0.0.2", instance.service, f"made-up-{next(number)}", "Passw0rd-wrong-1")  # noqa: E731
    # At the guesser's own address.
    alibaba.reset_login_password(transire, instance.account.key, instance.cri_id, "Passw0rd-EXAMPLE")
    assert log_in(transire, "127.0.0.2", instance.service, "acme", "Passw0rd-EXAMPLE") == 200
    statuses = Counter[int]()
    with repeated(guess, threads=24) as guesses:
        wait_until("some to be told to come again", lambda: guesses["429"] >= 5)
        for turn in range(25):
            # Each password is new, so that it has to be hashed.
            password = f"Passw0rd-EXAMPLE-{turn}"
            alibaba.reset_login_password(transire, instance.account.key, instance.cri_id, password)
            statuses[log_in(transire, "127.0.0.2", instance.service, "acme", password)] += 1
            statuses[log_in(transire, f"127.0.0.{turn + 3}", instance.service, instance.account.id, password)] += 1
    assert statuses == {200: 50}


def stalled_form(transire: Transire, source: str) -> socket.socket:
    """A token request of which all but the last byte comes."""
    connection = socket.create_connection(place(transire), timeout=30, source_address=(source, 0))
    form = b"grant_type=password&username=acme"
    head = (
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(form) + 1}\r\n\r\n"
    )
    connection.sendall(head.encode() + form)
    return connection


def status_of(connection: socket.socket) -> int:
    """The status of an answer, once it is there."""
    return int(connection.recv(65536).split(b" ", 2)[1])


def test_an_address_whose_bodies_never_come_is_refused_unread_and_keeps_nobody_out(new_transire: Callable[..., Transire]) -> None:
    """958 connections that sent all but the last byte had a fifth of the others' forms refused."""
    transire = new_transire(settings={"TRANSIRE_LIMITS__BODY_SECONDS": "2"})
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    held = [stalled_form(transire, "127.0.0.2") for _ in range(400)]
    try:
        assert [log_in(transire, source, instance.service, credential.username, credential.secret) for source in ("127.0.0.2", "127.0.0.3")] == [200, 200]
        statuses = Counter(map(status_of, held))
        # 256 at once are waited for, and one more a second.
        assert set(statuses) == {408, 429} and 256 <= statuses[408] <= 276, statuses
        again = [stalled_form(transire, "127.0.0.2") for _ in range(100)]
        held += again
        assert Counter(map(status_of, again))[429] >= 80
        elsewhere = stalled_form(transire, "127.0.0.3")
        held.append(elsewhere)
        elsewhere.sendall(b"x")
        assert status_of(elsewhere) == 400, "it came, and names no service"
        assert log_in(transire, "127.0.0.2", instance.service, credential.username, credential.secret) == 200
    finally:
        for connection in held:
            connection.close()
