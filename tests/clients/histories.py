"""Clients of several replicas that log in with a few credentials and change them, at random; what each was answered, and when."""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import raw
from credential import Credential, exchange
from linearizable import Operation
from service import Instance, Transire, fetch

CLIENTS = 6
CREDENTIALS = 4
# After so many another one takes its place: a search through long histories takes long.
OPERATIONS = 120
AFTER_DELETE = 20
# Five of six are log-ins.
WHATS = ["exchange"] * 36 + ["disable", "enable", "enable"] * 2 + ["delete"]


class Stalls:
    """The longest time for which this process got no turn on its machine, and so presumably others, too."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Stalls":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(timeout=0.01):
            now = time.monotonic()
            self.longest = max(self.longest, now - before - 0.01)
            before = now


@dataclass
class Subject:
    """A credential, and all that was done with it."""

    credential: Credential
    history: list[Operation]
    most: int = OPERATIONS


@dataclass
class Histories:
    """The last replica is no server: it stands for commands, which change the database themselves."""

    replicas: list[Transire]
    instance: Instance
    subjects: list[Subject] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _current: list[Subject | None] = field(default_factory=lambda: [None] * CREDENTIALS)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> "Histories":
        works = [self._ask] * CLIENTS + [self._revoke]
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert self.faults == [], self.faults

    def go_on(self, seconds: float) -> None:
        """Lets the clients go on for so long, or until one of them broke."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not self.faults:
            self._over.wait(timeout=0.1)

    def _repeat(self, work: Callable[[], None]) -> None:
        try:
            while not self._over.is_set():
                work()
        except Exception as error:  # noqa: BLE001: reported by the test's own thread
            self.faults.append(repr(error))

    def _ask(self) -> None:
        place = random.randrange(CREDENTIALS)
        replica = random.randrange(len(self.replicas))
        with self._lock:
            subject = self._current[place]
            if subject is None or len(subject.history) >= subject.most:
                subject = None
                # Nobody else makes another one in its place.
                self._current[place] = Subject(Credential("", "", 0), [])
        if subject is None:
            self._create(place, replica)
        elif subject.credential.id:
            self._use(subject, replica)
        # So that a history lasts for seconds.
        self._over.wait(timeout=random.uniform(0, 0.1))

    def _use(self, subject: Subject, replica: int) -> None:
        what = random.choice(WHATS)
        began = time.monotonic()
        outcome = self._log_in(replica, subject.credential) if what == "exchange" else self._change(replica, what, subject.credential)
        subject.history.append(Operation(replica, what, outcome, began, time.monotonic()))
        if (what, outcome) == ("delete", "ok"):
            subject.most = len(subject.history) + AFTER_DELETE

    def _create(self, place: int, replica: int) -> None:
        began = time.monotonic()
        answer = self._call(replica, "CreateInstanceToken", TokenType="longterm")
        made = None
        if "Error" not in answer:
            credential = Credential(answer["Username"], answer["Token"], answer["ExpTime"], answer["TokenId"])
            made = Subject(credential, [Operation(replica, "create", "ok", began, time.monotonic())])
            self.subjects.append(made)
        self._current[place] = made

    def _change(self, replica: int, what: str, credential: Credential) -> str:
        if what == "delete":
            answer = self._call(replica, "DeleteInstanceToken", TokenId=credential.id)
        else:
            answer = self._call(replica, "ModifyInstanceToken", TokenId=credential.id, Enable="true" if what == "enable" else "false")
        code = answer.get("Error", {}).get("Code", "")
        return {"": "ok", "InternalError.DbError": "unknown"}.get(code) or self._refused(what, code)

    def _refused(self, what: str, code: str) -> str:
        # Of a credential that is not there.
        if code != "InvalidParameter":
            self.faults.append(f"{what}: {code}")
        return "refused"

    def _log_in(self, replica: int, credential: Credential) -> str:
        status = exchange(self.replicas[replica].realm, self.instance, credential).status
        if status not in (200, 401, 503):
            self.faults.append(f"a log-in is answered with {status}")
        return {200: "ok", 401: "refused"}.get(status, "unknown")

    def _call(self, replica: int, action: str, **parameters: str) -> dict:
        endpoint = self.replicas[replica].endpoint
        form = raw.tencent_form(self.instance.account.key, endpoint, action, RegistryId=self.instance.tcr_id, **parameters)
        answer = fetch(f"http://{endpoint}/", {"Content-Type": "application/x-www-form-urlencoded"}, form.encode())
        return json.loads(answer.body)["Response"]

    def _revoke(self) -> None:
        with self._lock:
            subject = random.choice(self._current)
        if subject is not None and subject.credential.id:
            began = time.monotonic()
            # The operator's machine is not cut off.
            principal = f"{self.instance.account.id}:root"
            done = self.replicas[0].run("revoke", "--principal", principal, "--credential", subject.credential.id)
            outcome = "ok" if done.returncode == 0 else "refused" if '"not-found"' in done.stderr else "unknown"
            if outcome == "unknown":
                self.faults.append(done.stderr)
            subject.history.append(Operation(len(self.replicas), "revoke", outcome, began, time.monotonic()))
        self._over.wait(timeout=1)
