"""The primary database is killed under load: Patroni, etcd and HAProxy under three replicas, as docs/high-availability.md says.

`TRANSIRE_TEST_LONG=1` also kills a whole machine, whose place is free after 20 seconds, and makes fifty failovers in
place of two, or as many as `TRANSIRE_TEST_ROUNDS` says.
"""

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tencent
from authority import Authority
from credential import Credential
from documents import Shell, take_one
from failovers import Failovers
from kills import SETTINGS
from namespace import Network
from outage import refusal, settings
from patroni import Cluster
from processes import wait_until
from redis_server import Redis
from service import Answer, Instance, Transire

DATABASE = take_one("docs/high-availability.md", "Make the database")
LONG = os.environ.get("TRANSIRE_TEST_LONG") == "1"
FAILOVERS = int(os.environ.get("TRANSIRE_TEST_ROUNDS", "50")) if LONG else 2

# A primary that is silent for 20 seconds loses its place; then a standby takes over, and connections are made anew.
WRITES_WITHIN = {"its PostgreSQL": 30.0, "its machine": 60.0}
TO_DISABLE = 60


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    network = Network(tmp_path / "network")
    try:
        cluster = Cluster(network)
        try:
            yield cluster
        finally:
            # Shown where the test failed.
            print(cluster.logs())
            cluster.stop()
    finally:
        network.end()


@pytest.fixture
def service(cluster: Cluster, new_transire: Callable[..., Transire], tmp_path: Path) -> Iterator[Transire]:
    """Three replicas, as clients see them: one address, by HTTPS."""
    cluster.start_databases()
    primary = cluster.primary()
    assert primary
    places = {"192.0.2.11": primary.address}
    Shell(tmp_path / "operator", {}).does(DATABASE.commands(), places, {"PGPASSWORD": "superuserEXAMPLE"})
    authority = Authority(tmp_path / "authority")
    cluster.start_front(authority)
    redis = Redis(tmp_path / "redis", cluster.redis)
    more = settings(tmp_path, "")
    key = {"/etc/transire/master.key": more["TRANSIRE_MASTER_KEY_FILE"], "redis://192.0.2.31:6379": redis.url}
    file = cluster.file("transire.toml", tmp_path, key)
    often = {name: value for name, value in more.items() if "LIMITS" in name} | SETTINGS
    often |= {"TRANSIRE_CONFIG": str(file), "TRANSIRE_SHUTDOWN__DELAY_SECONDS": "0"}
    replicas = [new_transire(f"replica-{number}", settings=often) for number in range(3)]
    for replica, machine in zip(replicas, cluster.replicas, strict=True):
        replica.start_inside(machine.namespace, f"{machine.address}:8480")
        wait_until("the replica to be ready", replica.is_ready)
    service = new_transire("service", settings=often)
    service.endpoint, service.authority = f"{cluster.front.address}:443", authority
    wait_until("HAProxy to pass requests", lambda: _is_ready(service))
    yield service
    redis.stop()


def log_in(service: Transire, instance: Instance, credential: Credential) -> Answer:
    return service.fetch(f"/token?service={instance.service}", {"Authorization": credential.basic()})


def _is_ready(service: Transire) -> bool:
    try:
        return service.is_ready()
    except OSError:
        return False


@dataclass
class Clients:
    """Clients who write, and clients who log in with temporary credentials: what they were answered."""

    service: Transire
    instance: Instance
    to_disable: list[Credential]
    issued: list[Credential] = field(default_factory=list)
    disabled: list[Credential] = field(default_factory=list)
    # The moments at which a write was acknowledged.
    acknowledged: list[float] = field(default_factory=list)
    refused_writes: Counter[str] = field(default_factory=Counter)
    temporary: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        over = threading.Event()
        known = tencent.issue(self.service, self.instance.account.key, self.instance.tcr_id)

        def repeat(work: Callable[[], None]) -> None:
            while not over.is_set():
                work()

        works = [self._issue] * 3 + [self._disable, self._issue_temporary] + [lambda: self._log_in(known)] * 2
        threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _issue(self) -> None:
        key, place = self.instance.account.key, self.instance.tcr_id
        code = refusal(lambda: self.issued.append(tencent.issue(self.service, key, place, "longterm")))
        self._written(code)

    def _disable(self) -> None:
        if not self.to_disable:
            time.sleep(0.1)
            return
        credential = self.to_disable.pop()
        code = refusal(lambda: tencent.disable(self.service, self.instance.account.key, self.instance.tcr_id, credential))
        if not code:
            self.disabled.append(credential)
        self._written(code)
        # So that some are left when the primary dies.
        time.sleep(0.2)

    def _written(self, code: str) -> None:
        if code:
            self.refused_writes[code] += 1
        else:
            self.acknowledged.append(time.monotonic())

    def _issue_temporary(self) -> None:
        made: list[Credential] = []
        key, place = self.instance.account.key, self.instance.tcr_id
        code = refusal(lambda: made.append(tencent.issue(self.service, key, place)))
        self.temporary[f"issue {code or 'ok'}"] += 1
        if made:
            self._log_in(made[0])

    def _log_in(self, credential: Credential) -> None:
        began = time.monotonic()
        try:
            outcome = str(log_in(self.service, self.instance, credential).status)
        except OSError as error:
            outcome = type(error).__name__
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.temporary[f"log in {outcome}"] += 1

    def longest_pause(self) -> float:
        moments = sorted(self.acknowledged)
        return max(later - earlier for earlier, later in zip(moments, moments[1:], strict=False))


@pytest.mark.parametrize("killed", list(WRITES_WITHIN)[: 2 if LONG else 1])
def test_nothing_acknowledged_is_lost_and_no_temporary_credential_refused_when_the_primary_dies(
    cluster: Cluster, service: Transire, table: list[str], killed: str
) -> None:
    account = service.new_account("acme")
    instance = service.new_instance(account, "demo")
    to_disable = [tencent.issue(service, account.key, instance.tcr_id, "longterm") for _ in range(TO_DISABLE)]
    clients = Clients(service, instance, list(to_disable))
    primary = cluster.primary()
    assert primary
    with clients.running():
        wait_until("some writes", lambda: len(clients.issued) > 50 and len(clients.disabled) > 5)
        before, died = len(clients.acknowledged), time.monotonic()
        if killed == "its machine":
            cluster.kill_machine(primary)
        else:
            cluster.kill_postgres(primary)
        written = lambda: sum(moment > died + 1 for moment in list(clients.acknowledged)) > 100  # noqa: E731
        wait_until("writes to go on", written, within=WRITES_WITHIN[killed])
        wait_until("another primary", lambda: cluster.primary() not in (None, primary), within=60)
    pause = clients.longest_pause()
    table.append(
        f"the primary's {killed.removeprefix('its ')} killed: {pause:.1f} s without a write, {before} writes before and "
        f"{len(clients.acknowledged) - before} after, refused {dict(clients.refused_writes)}; temporary {dict(clients.temporary)}, "
        f"the slowest log-in {clients.slowest:.2f} s"
    )
    assert set(clients.temporary) == {"issue ok", "log in 200"}
    for credential in clients.issued:
        assert log_in(service, instance, credential).status == 200, credential.id
    for credential in clients.disabled:
        assert log_in(service, instance, credential).status == 401, credential.id
    listed = {item["id"]: item["state"] for item in service.items("credential", "list", "--instance", instance.tcr_id)}
    assert {credential.id for credential in (*clients.issued, *to_disable)} <= set(listed)
    assert {listed[credential.id] for credential in clients.disabled} == {"disabled"}
    lines = Counter(
        line["credential_id"]
        for line in service.items("audit", "list", "--since", "1h")
        if (line["action"], line["outcome"]) == ("credential.issue-long-term", "ok")
    )
    assert lines == Counter(list(listed)), "each has one event, and none has one that isn't there"


def test_many_failovers_lose_nothing_and_revive_nothing(cluster: Cluster, service: Transire, table: list[str]) -> None:
    failovers = Failovers(service, cluster)
    failovers.rounds(FAILOVERS)
    failovers.verify()
    table.append(failovers.totals.row("failover by Patroni"))
    assert failovers.totals.found() == []
