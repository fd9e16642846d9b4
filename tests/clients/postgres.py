"""A database of a test's own at the suite's PostgreSQL server, and servers of its own that a test may stop, pause, kill and promote."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from authority import Authority
from namespace import Machine, Network
from processes import free_port, wait_until


def psql(url: str, command: str, environment: Mapping[str, str] | None = None) -> str:
    """What the server answers; the password comes from the pgpass file."""
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", f"--dbname={url}", f"--command={command}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    return done.stdout.strip()


@contextlib.contextmanager
def new_database(folder: Path) -> Iterator[tuple[str, Path]]:
    """The URL of an empty database, without the password: that is in a pgpass file, the second."""
    server = urlsplit(os.environ["TRANSIRE_TEST_POSTGRES"])
    name = f"transire_{secrets.token_hex(8)}"
    password = unquote(server.password or "").replace("\\", "\\\\").replace(":", "\\:")
    pgpass = folder / "pgpass"
    pgpass.touch(mode=0o600)
    pgpass.write_text(f"{server.hostname}:{server.port}:*:{server.username}:{password}\n")
    environment = {**os.environ, "PGPASSFILE": str(pgpass)}
    at_server = f"postgres://{server.username}@{server.hostname}:{server.port}"
    psql(f"{at_server}{server.path}", f"CREATE DATABASE {name}", environment)
    yield f"{at_server}/{name}", pgpass
    psql(f"{at_server}{server.path}", f"DROP DATABASE {name} WITH (FORCE)", environment)


def programs() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    folders = [folder for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin")) if (folder / "initdb").exists()]
    assert folders, "PostgreSQL is not installed; ./test installs it"
    return folders[-1]


class Postgres:
    """One server: a primary, or a standby that follows one synchronously; on a machine of its own where one is given.

    On machines of their own a standby follows by the network, and on this one by a socket. One that is soon thrown away
    may have its files in memory, where they are made and removed in no time.
    """

    def __init__(
        self,
        follows: "Postgres | None" = None,
        machine: Machine | None = None,
        port: int | None = None,
        folder: Path | None = None,
    ) -> None:
        self.machine = machine
        # Not under the test's folder, which another user can't enter.
        self._folder = Path(tempfile.mkdtemp(prefix="transire-outage-", dir=folder))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or free_port()
        if os.getuid() == 0:
            # initdb refuses root.
            owner = pwd.getpwnam("postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        if follows is None:
            self.password = secrets.token_hex(16)
            local = ["--auth-local=trust", "--auth-host=scram-sha-256"]
            self._run("initdb", "--pgdata=data", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", *local)
            # A standby copies over the socket, which only this machine reaches.
            self._append("pg_hba.conf", "local replication all trust\n")
            if machine:
                self._append("pg_hba.conf", f"host all transire {Network.RANGE} scram-sha-256\n")
        else:
            self.password = follows.password
            source = ["-h", str(follows._folder), "-p", str(follows.port), "-U", "postgres"]
            self._run("pg_basebackup", *source, "-D", "data", "-R", "--no-sync", "-c", "fast")
            if machine and follows.machine:
                # No other machine has that address.
                follows._append("pg_hba.conf", f"host replication postgres {machine.address}/32 trust\n")
                follows.psql("SELECT pg_reload_conf()")
            host = follows.machine.address if machine and follows.machine else follows._folder
            self._append("postgresql.auto.conf", f"primary_conninfo = 'host={host} port={follows.port} user=postgres application_name=standby'\n")
        self.start()
        if follows is None:
            self.psql(f"CREATE ROLE transire LOGIN PASSWORD '{self.password}'", "CREATE DATABASE transire OWNER transire")

    # -- the process

    def start(self) -> None:
        """Starts it at its port and waits until it answers."""
        settings = {
            "listen_addresses": self._address,
            "port": self.port,
            "unix_socket_directories": self._folder,
            "max_connections": 100,
            "autovacuum": "off",
            # How soon primary and standby notice that they were parted, and find each other again.
            "wal_sender_timeout": "3s",
            "wal_receiver_timeout": "3s",
            "wal_retrieve_retry_interval": "500ms",
        }
        command = self._command("postgres", "-D", "data", *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")))
        if self.machine:
            command = [str(part) for part in self.machine.namespace.command(*command, folder=self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("PostgreSQL to answer", self._answers)

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self._folder / "log").read_text(errors="replace")
        asked = ["-q", "-h", str(self._folder), "-p", str(self.port)]
        return subprocess.run([programs() / "pg_isready", *asked], check=False).returncode == 0

    def kill(self) -> None:
        """Ends it and all its processes as a power cut would."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(30)
        self._process = None

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def promote(self) -> None:
        """Makes a standby the primary."""
        self._run("pg_ctl", "promote", "-D", "data", "-w")

    def remove(self) -> None:
        if self._process is not None:
            self.go_on()
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        # Its backends have sessions of their own, but are its children. All are looked for before one is hit: those of
        # a postmaster that is gone are nobody's.
        mine = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if self._process.pid in (int(entry.name), int(fields[1])) and fields[0] != "Z":
                    mine.append(int(entry.name))
        for process in mine:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    # -- what is in it

    @property
    def _address(self) -> str:
        return self.machine.address if self.machine else "127.0.0.1"

    def url(self, *others: "Postgres") -> str:
        """How a service reaches it, or whichever of several takes writes."""
        hosts = ",".join(f"{server._address}:{server.port}" for server in (self, *others))
        return f"postgres://transire:{self.password}@{hosts}/transire"

    def superuser(self) -> dict[str, str]:
        """The variables by which PostgreSQL's own programs reach it over the socket."""
        path = f"{programs()}:{os.environ['PATH']}"
        return {"PATH": path, "PGHOST": str(self._folder), "PGPORT": str(self.port), "PGUSER": "postgres"}

    def psql(self, *commands: str, database: str = "postgres") -> str:
        """What the server says to its superuser, over the socket."""
        asked = ["-qtA", "-v", "ON_ERROR_STOP=1", "-h", str(self._folder), "-p", str(self.port), "-U", "postgres", database]
        return self._run("psql", *(part for command in commands for part in ("-c", command)), *asked).strip()

    def wants_standby(self) -> None:
        """Acknowledges from now on only what the standby has, too."""
        self.psql("ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
        synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until("the standby to be synchronous", lambda: self.psql(synchronous) == "1")

    def speak_tls(self, authority: Authority) -> None:
        """Takes encrypted connections too, by the certificate that the authority issued last."""
        for setting, source in (("ssl_cert_file", authority.certificate_file), ("ssl_key_file", authority.key_file)):
            file = self._folder / source.name
            file.touch(mode=0o600)
            file.write_bytes(source.read_bytes())
            shutil.chown(file, self._folder.owner(), self._folder.group())
            self.psql(f"ALTER SYSTEM SET {setting} = '{file}'")
        self.psql("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")

    def _append(self, name: str, text: str) -> None:
        with (self._folder / "data" / name).open("a") as file:
            file.write(text)

    def _command(self, program: str, *arguments: str) -> list[str]:
        command = [str(programs() / program), *arguments]
        if os.getuid() == 0:
            return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
        return command

    def _run(self, program: str, *arguments: str) -> str:
        command: Sequence[str] = self._command(program, *arguments)
        done = subprocess.run(command, cwd=self._folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout
