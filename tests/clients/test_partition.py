"""A line is cut: whatever is sent over it vanishes, and nobody is told. Replicas, database and Redis on networks of their own.

`TRANSIRE_TEST_LONG=1` makes histories for 30 cuts in place of two, or for `TRANSIRE_TEST_ROUNDS`.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tencentcloud.tcr.v20190924 import models as tcr

import alibaba
import raw
import tencent
from credential import Credential, exchange
from histories import Histories, Stalls
from linearizable import Cut, Promise, misplaced
from namespace import Machine, Network
from outage import RESUMED_WITHIN, SLACK, Load, refusal, settings, usage
from postgres import Postgres
from processes import wait_until
from redis_server import Redis
from service import Instance, Transire
from shared import assert_shared, code, degraded, token_call

# How long a replica goes by what it knew, and a request waits for the database.
STALENESS = 8
DATABASE = 2
SHORT = {"TRANSIRE_LIMITS__DATABASE_SECONDS": str(DATABASE)}
WRITERS = 4
PORT = 8480
# How often a replica is cut off while histories are made.
HISTORY_ROUNDS = int(os.environ.get("TRANSIRE_TEST_ROUNDS", "30")) if os.environ.get("TRANSIRE_TEST_LONG") == "1" else 2


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path / "network")
    yield network
    network.end()


@pytest.fixture
def server(network: Network) -> Iterator[Postgres]:
    server = Postgres(machine=network.add())
    yield server
    server.remove()


@pytest.fixture
def standby(network: Network, server: Postgres) -> Iterator[Postgres]:
    """Follows the server by the network; the server waits for it."""
    standby = Postgres(follows=server, machine=network.add())
    server.wants_standby()
    yield standby
    standby.remove()


@dataclass(frozen=True)
class Replica:
    transire: Transire
    machine: Machine


@pytest.fixture
def new_replica(network: Network, server: Postgres, new_transire: Callable[..., Transire], tmp_path: Path) -> Callable[..., Replica]:
    """Starts another replica, on a machine of its own."""

    def start(name: str, **more: str) -> Replica:
        machine = network.add()
        more["TRANSIRE_LIMITS__ACTIONS"] = '{ "tcr:ModifyInstanceToken" = 100000 }'
        # The network is the test's alone.
        given = settings(tmp_path, server.url(), TRANSIRE_ALLOW_PLAIN_HTTP="true", **more)
        transire = new_transire(name, settings=given)
        transire.start_inside(machine.namespace, f"{machine.address}:{PORT}")
        wait_until("/readyz to be 200", transire.is_ready)
        return Replica(transire, machine)

    return start


def enable(transire: Transire, instance: Instance, credential: Credential, *, enabled: bool) -> None:
    request = tcr.ModifyInstanceTokenRequest()
    request.RegistryId, request.TokenId, request.Enable = instance.tcr_id, credential.id, enabled
    # With a nonce: one toggles it more than once a second, and a signature makes one change.
    tencent.client(transire, instance.account.key, signing="HmacSHA256").ModifyInstanceToken(request)


def assert_whole(transire: Transire, instance: Instance, acknowledged: set[str]) -> None:
    """What was acknowledged is there; what is there has one line in the audit, and what has a line is there."""
    listed = {item["id"] for item in transire.items("credential", "list", "--instance", instance.tcr_id)}
    lines = Counter(
        line["credential_id"]
        for line in transire.items("audit", "list", "--since", "1h")
        if (line["action"], line["outcome"]) == ("credential.issue-long-term", "ok")
    )
    assert acknowledged <= listed
    assert lines == Counter(listed)


@dataclass
class Answers:
    """What a replica answered, and between which moments."""

    given: list[tuple[str, float, float, object]] = field(default_factory=list)

    def ask(self, what: str, attempt: Callable[[], object]) -> object:
        began = time.monotonic()
        answer = attempt()
        self.given.append((what, began, time.monotonic(), answer))
        return answer

    def begun_after(self, moment: float) -> list[tuple[str, object]]:
        return [(what, answer) for what, began, _, answer in self.given if began >= moment]

    def ended_before(self, moment: float) -> list[tuple[str, object]]:
        return [(what, answer) for what, _, ended, answer in self.given if ended <= moment]


def test_a_replica_that_is_cut_off_from_the_database_goes_by_what_it_knew_for_a_bounded_time(
    network: Network, server: Postgres, new_replica: Callable[..., Replica]
) -> None:
    bound = {"TRANSIRE_MAX_STALENESS_SECONDS": str(STALENESS)}
    reaching, parted = new_replica("reaching", **bound), new_replica("parted", **bound, **SHORT)
    here, there = reaching.transire, parted.transire
    assert server.machine is not None
    account = here.new_account("acme")
    instance = here.new_instance(account, "demo")
    known, stopped, unknown = (tencent.issue(here, account.key, instance.tcr_id, "longterm") for _ in range(3))
    temporary = tencent.issue(there, account.key, instance.tcr_id)
    alibaba.issue(there, account.key, instance.cri_id)
    for credential in (temporary, known, stopped):
        assert exchange(there.realm, instance, credential).status == 200
    unknown_key = here.new_access_key(account.id)
    threads_before, memory_before = usage(there)
    acknowledged = {known.id, stopped.id, unknown.id}

    def issue(kind: str = "temp") -> str:
        """The refusal of a call to the replica that is cut off; empty when what it gave out logs in there."""
        made: list[Credential] = []
        refused = refusal(lambda: made.append(tencent.issue(there, account.key, instance.tcr_id, kind)))
        issued.extend(made)
        return refused

    def issue_by_alibaba() -> str:
        made: list[Credential] = []
        refused = refusal(lambda: made.append(alibaba.issue(there, account.key, instance.cri_id)))
        issued.extend(made)
        return refused

    issued: list[Credential] = []
    answers = Answers()
    with Load(there, instance, temporary, known) as load:
        network.cut(parted.machine, server.machine)
        cut_at = time.monotonic()
        # The first waits in vain; whoever comes later doesn't wait.
        assert answers.ask("write", lambda: issue("longterm")) == "InternalError.DbError"
        assert time.monotonic() - cut_at < DATABASE + SLACK
        tencent.disable(here, account.key, instance.tcr_id, stopped)
        assert exchange(here.realm, instance, stopped).status == 401
        wait_until("the loss to be noticed", lambda: not there.is_ready(), within=10)
        noticed_at = time.monotonic()
        while time.monotonic() < cut_at + STALENESS + 2:
            answers.ask("issue", issue)
            answers.ask("issue at Alibaba's door", issue_by_alibaba)
            for name, credential in (("temporary", temporary), ("known", known), ("stopped", stopped)):
                answers.ask(name, lambda: exchange(there.realm, instance, credential).status)  # noqa: B023
            refused = exchange(there.realm, instance, unknown)
            assert (refused.status, refused.headers["Retry-After"] is not None) == (503, True)
            begun = time.monotonic()
            assert answers.ask("write", lambda: issue("longterm")) == "InternalError.DbError"
            assert refusal(lambda: tencent.issue(there, unknown_key, instance.tcr_id)) == "InternalError.DbError"
            assert refusal(lambda: alibaba.issue(there, unknown_key, instance.cri_id)) == "SystemError"
            assert time.monotonic() - begun < SLACK, "what is known to be impossible is refused at once"
            # Elsewhere nothing is missing.
            acknowledged.add(tencent.issue(here, account.key, instance.tcr_id, "longterm").id)
            assert exchange(here.realm, instance, unknown).status == 200
        threads, memory = usage(there)
        missing = there.fetch("/readyz").json()["missing"]
        assert any("max_staleness_seconds" in what for what in missing), missing

        lost = network.heal(parted.machine, server.machine)
        healed_at = time.monotonic()
        assert lost > 0, "nothing was cut"

        def hears() -> bool:
            status = answers.ask("stopped", lambda: exchange(there.realm, instance, stopped).status)
            return status == 401

        wait_until("what was disabled meanwhile to be refused", hears, within=RESUMED_WITHIN + SLACK)
        wait_until("long-term credentials to be issued", lambda: issue("longterm") == "", within=RESUMED_WITHIN + SLACK)
        print(f"resumed after {time.monotonic() - healed_at:.2f} s; {lost} packets lost, {threads} threads, {memory:.0f} MB")
        wait_until("it to be ready", there.is_ready, within=RESUMED_WITHIN + SLACK)

    # What was heard last was heard before the cut: this bound has no slack.
    late = answers.begun_after(cut_at + STALENESS)
    during = [(what, answer) for what, answer in late if what != "stopped" or answer != 401]
    assert {what for what, _ in during} >= {"issue", "issue at Alibaba's door", "temporary", "known", "stopped"}
    assert {answer for _, answer in during} <= {503, "InternalError.DbError", "SystemError"}, during
    # And it was heard of shortly before.
    early = [(what, answer) for what, answer in answers.ended_before(cut_at + STALENESS - 2) if what != "write"]
    assert {what for what, _ in early} == {"issue", "issue at Alibaba's door", "temporary", "known", "stopped"}, noticed_at - cut_at
    assert {answer for _, answer in early} == {"", 200}, early
    before_heal = [answer for what, _, ended, answer in answers.given if what in {"temporary", "known", "stopped"} and ended <= healed_at]
    assert set(before_heal) == {200, 503}, "never 401 of what it can't know"
    assert set(load.statuses) <= {200, 503}, load.statuses
    assert set(load.codes) <= {"", "InternalError.DbError", "RequestLimitExceeded"}, load.codes
    assert load.slowest < DATABASE + SLACK + 2, "those who were waiting when it was cut"
    assert threads <= threads_before + 8, (threads_before, threads)
    assert memory < memory_before + 100, (memory_before, memory)
    for replica in (here, there):
        for credential in (temporary, known, unknown, *issued):
            assert exchange(replica.realm, instance, credential).status == 200
        assert exchange(replica.realm, instance, stopped).status == 401
    assert_whole(here, instance, acknowledged | {credential.id for credential in issued if credential.id})


def test_a_replica_that_is_cut_off_in_the_middle_of_a_write_keeps_no_other_from_writing(
    network: Network, server: Postgres, new_replica: Callable[..., Replica]
) -> None:
    """Its transaction stood open at the database, with its locks, for as long as TCP takes to give up: hours."""
    reaching, parted = new_replica("reaching"), new_replica("parted")
    here, there = reaching.transire, parted.transire
    assert server.machine is not None
    account = here.new_account("acme")
    instance = here.new_instance(account, "demo")
    credentials = [tencent.issue(here, account.key, instance.tcr_id, "longterm") for _ in range(WRITERS)]
    mine = tencent.issue(here, account.key, instance.tcr_id, "longterm")
    over = threading.Event()
    done = Counter[str]()

    def toggle(credential: Credential) -> None:
        enabled = False
        while not over.is_set():
            done[refusal(lambda: enable(there, instance, credential, enabled=enabled))] += 1  # noqa: B023
            enabled = not enabled

    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE client_addr = '{parted.machine.address}' AND backend_type = 'client backend'"
    busy, open_ = f"{sessions} AND state = 'active'", f"{sessions} AND state = 'idle in transaction' AND backend_xid IS NOT NULL"

    def cut_in_the_middle() -> bool:
        before = done[""]
        wait_until("writes to go on", lambda: done[""] > before + WRITERS)
        network.cut(parted.machine, server.machine)
        # One holds the lock, and gets it from nobody; several wait behind it, and would have it one after the other.
        if server.psql(open_) != "0" and int(server.psql(busy)) >= WRITERS - 2:
            return True
        network.heal(parted.machine, server.machine)
        return False

    threads = [threading.Thread(target=toggle, args=(credential,)) for credential in credentials]
    for thread in threads:
        thread.start()
    try:
        wait_until("the line to be cut in the middle of a write", cut_in_the_middle, within=60)
        began = time.monotonic()
        # It waits, and doesn't fail.
        enable(here, instance, mine, enabled=False)
        print(f"written after {time.monotonic() - began:.2f} s")
        assert exchange(here.realm, instance, mine).status == 401
        wait_until("its transactions to be gone", lambda: server.psql(open_) == "0" and server.psql(busy) == "0")
    finally:
        network.heal(parted.machine, server.machine)
        before = done[""]
        wait_until("writes to go on", lambda: done[""] > before, within=RESUMED_WITHIN + SLACK)
        over.set()
        for thread in threads:
            thread.join()
    assert set(done) <= {"", "InternalError.DbError"}, done
    wait_until("the other to hear of it", lambda: exchange(there.realm, instance, mine).status == 401, within=RESUMED_WITHIN)


def test_a_replica_that_is_cut_off_from_redis_goes_on_alone_and_shares_again(
    network: Network, new_replica: Callable[..., Replica], tmp_path: Path
) -> None:
    redis = Redis(tmp_path / "redis", network.add())
    try:
        shared = {"TRANSIRE_SHARED__URL": redis.url}
        reaching, parted = new_replica("reaching", **shared), new_replica("parted", **shared)
        here, there = reaching.transire, parted.transire
        instance = here.new_instance(here.new_account("acme"), "demo")
        assert_shared((here, there), instance)
        assert redis.machine is not None
        network.cut(parted.machine, redis.machine)
        began = time.monotonic()
        queries = [token_call(instance) for _ in range(20)]
        slowest = 0.0
        for query in queries:
            asked = time.monotonic()
            assert raw.send(there, query).status == 200
            slowest = max(slowest, time.monotonic() - asked)
        assert slowest < 1.0, "the first waits for a tenth of a second, and then nobody"
        assert code(there, queries[0]) == "SignatureNonceUsed"
        wait_until("/readyz to name it", lambda: degraded(there))
        assert not degraded(here)
        wait_until("connecting to be tried, too", lambda: time.monotonic() > began + 3)
        assert network.heal(parted.machine, redis.machine) > 0
        healed_at = time.monotonic()
        wait_until("it to share again", lambda: not degraded(there), within=RESUMED_WITHIN + SLACK)
        print(f"shared again after {time.monotonic() - healed_at:.2f} s; slowest {slowest:.3f} s")
        assert_shared((here, there), instance)
        assert_shared((there, here), instance)
    finally:
        redis.stop()


@pytest.mark.parametrize("fault", ["cut off", "paused"])
def test_without_its_synchronous_standby_the_database_takes_no_write_and_all_else_goes_on(
    network: Network, server: Postgres, standby: Postgres, new_replica: Callable[..., Replica], fault: str
) -> None:
    transire = new_replica("replica", **SHORT).transire
    assert server.machine is not None and standby.machine is not None
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    known, unknown, stopped = (tencent.issue(transire, account.key, instance.tcr_id, "longterm") for _ in range(3))
    temporary = tencent.issue(transire, account.key, instance.tcr_id)
    for credential in (known, temporary, stopped):
        assert exchange(transire.realm, instance, credential).status == 200
    alibaba.issue(transire, account.key, instance.cri_id)
    acknowledged = {known.id, unknown.id, stopped.id}
    over = threading.Event()
    codes = Counter[str]()
    lock = threading.Lock()
    slowest = 0.0

    def write() -> None:
        nonlocal slowest
        while not over.is_set():
            began = time.monotonic()
            made: list[Credential] = []
            refused = refusal(lambda: made.append(tencent.issue(transire, account.key, instance.tcr_id, "longterm")))  # noqa: B023
            with lock:
                codes[refused] += 1
                acknowledged.update(credential.id for credential in made)
                slowest = max(slowest, time.monotonic() - began)

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        wait_until("some writes", lambda: codes[""] > WRITERS)
        if fault == "paused":
            standby.pause()
        else:
            network.cut(server.machine, standby.machine)
        wait_until("writes to fail", lambda: codes["InternalError.DbError"] >= 2 * WRITERS)
        before = codes[""]
        began = time.monotonic()
        assert refusal(lambda: tencent.disable(transire, account.key, instance.tcr_id, stopped)) == "InternalError.DbError"
        assert DATABASE - 0.5 < time.monotonic() - began < DATABASE + SLACK
        for _ in range(5):
            made = tencent.issue(transire, account.key, instance.tcr_id)
            for credential in (made, temporary, known, unknown, alibaba.issue(transire, account.key, instance.cri_id)):
                assert exchange(transire.realm, instance, credential).status == 200
            assert transire.is_ready()
        assert codes[""] == before, "acknowledged, and no standby has it"
        if fault == "paused":
            standby.go_on()
        else:
            assert network.heal(server.machine, standby.machine) > 0
        wait_until("writes to go on", lambda: codes[""] > before + WRITERS)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert set(codes) <= {"", "InternalError.DbError"}, codes
    assert slowest < DATABASE + SLACK
    assert_whole(transire, instance, acknowledged)
    # Disabled or not: what logs in, what is listed and what the audit says are one.
    state = next(item["state"] for item in transire.items("credential", "list", "--instance", instance.tcr_id) if item["id"] == stopped.id)
    lines = [line for line in transire.items("audit", "list", "--since", "1h") if line["action"] == "credential.disable" and line["outcome"] == "ok"]
    expected = {"active": (0, 200), "disabled": (1, 401)}[state]
    assert len(lines) == expected[0]
    wait_until("it to be obeyed", lambda: exchange(transire.realm, instance, stopped).status == expected[1], within=RESUMED_WITHIN)
    # The standby has what was acknowledged.
    held = "SELECT id FROM credential ORDER BY id"
    assert acknowledged <= set(standby.psql(held, database="transire").split())


def test_what_replicas_answered_of_a_credential_is_one_history_while_one_of_them_is_cut_off(
    network: Network, server: Postgres, new_replica: Callable[..., Replica], table: list[str]
) -> None:
    staleness = 4
    bound = {"TRANSIRE_MAX_STALENESS_SECONDS": str(staleness), "TRANSIRE_LIMITS__FAILED_LOG_INS": "100000", **SHORT}
    replicas = [new_replica(f"replica-{number}", **bound) for number in range(3)]
    assert server.machine is not None
    instance = replicas[0].transire.new_instance(replicas[0].transire.new_account("acme"), "demo")
    cuts: list[Cut] = []
    with Histories([replica.transire for replica in replicas], instance) as histories, Stalls() as stalls:
        for round_ in range(HISTORY_ROUNDS):
            histories.go_on(2)
            number = round_ % len(replicas)
            begun = time.monotonic()
            network.cut(replicas[number].machine, server.machine)
            # Now shorter than the bound, now longer.
            histories.go_on(staleness * (0.5, 1.5)[round_ % 2])
            assert network.heal(replicas[number].machine, server.machine) > 0
            cuts.append(Cut(number, begun, time.monotonic()))
            histories.go_on(4)
    # Nobody can keep the second who stood still for longer.
    promise = Promise(1.0 + stalls.longest, cuts, RESUMED_WITHIN + stalls.longest, staleness + stalls.longest)
    outcomes = Counter((operation.what, operation.outcome) for subject in histories.subjects for operation in subject.history)
    table.append(f"{len(histories.subjects)} histories, the longest stall {stalls.longest:.2f} s: {dict(outcomes)}")
    for subject in histories.subjects:
        wrong = misplaced(subject.history, promise)
        told = sorted(subject.history, key=lambda operation: operation.invoked)
        assert wrong == [], "\n".join([f"{'-' if operation in wrong else '+'} {operation}" for operation in told] + [str(promise)])
    assert {("exchange", "ok"), ("exchange", "refused"), ("disable", "ok"), ("revoke", "ok"), ("exchange", "unknown")} <= set(outcomes)
