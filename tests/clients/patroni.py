"""Machines with Patroni, etcd and PostgreSQL, HAProxy in front, by the files of contrib/high-availability."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from authority import Authority
from namespace import Machine, Network
from postgres import programs
from processes import Daemon, wait_until
from service import fetch

FILES = Path(__file__).parents[2] / "contrib" / "high-availability"
_FRONT, _DATABASES = "192.0.2.10", ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
_REPLICAS = ["192.0.2.21", "192.0.2.22", "192.0.2.23"]
_REDIS = "192.0.2.31"


class Cluster:
    """All machines, none of them started but for their networks."""

    def __init__(self, network: Network) -> None:
        self.front, self.redis = network.add(), network.add()
        self.databases = [network.add() for _ in _DATABASES]
        self.replicas = [network.add() for _ in _REPLICAS]
        # Not under the test's folder, which PostgreSQL's user can't enter.
        self._folder = Path(tempfile.mkdtemp(prefix="transire-patroni-"))
        self._folder.chmod(0o755)
        machines = [self.front, *self.databases, *self.replicas, self.redis]
        examples = [_FRONT, *_DATABASES, *_REPLICAS, _REDIS]
        self._changes = {f"{example}:": f"{machine.address}:" for example, machine in zip(examples, machines, strict=True)}
        self._changes |= {f'"{_FRONT}"': f'"{self.front.address}"', "192.0.2.0/24": network.RANGE}
        self._daemons: list[Daemon] = []

    def file(self, name: str, folder: Path, changes: Mapping[str, str]) -> Path:
        """A file of the example, with the addresses that are here and these changes, which it has to have."""
        text = (FILES / name).read_text()
        for documented, here in changes.items():
            assert documented in text, f"{name} has no {documented}"
            text = text.replace(documented, here)
        for documented, here in self._changes.items():
            text = text.replace(documented, here)
        changed = folder / name
        changed.touch(mode=0o600)
        changed.write_text(text)
        return changed

    # -- starting

    def start_databases(self) -> None:
        """Starts etcd and Patroni on each machine, and waits for a primary with two standbys."""
        owner = pwd.getpwnam("postgres")
        for number, (machine, example) in enumerate(zip(self.databases, _DATABASES, strict=True), 1):
            folder = self._folder / f"db{number}"
            folder.mkdir(mode=0o700)
            own = {"name: db1": f"name: db{number}"}
            listens = {
                f"{key}: http://{_DATABASES[0]}:{port}": f"{key}: http://{example}:{port}"
                for key, port in {
                    "listen-peer-urls": 2380,
                    "initial-advertise-peer-urls": 2380,
                    "listen-client-urls": 2379,
                    "advertise-client-urls": 2379,
                }.items()
            }
            etcd = self.file("etcd.yaml", folder, own | listens | {"/var/lib/etcd/transire": str(folder / "etcd")})
            self._run(machine, folder, "etcd", "etcd", "--config-file", etcd)
            places = {
                "/var/lib/postgresql/15/transire": str(folder / "data"),
                "/usr/lib/postgresql/15/bin": str(programs()),
                "/var/lib/postgresql/pgpass-patroni": str(folder / "pgpass"),
                "/var/run/postgresql": str(folder),
            }
            listens = {
                f"{key}: {_DATABASES[0]}:{port}": f"{key}: {example}:{port}"
                for key in ("listen", "connect_address")
                for port in (8008, 5432)
            }
            configuration = self.file("patroni.yaml", folder, own | listens | places)
            for path in (folder, configuration):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
            self._run(machine, folder, "patroni", *as_postgres, "patroni", configuration)
        wait_until("a primary with two standbys", lambda: self.is_whole(), within=60)

    def start_front(self, authority: Authority) -> None:
        """Starts HAProxy; its certificate is for the address that it has here."""
        authority.issue(self.front.address)
        both = self._folder / "both.pem"
        both.touch(mode=0o600)
        both.write_text(authority.certificate_file.read_text() + authority.key_file.read_text())
        file = self.file("haproxy.cfg", self._folder, {"/etc/haproxy/credentials.example.com.pem": str(both)})
        libraries = {"LD_LIBRARY_PATH": os.environ["TRANSIRE_TEST_HAPROXY_LIBRARIES"]}
        log = self._run(self.front, self._folder, "haproxy", os.environ["TRANSIRE_TEST_HAPROXY"], "-f", file, environment=libraries).log
        # Until then a standby gets connections, too, and may not have the database yet.
        wait_until("HAProxy to know the standbys", lambda: len(re.findall(r"Server primary/db\d is DOWN", log.read_text())) == 2)

    def _run(
        self, machine: Machine, folder: Path, name: str, *command: str | os.PathLike[str], environment: Mapping[str, str] | None = None
    ) -> Daemon:
        given = {**os.environ, **(environment or {})}
        daemon = Daemon(machine.namespace.command(*command, folder=folder), folder, self._folder / f"{folder.name}-{name}.log", given)
        self._daemons.append(daemon)
        return daemon

    # -- looking

    def primary(self) -> Machine | None:
        for machine in self.databases:
            try:
                if fetch(f"http://{machine.address}:8008/primary").status == 200:
                    return machine
            except OSError:
                continue
        return None

    def is_whole(self) -> bool:
        """Whether there is a primary that waits for one of two standbys."""
        primary = self.primary()
        if not primary:
            return False
        members = fetch(f"http://{primary.address}:8008/cluster").json()["members"]
        roles = sorted(member["role"] for member in members if member["state"] in ("running", "streaming"))
        return roles == ["leader", "replica", "sync_standby"]

    # -- ending

    def kill_postgres(self, machine: Machine) -> None:
        """Ends PostgreSQL and all its processes at once; Patroni lives."""
        self._kill([pid for pid in self._inside(machine) if self._is_postgres(pid)])

    def kill_machine(self, machine: Machine) -> None:
        """Ends all that runs on a machine, as a power cut would."""
        self._kill(self._inside(machine))

    def stop(self) -> None:
        for machine in (self.front, *self.databases):
            self._kill(self._inside(machine))
        for daemon in self._daemons:
            daemon.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def logs(self) -> str:
        return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-3000:]}" for log in sorted(self._folder.glob("*.log")))

    @staticmethod
    def _inside(machine: Machine) -> list[int]:
        """The processes in a machine's network, but for the one that keeps it."""
        holder = machine.namespace.pid
        network = os.readlink(f"/proc/{holder}/ns/net")
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "ns" / "net") == network and int(entry.name) != holder:
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    @staticmethod
    def _is_postgres(pid: int) -> bool:
        try:
            return Path(os.readlink(f"/proc/{pid}/exe")).name == "postgres"
        except OSError:
            return False

    @staticmethod
    def _kill(processes: list[int]) -> None:
        # At once, so that hardly one sees another's end.
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
