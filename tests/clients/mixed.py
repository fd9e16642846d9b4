"""Clients of all kinds, each of whom knows what it must be answered, whatever goes on behind the service."""

import contextlib
import json
import random
import secrets
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPException
from typing import Any

import raw
from credential import Credential
from outage import RESUMED_WITHIN, SLACK
from service import AccessKey, Answer, Instance, Transire, fetch

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SCOPE = "repository:team/app:pull"
# How soon every replica knows of a change, and a busy machine's share.
KNOWN_WITHIN = 3.0
MOST_TEMPORARY, MOST_LASTING = 4, 6
AFTER = {"disable": "disabled", "enable": "active"}
# The words, at each door, of a database that is away: no other answer is excused.
AWAY = ('"InternalError.DbError"', '"SystemError"', '"ServiceUnavailable"', '"UNAVAILABLE"', '"temporarily_unavailable"', "store-unavailable")


def listed(counts: Mapping[str, int]) -> str:
    """Counts as a row of the table has them."""
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


class Unsure(Exception):
    """The database was away: nothing is known of what was asked for."""


@dataclass
class World:
    """The replicas, what is away, and what the clients were answered."""

    replicas: list[Transire]
    operator: str
    """A token for the admin API of the first replica."""
    ahead: timedelta = timedelta(0)
    """How far the replicas' clock is ahead of this process's."""
    answered: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    stage: str = ""
    """The duty that goes on, or was the last."""
    over: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Condition = field(default_factory=threading.Condition)
    _under_way: int = 0
    _is_held: bool = False
    _away: bool = False
    back_at: float = 0.0
    """When the database was back the last time, and all replicas were ready."""

    def row(self) -> str:
        """The answers by kind."""
        others = f"{self.excused.total()} without the database"
        return f"{self.answered.total()} answers ({listed(self.answered)}), {len(self.unexpected)} unexpected, {others}"

    @contextlib.contextmanager
    def without_database(self) -> Iterator[None]:
        self._away = True
        try:
            yield
        finally:
            self.back_at = time.monotonic()
            self._away = False

    def excuses(self, began: float) -> bool:
        """Whether the database was away since then, or just before."""
        return self._away or began < self.back_at + RESUMED_WITHIN + SLACK

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is under way meanwhile."""
        with self._turn:
            self._is_held = True
            self._turn.wait_for(lambda: self._under_way == 0)
        try:
            yield
        finally:
            with self._turn:
                self._is_held = False
                self._turn.notify_all()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: not self._is_held)
            self._under_way += 1
        try:
            yield
        finally:
            with self._turn:
                self._under_way -= 1
                self._turn.notify_all()


@dataclass
class Lasting:
    """A long-term credential."""

    credential: Credential
    replica: Transire
    """The one that knows its state."""
    state: str = "active"
    changed_at: float = 0.0


class Worker:
    """One client, with an account of its own: nobody else changes what it knows."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        first = world.replicas[0]
        account = first.new_account(f"acme-{number}")
        self._key = account.key
        self._account_id = account.id
        self.instance: Instance = first.new_instance(account, f"demo-{number}", "--refresh-tokens", "on")
        first.cli("user", "create", "--account", account.id, "--name", "nobody")
        made = first.cli("access-key", "create", "--account", account.id, "--user", "nobody")
        self._powerless = AccessKey(made["access_key_id"], made["access_key_secret"])
        self._temporary: list[Credential] = []
        self._lasting: list[Lasting] = []
        self._numbers = iter(range(1 << 30))
        self.thread = threading.Thread(target=self._run)

    def forget(self) -> None:
        """Its temporary credentials have ended."""
        self._temporary.clear()

    def _run(self) -> None:
        works = [
            self._issue, self._exchange_known, self._exchange_known, self._exchange_new, self._log_in_as_docker, self._change_lasting,
            self._change_lasting, self._use_lasting, self._use_lasting, self._change_people, self._be_denied, self._be_refused, self._read,
        ]  # fmt: skip
        while not self._world.over.is_set():
            with self._world.turn(), contextlib.suppress(Unsure):
                try:
                    random.choice(works)()
                except Unsure:
                    raise
                except Exception as error:  # noqa: BLE001: reported by the test's own thread
                    self._world.unexpected.append(f"a client broke: {error!r}")
                    return
            # So that the machine has time for the duties.
            self._world.over.wait(timeout=0.02)

    # -- asking

    def _any(self) -> Transire:
        return random.choice(self._world.replicas)

    def _ask(self, kind: str, send: Callable[[], Answer], is_right: Callable[[Answer], bool]) -> Answer:
        """The right answer; raises Unsure where the database was away, or the answer was unexpected."""
        began = time.monotonic()
        try:
            answer = send()
        except (OSError, HTTPException) as error:
            self._note(kind, repr(error), began)
            raise Unsure from error
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if is_right(answer):
                self._world.answered[kind] += 1
                return answer
        text = answer.body.decode(errors="replace")
        is_away = any(word in text for word in AWAY)
        if is_away and self._world.excuses(began):
            self._world.excused[kind] += 1
        else:
            self._note(kind, f"{answer.status} {text[:300]}", began)
        raise Unsure

    def _note(self, kind: str, found: str, began: float) -> None:
        since = f"{time.monotonic() - began:.1f} s, {began - self._world.back_at:.1f} s after the database was back, {self._world.stage}"
        self._world.unexpected.append(f"{kind}: {found} ({since})")

    def _tencent(self, kind: str, replica: Transire, action: str, expected: str = "", key: AccessKey | None = None, **fields: str) -> Any:
        """The answer, which has the expected error."""

        def send() -> Answer:
            fields_ = {"RegistryId": self.instance.tcr_id, **fields}
            form = raw.tencent_form(key or self._key, replica.endpoint, action, self._world.ahead, **fields_)
            return fetch(f"http://{replica.endpoint}/", FORM, form.encode())

        is_right = lambda answer: answer.json()["Response"].get("Error", {}).get("Code", "") == expected  # noqa: E731
        return self._ask(kind, send, is_right).json()["Response"]

    def _token(self, kind: str, replica: Transire, credential: Credential, status: int = 200, **query: str) -> Answer:
        asked = urllib.parse.urlencode({"service": self.instance.service, "scope": SCOPE, **query})
        send = lambda: fetch(f"{replica.realm}?{asked}", {"Authorization": credential.basic()})  # noqa: E731
        is_right = lambda answer: answer.status == status and (status != 200 or bool(answer.json()["token"]))  # noqa: E731
        return self._ask(kind, send, is_right)

    def _admin(self, kind: str, method: str, path: str, body: object = None) -> Answer:
        """Asks the first replica's admin API."""
        at = f"http://{self._world.replicas[0].admin}/admin/v1/{path}"
        headers = {"Authorization": f"Bearer {self._world.operator}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return self._ask(kind, lambda: fetch(at, headers, data, method=method), lambda answer: answer.status in (200, 201, 204))

    # -- what is asked

    def _issue(self) -> Credential:
        replica = self._any()
        if random.random() < 0.5:
            made = self._tencent("CreateInstanceToken", replica, "CreateInstanceToken")
            credential = Credential(made["Username"], made["Token"], 0)
        else:
            send = lambda: raw.send(  # noqa: E731
                replica, raw.alibaba_query(self._key, "GetAuthorizationToken", self._world.ahead, InstanceId=self.instance.cri_id)
            )
            made = self._ask("GetAuthorizationToken", send, lambda answer: bool(answer.json()["AuthorizationToken"])).json()
            credential = Credential(made["TempUsername"], made["AuthorizationToken"], 0)
        self._temporary = [credential, *self._temporary[: MOST_TEMPORARY - 1]]
        return credential

    def _exchange_known(self) -> None:
        if self._temporary:
            self._token("exchange, known", self._any(), random.choice(self._temporary))

    def _exchange_new(self) -> None:
        self._token("exchange, new", self._any(), self._issue())

    def _log_in_as_docker(self) -> None:
        credential = random.choice(self._temporary) if self._temporary else self._issue()
        asked = {"account": credential.username, "client_id": "docker", "offline_token": "true"}
        token = self._token("docker log-in", self._any(), credential, **asked).json()["refresh_token"]
        form = {"grant_type": "refresh_token", "service": self.instance.service, "client_id": "docker", "scope": SCOPE, "refresh_token": token}
        for _ in range(2):
            replica = self._any()
            send = lambda: fetch(replica.realm, FORM, urllib.parse.urlencode(form).encode())  # noqa: B023, E731
            self._ask("refresh", send, lambda answer: answer.status == 200 and bool(answer.json()["access_token"]))

    def _change_lasting(self) -> None:
        if not self._lasting or len(self._lasting) < MOST_LASTING and random.random() < 0.4:
            replica = self._any()
            made = self._tencent("create long-term", replica, "CreateInstanceToken", TokenType="longterm")
            credential = Credential(made["Username"], made["Token"], 0, made["TokenId"])
            self._lasting.append(Lasting(credential, replica, changed_at=time.monotonic()))
            return
        # Where its change is unsure, it is used no more.
        held = self._lasting.pop(random.randrange(len(self._lasting)))
        replica, verb = self._knowing(held), random.choice(["delete", "disable" if held.state == "active" else "enable"])
        if verb == "delete":
            self._tencent("delete long-term", replica, "DeleteInstanceToken", TokenId=held.credential.id)
            self._token("exchange, deleted", replica, held.credential, 401)
            return
        enabled = "true" if verb == "enable" else "false"
        self._tencent(f"{verb} long-term", replica, "ModifyInstanceToken", TokenId=held.credential.id, Enable=enabled)
        self._lasting.append(Lasting(held.credential, replica, AFTER[verb], time.monotonic()))

    def _knowing(self, held: Lasting) -> Transire:
        """A replica that knows its state."""
        is_known = time.monotonic() > held.changed_at + KNOWN_WITHIN and not self._world.excuses(held.changed_at)
        return self._any() if is_known else held.replica

    def _use_lasting(self) -> None:
        if self._lasting:
            held = random.choice(self._lasting)
            status = 200 if held.state == "active" else 401
            self._token(f"exchange, {held.state} long-term", self._knowing(held), held.credential, status)

    def _change_people(self) -> None:
        number, account = next(self._numbers), f"accounts/{self._account_id}"
        document = json.dumps({"version": "2.0", "statement": [{"effect": "allow", "action": "tcr:*", "resource": "*"}]})
        self._admin("create user", "POST", f"{account}/users", {"name": f"user-{number}"})
        self._admin("create policy", "POST", f"{account}/policies", {"name": f"policy-{number}", "document": document})
        self._admin("attach policy", "POST", f"{account}/policies/policy-{number}/attach", {"user": f"user-{number}"})
        self._admin("detach policy", "POST", f"{account}/policies/policy-{number}/detach", {"user": f"user-{number}"})
        self._admin("delete policy", "DELETE", f"{account}/policies/policy-{number}")
        self._admin("delete user", "DELETE", f"{account}/users/user-{number}")

    def _be_denied(self) -> None:
        self._tencent("denied call", self._any(), "CreateInstanceToken", "AuthFailure.UnauthorizedOperation", self._powerless)

    def _be_refused(self) -> None:
        wrong = AccessKey(self._key.id, secrets.token_hex(16))
        self._tencent("wrong signature", self._any(), "CreateInstanceToken", "AuthFailure.SignatureFailure", wrong)
        if self._temporary:
            known = random.choice(self._temporary)
            changed = known.secret[:-8] + secrets.token_hex(4)
            self._token("wrong secret", self._any(), Credential(known.username, changed, 0), 401)

    def _read(self) -> None:
        first, at = self._world.replicas[0], self._any()
        self._admin("read by the admin API", "GET", random.choice(["accounts?limit=5", f"instances/{self.instance.tcr_id}/credentials", "keys"]))
        self._admin("audit list", "GET", "audit?limit=20")
        for kind, url in [("console", f"http://{first.admin}/console/log-in"), ("keys of tokens", f"http://{at.endpoint}/.well-known/jwks.json")]:
            self._ask(kind, lambda: fetch(url), lambda answer: answer.status == 200)  # noqa: B023
