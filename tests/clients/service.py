"""Transire itself: the true binary, its command line, and what a test made in it."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

from authority import Authority
from disk import ForgetfulDisk
from namespace import Namespace
from processes import Daemon, wait_until

REGION = "ap-guangzhou"

# The program under test isn't optimised, and its machine is busy: only tests of an overload may meet one.
_PATIENT = {"TRANSIRE_LIMITS__WAIT_MILLISECONDS": "2000"}

# For tests whose one credential asks for more tokens than a client does.
MANY_TOKENS = {f"TRANSIRE_LIMITS__TOKEN_REQUESTS_{name}": "100000" for name in ("PER_SECOND", "BURST")}

# Everything in this suite is on loopback, and some clients would take a proxy even there.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class AccessKey:
    id: str
    secret: str
    token: str | None = None
    """A session's."""


@dataclass(frozen=True)
class Account:
    id: str
    key: AccessKey


@dataclass(frozen=True)
class Instance:
    account: Account
    tcr_id: str
    cri_id: str
    service: str
    realm: str


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def fetch(
    url: str, headers: Mapping[str, str] | None = None, data: bytes | None = None, authority: Authority | None = None, method: str | None = None
) -> Answer:
    """A raw request, for what no client can be made to send."""
    request = urllib.request.Request(url, headers=dict(headers or {}), data=data, method=method)
    opener = _direct
    if authority:
        secure = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority.file))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), secure)
    try:
        with opener.open(request, timeout=10) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.headers, refusal.read())


class Clock:
    """The wall clock of one process, moved from outside: the product has no switch for it.

    Monotonic time stays true, or the process's timers would hang. The registry and docker, being Go programs, never
    look at libfaketime: they keep the real time.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.move("+0")

    def move(self, offset: str) -> None:
        """Sets the distance from the true time, such as `+61m`, `-6m` or `+3651d`."""
        # Renamed into place: the process may be reading it this moment.
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._file)

    def environment(self) -> dict[str, str]:
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        assert libraries, "libfaketime is not installed; ./test installs it"
        return {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
        }


class Transire:
    """One transire with a data folder of its own."""

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        disk: ForgetfulDisk | None = None,
        settings: Mapping[str, str] | None = None,
        authority: Authority | None = None,
    ) -> None:
        self.binary = Path(os.environ["TRANSIRE_TEST_PROGRAM"])
        self.data_dir = folder / "data"
        self.log = folder / "transire.log"
        self.log.touch()
        self._folder = folder
        self._clock = clock
        self._disk = disk
        self.authority = authority
        self._settings = {**_PATIENT, **(authority.settings() if authority else {}), **(settings or {})}
        self._daemon: Daemon | None = None
        self._secrets: dict[str, str] = {}
        self.endpoint = ""
        self.metrics = ""
        self.admin = ""
        self.listener: socket.socket | None = None
        """The socket that it is given, in place of one of its own."""

    # -- the process

    def launch(self) -> Daemon:
        """Starts `serve` without waiting for it to answer."""
        command: list[str | Path] = [self.binary, "--data-dir", self.data_dir, "serve"]
        if not self.listener:
            command += ["--listen", "127.0.0.1:0"]
        environment = {**os.environ, **self._settings, **self._on_disk(), **(self._clock.environment() if self._clock else {})}
        self._daemon = Daemon(command, self._folder, self.log, environment, announces=True, listener=self.listener)
        return self._daemon

    def start(self) -> None:
        """Starts `serve` and waits until it is ready."""
        self.launch()
        self.await_ready()

    def await_ready(self) -> None:
        """Waits until what was launched is ready."""
        assert self._daemon is not None
        line = self._daemon.first_line()
        assert line, f"transire ended without listening:\n{self.log.read_text()}"
        announced = json.loads(line)
        self.endpoint, self.metrics = announced["listening"], announced.get("metrics", "")
        self.admin = announced.get("admin", "")
        wait_until("/readyz to be 200", self.is_ready)

    def adopt(self, daemon: Daemon) -> None:
        """Takes a `serve` that a test started by itself, and waits until it is ready."""
        self._daemon = daemon
        self.await_ready()

    def start_inside(self, namespace: Namespace, listen: str) -> None:
        """Starts `serve` in a network of its own; what it announces is reached from there alone."""
        command = namespace.command(self.binary, "--data-dir", self.data_dir, "serve", "--listen", listen)
        self._daemon = Daemon(command, self._folder, self.log, {**os.environ, **self._settings}, announces=True)
        line = self._daemon.first_line()
        assert line, f"transire ended without listening:\n{self.log.read_text()}"
        self.endpoint = json.loads(line)["listening"]

    def is_ready(self) -> bool:
        return self.fetch("/readyz").status == 200

    def fetch(self, path: str, headers: Mapping[str, str] | None = None, data: bytes | None = None) -> Answer:
        return fetch(f"{self.scheme}://{self.endpoint}{path}", headers, data, self.authority)

    @property
    def scheme(self) -> str:
        return "https" if self.authority else "http"

    def stop(self) -> int | None:
        """Asks `serve` to end; its exit code, if it ever ran."""
        return self._daemon.stop() if self._daemon else None

    def _on_disk(self) -> dict[str, str]:
        return self._disk.environment() if self._disk else {}

    def kill(self) -> None:
        assert self._daemon is not None
        self._daemon.kill()

    def kill_if_running(self) -> None:
        if self._daemon is not None and self._daemon.is_running():
            self._daemon.kill()

    def ask_to_end(self) -> None:
        """Sends SIGTERM and waits for nothing."""
        os.kill(self.pid, signal.SIGTERM)

    def exit_code(self) -> int:
        """Waits for the end."""
        assert self._daemon is not None
        return self._daemon.exit_code()

    @property
    def pid(self) -> int:
        assert self._daemon is not None
        return self._daemon.pid

    # -- the command line

    @property
    def operator(self) -> dict[str, str]:
        """The variables of an operator's shell, whose commands are about this service."""
        return {**self._settings, "TRANSIRE_DATA_DIR": str(self.data_dir)}

    def begin(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Starts a command, for a test that ends it."""
        return subprocess.Popen(
            [str(self.binary), "--data-dir", str(self.data_dir), "--output", "json", *arguments],
            cwd=self._folder,
            env={**os.environ, **self._settings, **self._on_disk(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.binary), "--data-dir", str(self.data_dir), "--output", "json", *map(str, arguments)],
            cwd=self._folder,
            env={**os.environ, **self._settings, **self._on_disk(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def cli(self, *arguments: str | Path) -> Any:
        """The one JSON document that a command prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"transire {' '.join(map(str, arguments))} exited {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def cli_refused(self, *arguments: str | Path, exit_code: int | None = None) -> str:
        """What a command that must fail says on standard error; standard output stays empty.

        Without an exit code, its arguments are right and something else is wrong.
        """
        done = self.run(*arguments)
        expected = (1, 3, 4, 5) if exit_code is None else (exit_code,)
        assert done.returncode in expected and done.stdout == "", (
            f"exit code {done.returncode}, standard output {done.stdout!r}, {done.stderr}"
        )
        assert done.stderr.strip(), "a failure must say why"
        return done.stderr

    def explain(self, principal: str, action: str, resource: str, *options: str) -> dict[str, Any]:
        """What `policy explain` says; its exit status says the same."""
        done = self.run("policy", "explain", "--principal", principal, "--action", action, "--resource", resource, *options)
        assert done.returncode in (0, 1), done.stderr
        explained = json.loads(done.stdout)
        assert explained["decision"] == ("allowed", "denied")[done.returncode]
        return explained

    def items(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """The items of a list command."""
        document = self.cli(*arguments)
        assert list(document) == ["items"]
        return document["items"]

    def checkpoints(self) -> int:
        """How many checkpoints of the audit there are, in data on SQLite."""
        with contextlib.closing(sqlite3.connect(self.data_dir / "transire.db")) as database:
            return int(database.execute("SELECT COUNT(*) FROM audit_checkpoint").fetchone()[0])

    # -- what tests make

    def new_access_key(self, account_id: str) -> AccessKey:
        made = self.cli("access-key", "create", "--account", account_id)
        return AccessKey(made["access_key_id"], self.remember("access key secret", made["access_key_secret"]))

    def new_account(self, name: str) -> Account:
        made = self.cli("account", "create", "--name", name)
        return Account(made["account_id"], self.new_access_key(made["account_id"]))

    def new_instance(self, account: Account, name: str, *options: str) -> Instance:
        made = self.cli(
            "instance", "create", "--account", account.id, "--name", name, "--region", REGION, "--service", f"{name}.example.com", *options
        )
        return Instance(account, made["tcr_id"], made["cri_id"], made["service"], made["realm"])

    # -- the token endpoint

    @property
    def realm(self) -> str:
        """The token endpoint, by name where it is on loopback: some clients refuse such an address."""
        host, _, port = self.endpoint.rpartition(":")
        return f"{self.scheme}://{'localhost' if host.startswith('127.') else host}:{port}/token"

    # -- secrets

    def remember(self, kind: str, secret: str) -> str:
        """Notes a secret made in this test; none may ever show up in the log or the audit list."""
        self._secrets[secret] = kind
        return secret

    def leaks(self) -> Iterator[str]:
        """Names each kind of secret that shows up where it never may."""
        everything = datetime(2000, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        places = {
            "its log": self.log.read_text(errors="replace"),
            "the audit list": json.dumps(self.cli("audit", "list", "--since", everything)),
        }
        for secret, kind in self._secrets.items():
            for place, text in places.items():
                if secret in text:
                    yield f"{kind} in {place}"
