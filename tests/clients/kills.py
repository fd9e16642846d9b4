"""Many kills of one service under load: after each, what is there is what was acknowledged, and what the audit says.

Each credential has one writer, so what it may be after a kill is known: what was acknowledged last, and perhaps the one
change that was under way. All that is read again is compared, and stands from then on.
"""

import contextlib
import http.client
import json
import random
import sqlite3
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import raw
from credential import Credential
from postgres import psql
from processes import PATIENCE, wait_until
from service import MANY_TOKENS, Instance, Transire

# Nothing here is about how often.
UNHINDERED = {
    "TRANSIRE_LIMITS__REQUESTS_PER_SECOND": "100000",
    "TRANSIRE_LIMITS__ACTIONS": '{ "tcr:ModifyInstanceToken" = 100000 }',
    "TRANSIRE_LIMITS__REFUSALS_PER_SECOND": "100000",
    "TRANSIRE_LIMITS__REFUSALS_BURST": "100000",
    "TRANSIRE_LIMITS__FAILED_LOG_INS": "100000",
}
SETTINGS = {**UNHINDERED, **MANY_TOKENS}
WRITERS = 6
# A command takes as long as many calls.
BY_COMMAND = 0.02
STATES = "SELECT id, state FROM credential"
EVENTS = (
    "SELECT action, credential_id FROM audit WHERE happened_at >= {since} AND outcome = 'ok' "
    "AND action IN ('credential.issue-long-term', 'credential.disable', 'credential.enable', 'credential.delete')"
)
# Events of writes that shared a commit, a JSON document a line.
PAGES = "SELECT lines FROM audit_page WHERE last_at >= {since}"
ISSUE, DISABLE, ENABLE, DELETE = (f"credential.{name}" for name in ("issue-long-term", "disable", "enable", "delete"))
AFTER = {DISABLE: "disabled", ENABLE: "active", DELETE: "absent"}

Rows = list[tuple[str, ...]]
# The rows of several queries, as the data has them once nothing of an earlier process is under way.
Read = Callable[[list[str]], list[Rows]]


def read_sqlite(transire: Transire) -> Read:
    def read(queries: list[str]) -> list[Rows]:
        database = sqlite3.connect(f"file:{transire.data_dir}/transire.db?mode=ro", uri=True, timeout=30)
        try:
            return [[tuple(map(str, row)) for row in database.execute(query)] for query in queries]
        finally:
            database.close()

    return read


def split_rows(text: str, query: str) -> Rows:
    """What psql printed; a row of one column is never divided."""
    return [(line,) if query.startswith("SELECT lines") else tuple(line.split("|")) for line in text.splitlines()]


def read_postgres(transire: Transire, url: str) -> Read:
    """The backend of a killed process may still be in the middle of its last commit."""

    def read(queries: list[str]) -> list[Rows]:
        started = Path(f"/proc/{transire.pid}").stat().st_ctime
        others = f"datname = current_database() AND pid <> pg_backend_pid() AND backend_start < to_timestamp({started})"
        old = f"SELECT count(*) FROM pg_stat_activity WHERE {others}"
        wait_until("the sessions of the killed process to end", lambda: psql(url, old) == "0")
        return [split_rows(psql(url, query), query) for query in queries]

    return read


class Unsure(Exception):
    """A change was refused because of the database: it may have been made."""


@dataclass
class Held:
    """A credential, and what its writer knows of it."""

    id: str
    secret: Credential | None
    """Nothing where its creation was under way at a kill."""
    state: str = "active"
    pending: str = ""
    """The change under way."""
    events: Counter[str] = field(default_factory=Counter)
    """What was acknowledged since the last look."""


@dataclass
class Totals:
    """What was done, and what was found."""

    kills: int = 0
    early: int = 0
    """Those of them before the service was ready."""
    acknowledged: int = 0
    made: int = 0
    """Changes that were under way at a kill, and were made."""
    not_made: int = 0
    lost: list[str] = field(default_factory=list)
    revived: list[str] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    """Where the audit has something else than the data."""
    faults: list[str] = field(default_factory=list)
    """Where the service answered otherwise than it should, or the load broke."""

    def row(self, how: str) -> str:
        counts = f"{len(self.lost)} lost, {len(self.revived)} revived, {len(self.audit)} unlike the audit, {len(self.faults)} faults"
        unsure = f"{self.made + self.not_made} not ({self.made} of them made)"
        return f"{how}: {self.kills} kills ({self.early} in start-up), {self.acknowledged} changes acknowledged and {unsure}; {counts}"

    def found(self) -> list[str]:
        return [*self.lost, *self.revived, *self.audit, *self.faults]


class Kills:
    """Rounds of load, kill and look, all at one service with one instance."""

    unsure = False
    """Whether the service may refuse a change because of its database."""
    most = 15
    """As many credentials as a writer has; then it deletes."""
    known_within = 0.0
    """How long a log-in may be decided by older data."""

    def __init__(self, transire: Transire, read: Read, after_kill: Callable[[], None] = lambda: None) -> None:
        self.totals = Totals()
        self.transire = transire
        self._read, self._after_kill = read, after_kill
        self._held: list[list[Held]] = [[] for _ in range(WRITERS)]
        self._deleted: dict[str, Held] = {}
        self._creating = Counter[int]()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._commands: set[subprocess.Popen[str]] = set()
        self._since = 0
        self._begin()
        self.instance: Instance = transire.new_instance(transire.new_account("acme"), "demo")
        self._start_up = 0.3

    def _begin(self) -> None:
        self.transire.start()

    def rounds(self, count: int) -> None:
        """Goes on until so many kills, or until something was found; the service runs before and after."""
        while self.totals.kills < count and not self.totals.found():
            self.load(self._await_moment)
            self.restart()
            self.look()

    def _await_moment(self) -> None:
        """A moment that no step of the service knows of; on a slow machine it would often be before the first commit."""
        if random.random() < 0.5:
            self.await_changes(1)
        time.sleep(random.uniform(0, 0.2))

    def await_changes(self, count: int, within: float = PATIENCE) -> None:
        wanted = self.totals.acknowledged + count
        wait_until("changes to be acknowledged", lambda: self.totals.acknowledged >= wanted or self.totals.faults, within)

    def load(self, until: Callable[[], None]) -> None:
        """Writes until a moment, and kills the service and its commands wherever they are."""
        with self.writing():
            until()
            self.kill()
            self._over.set()
            for command in list(self._commands):
                command.kill()
        self._after_kill()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        self._over.clear()
        threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def kill(self) -> None:
        self.transire.kill()
        self.totals.kills += 1

    def restart(self) -> None:
        """Now and then it is killed again while it starts, or recovers."""
        while random.random() < 0.3:
            self.transire.launch()
            time.sleep(random.uniform(0, self._start_up))
            self.kill()
            self.totals.early += 1
            self._after_kill()
        began = time.monotonic()
        self.transire.start()
        self._start_up = time.monotonic() - began

    # -- the load

    def _write(self, number: int) -> None:
        connection = self._connect()
        refused = 0
        try:
            while not self._over.is_set():
                try:
                    self._change(connection, number)
                    refused = 0
                except Unsure:
                    # What is unsure is of no use any more: an outage of seconds leaves some that are sure.
                    self._over.wait(timeout=min(0.05 * 2**refused, 2))
                    refused += 1
        except (OSError, http.client.HTTPException) as error:
            # Excused is who found nobody there any more, and who was cut off.
            if not self._over.wait(timeout=10):
                self.totals.faults.append(repr(error))
        except Exception as error:  # noqa: BLE001: reported by the test's own thread
            self.totals.faults.append(repr(error))
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        endpoint, authority = self.transire.endpoint, self.transire.authority
        if authority:
            return http.client.HTTPSConnection(endpoint, timeout=30, context=ssl.create_default_context(cafile=authority.file))
        return http.client.HTTPConnection(endpoint, timeout=30)

    def _change(self, connection: http.client.HTTPConnection, number: int) -> None:
        own = self._held[number]
        # One whose state is unsure is left alone until the next look.
        sure = [held for held in own if not held.pending]
        if len(own) + self._creating[number] < self.most and random.random() < 0.45:
            self._creating[number] += 1
            made = self._call(connection, "CreateInstanceToken", TokenType="longterm")
            credential = Credential(made["Username"], made["Token"], made["ExpTime"], made["TokenId"])
            own.append(Held(credential.id, credential, events=Counter({ISSUE: 1})))
            self._creating[number] -= 1
            self._count()
        elif sure:
            held = random.choice(sure)
            held.pending = random.choice((DELETE, DISABLE if held.state == "active" else ENABLE))
            if random.random() < BY_COMMAND:
                if not self._command(held):
                    return
            elif held.pending == DELETE:
                self._call(connection, "DeleteInstanceToken", TokenId=held.id)
            else:
                self._call(connection, "ModifyInstanceToken", TokenId=held.id, Enable="true" if held.pending == ENABLE else "false")
            held.events[held.pending] += 1
            self._is_now(own, held, AFTER[held.pending])
            self._count()
        else:
            self._over.wait(timeout=0.05)

    def _count(self) -> None:
        with self._lock:
            self.totals.acknowledged += 1

    def _call(self, connection: http.client.HTTPConnection, action: str, **parameters: str) -> dict:
        form = raw.tencent_form(self.instance.account.key, self.transire.endpoint, action, RegistryId=self.instance.tcr_id, **parameters)
        # The signature covers the port, too.
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Host": self.transire.endpoint}
        connection.request("POST", "/", form, headers)
        answer = json.loads(connection.getresponse().read())["Response"]
        if self.unsure and answer.get("Error", {}).get("Code") == "InternalError.DbError":
            raise Unsure
        assert "Error" not in answer, answer["Error"]
        return answer

    def _command(self, held: Held) -> bool:
        """Whether a command said that it made the change; it was killed otherwise."""
        verb = held.pending.rpartition(".")[2]
        command = self.transire.begin("credential", verb, "--instance", self.instance.tcr_id, "--id", held.id)
        self._commands.add(command)
        said = command.communicate(timeout=60)[1]
        self._commands.discard(command)
        if self.unsure and '"store-unavailable"' in said:
            raise Unsure
        assert command.returncode == 0 or self._over.is_set(), said
        return command.returncode == 0

    def _is_now(self, own: list[Held], held: Held, state: str) -> None:
        held.state, held.pending = state, ""
        if state == "absent":
            own.remove(held)
            self._deleted[held.id] = held

    # -- the look

    def look(self) -> None:
        """Compares what is there with what was acknowledged, and both with the audit; nothing else goes on."""
        now = int(time.time() * 1000)
        states, events, pages = self._read([STATES, EVENTS.format(since=self._since), PAGES.format(since=self._since)])
        there = {id_: state for id_, state in states}
        recorded: dict[str, Counter[str]] = {}
        for action, id_ in (*events, *self._events_of(pages)):
            recorded.setdefault(id_, Counter())[action] += 1
        for id_ in there.keys() & self._deleted.keys():
            self.totals.revived.append(f"{id_} was deleted, and is {there[id_]}")
        for own in self._held:
            for held in list(own):
                self._settle(own, held, there.get(held.id, "absent"))
        self._find_new(there)
        for held in (*self._deleted.values(), *(held for own in self._held for held in own)):
            its = recorded.pop(held.id, Counter())
            if held.events != its:
                self.totals.audit.append(f"{held.id}: made {dict(held.events)}, recorded {dict(its)}")
            held.events = Counter()
        self.totals.audit.extend(f"{id_}, which never was: {dict(counts)}" for id_, counts in recorded.items())
        self._since = now
        self._check_log_ins()

    def verify(self) -> None:
        """The chains of the audit are whole after all kills."""
        verifying = self.transire.begin("audit", "verify")
        said, complaint = verifying.communicate(timeout=600)
        assert said, complaint
        self.totals.audit.extend(map(str, json.loads(said)["items"]))

    def _events_of(self, pages: Rows) -> Rows:
        lines = [json.loads(line) for (page,) in pages for line in page.splitlines()]
        changes = [line for line in lines if line["outcome"] == "ok" and line["action"] in (ISSUE, *AFTER)]
        return [(line["action"], line["credential_id"]) for line in changes if line["at"] >= self._since]

    def _settle(self, own: list[Held], held: Held, found: str) -> None:
        if held.pending and found == AFTER[held.pending]:
            held.events[held.pending] += 1
            self.totals.made += 1
        elif held.pending:
            self.totals.not_made += 1
        if found not in (held.state, AFTER.get(held.pending)):
            kind = self.totals.revived if found == "active" else self.totals.lost
            kind.append(f"{held.id} was {held.state}, {held.pending or 'nothing'} was under way, and is {found}")
        self._is_now(own, held, found)

    def _find_new(self, there: dict[str, str]) -> None:
        """Creations that were under way."""
        known = {held.id for own in self._held for held in own} | self._deleted.keys()
        new = [id_ for id_ in there if id_ not in known]
        under_way = sum(self._creating.values())
        if len(new) > under_way:
            self.totals.audit.append(f"{new} are there, and {under_way} were under way")
        self.totals.made += len(new)
        self.totals.not_made += max(0, under_way - len(new))
        self._creating.clear()
        for id_ in new:
            random.choice(self._held).append(Held(id_, None, there[id_], events=Counter({ISSUE: 1})))

    def _check_log_ins(self) -> None:
        """The running service decides as its data says."""
        all_ = [held for own in self._held for held in own if held.secret]
        gone = [held for held in list(self._deleted.values())[-20:] if held.secret]
        for held in (*random.sample(all_, min(4, len(all_))), *random.sample(gone, min(2, len(gone)))):
            expected, ends = 200 if held.state == "active" else 401, time.monotonic() + self.known_within
            while (status := self._log_in(held.secret)) != expected and time.monotonic() < ends:
                time.sleep(0.05)
            if status != expected:
                self.totals.faults.append(f"{held.id} is {held.state}, and logs in with {status}")

    def _log_in(self, credential: Credential) -> int:
        return self.transire.fetch(f"/token?service={self.instance.service}", {"Authorization": credential.basic()}).status
