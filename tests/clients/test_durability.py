"""What was acknowledged is still there: after a kill, and after a power cut that forgets every page that was not synced.

`TRANSIRE_TEST_LONG=1` asks for as many rounds as it takes to meet a rare moment.
"""

import json
import os
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.tcr.v20190924 import models

import tencent
from credential import Credential, exchange
from disk import ForgetfulDisk
from kills import UNHINDERED
from processes import wait_until
from service import Instance, Transire

LONG = os.environ.get("TRANSIRE_TEST_LONG") == "1"
ROUNDS = {"SQLite": 200 if LONG else 6, "SQLite, power cut": 20 if LONG else 3, "PostgreSQL": 50 if LONG else 3}

WRITERS = 4


@pytest.fixture
def disk(tmp_path: Path) -> ForgetfulDisk:
    return ForgetfulDisk(tmp_path / "disk")


@dataclass
class Load:
    """Writes of several threads to one instance of its own; what was acknowledged, and what was begun."""

    transire: Transire
    instance: Instance
    created: dict[str, Credential] = field(default_factory=dict)
    begun: dict[str, set[str]] = field(default_factory=lambda: {"disable": set(), "delete": set()})
    done: dict[str, set[str]] = field(default_factory=lambda: {"disable": set(), "delete": set(), "user": set(), "key": set(), "key-disable": set()})
    faults: list[str] = field(default_factory=list)
    _killed: threading.Event = field(default_factory=threading.Event)
    _commands: set[subprocess.Popen[str]] = field(default_factory=set)

    def run(self, seconds: float) -> None:
        """Goes on for so long once it runs, and then kills the service and the commands beside it, wherever they are."""
        threads = [threading.Thread(target=self._guarded, args=(self._call_api, number)) for number in range(WRITERS)]
        threads.append(threading.Thread(target=self._guarded, args=(self._run_commands, WRITERS)))
        for thread in threads:
            thread.start()
        wait_until("the load to run", lambda: len(self.created) >= WRITERS or self.faults)
        # A moment that no step of the service knows of.
        time.sleep(seconds)
        self.transire.kill()
        self._killed.set()
        for command in list(self._commands):
            command.kill()
        for thread in threads:
            thread.join()
        assert self.faults == []

    def _guarded(self, work: Callable[[int], None], number: int) -> None:
        try:
            while not self._killed.is_set():
                work(number)
        except TencentCloudSDKException as error:
            # Excused is who found nobody there any more, and who was cut off.
            if error.code != "ClientNetworkError" or not self._killed.wait(timeout=10):
                self.faults.append(repr(error))
        except Exception as error:  # noqa: BLE001
            self.faults.append(repr(error))

    def _call_api(self, number: int) -> None:
        made = tencent.issue(self.transire, self.instance.account.key, self.instance.tcr_id, "longterm")
        self.created[made.id] = made
        client = tencent.client(self.transire, self.instance.account.key)
        # Each stays as it is, or is disabled, or deleted, or both.
        if random.random() < 0.4:
            request = models.ModifyInstanceTokenRequest()
            request.RegistryId, request.TokenId, request.Enable = self.instance.tcr_id, made.id, False
            self.begun["disable"].add(made.id)
            client.ModifyInstanceToken(request)
            self.done["disable"].add(made.id)
        if random.random() < 0.3:
            request = models.DeleteInstanceTokenRequest()
            request.RegistryId, request.TokenId = self.instance.tcr_id, made.id
            self.begun["delete"].add(made.id)
            client.DeleteInstanceToken(request)
            self.done["delete"].add(made.id)

    def _run_commands(self, number: int) -> None:
        account = self.instance.account.id
        name = f"u{random.getrandbits(40)}"
        if self._command("user", "create", "--account", account, "--name", name) is None:
            return
        self.done["user"].add(name)
        key = self._command("access-key", "create", "--account", account, "--user", name)
        if key is None:
            return
        self.transire.remember("access key secret", key["access_key_secret"])
        self.done["key"].add(key["access_key_id"])
        if self._command("access-key", "disable", "--id", key["access_key_id"]) is not None:
            self.done["key-disable"].add(key["access_key_id"])

    def _command(self, *arguments: str) -> dict[str, Any] | None:
        """What a command printed; nothing when it was killed."""
        if self._killed.is_set():
            return None
        command = self.transire.begin(*arguments)
        self._commands.add(command)
        output, said = command.communicate(timeout=60)
        self._commands.discard(command)
        if command.returncode != 0:
            if not self._killed.is_set():
                self.faults.append(said)
            return None
        return json.loads(output)

    def check(self, since: str) -> None:
        """What is there is what was acknowledged, and what the audit says, and whole."""
        lines: dict[str, Counter[str]] = {}
        for line in self.transire.items("audit", "list", "--since", since):
            if line["outcome"] == "ok":
                # One of them names what was changed.
                detail = line["detail"] or {}
                of = line["credential_id"] or detail.get("access_key_id") or detail.get("user") or ""
                lines.setdefault(line["action"], Counter())[of] += 1
        for action in ("credential.issue-long-term", "credential.disable", "credential.delete", "user.create", "access-key.create"):
            assert set(lines.get(action, Counter()).values()) <= {1}, f"{action} has two lines for one change"
        written = lambda action: set(lines.get(action, Counter()))  # noqa: E731

        listed = {item["id"]: item for item in self.transire.items("credential", "list", "--instance", self.instance.tcr_id)}
        issued, disabled, deleted = (written(f"credential.{action}") for action in ("issue-long-term", "disable", "delete"))
        assert set(listed) == issued - deleted
        assert {id_ for id_, item in listed.items() if item["state"] == "disabled"} == disabled - deleted
        assert {item["state"] for item in listed.values()} <= {"active", "disabled"}
        assert set(self.created) <= issued
        assert len(issued - set(self.created)) <= WRITERS, "only what was under way may be there unacknowledged"
        for done, recorded in (("disable", disabled), ("delete", deleted)):
            assert self.done[done] <= recorded <= self.begun[done], done

        account = self.instance.account.id
        users = {item["name"] for item in self.transire.items("user", "list", "--account", account)}
        keys = {item["access_key_id"]: item["state"] for item in self.transire.items("access-key", "list", "--account", account)}
        assert users == written("user.create") >= self.done["user"]
        assert set(keys) - {self.instance.account.key.id} == written("access-key.create") - {self.instance.account.key.id}
        assert set(keys) >= self.done["key"]
        assert {key for key, state in keys.items() if state == "disabled"} == written("access-key.disable") >= self.done["key-disable"]
        self.check_log_ins(set(self.created), deleted | disabled)

    def check_log_ins(self, ids: set[str], refused: set[str]) -> None:
        for id_ in ids:
            status = exchange(self.transire.realm, self.instance, self.created[id_]).status
            assert status == (401 if id_ in refused else 200), f"{id_}: {status}"

    def check_again(self) -> None:
        """What later rounds may not have undone."""
        stopped = self.done["disable"] | self.done["delete"]
        unsure = (self.begun["disable"] | self.begun["delete"]) - stopped
        sample = set(random.sample(sorted(self.created), min(10, len(self.created))))
        self.check_log_ins(sample - unsure, stopped)


@pytest.mark.parametrize("how", ROUNDS)
def test_what_was_acknowledged_survives(request: pytest.FixtureRequest, how: str) -> None:
    settings = {**UNHINDERED, **(request.getfixturevalue("replicated") if how == "PostgreSQL" else {})}
    disk = request.getfixturevalue("disk") if how == "SQLite, power cut" else None
    transire: Transire = request.getfixturevalue("new_transire")(disk=disk, settings=settings)
    transire.start()
    loads: list[Load] = []
    acknowledged = 0
    for round_ in range(ROUNDS[how]):
        since = datetime.now(UTC).isoformat(timespec="milliseconds")
        # Of its own in each round, so that what is listed and recorded is this round's.
        account = transire.new_account(f"acme{round_}")
        load = Load(transire, transire.new_instance(account, f"demo{round_}"))
        load.run(random.uniform(0, 0.6))
        if disk is not None:
            disk.lose_power(transire.data_dir)
        transire.start()
        load.check(since)
        acknowledged += len(load.created)
        for earlier in random.sample(loads, min(3, len(loads))):
            earlier.check_again()
        loads.append(load)
    assert acknowledged >= WRITERS * ROUNDS[how]
    for load in loads:
        load.check_again()
