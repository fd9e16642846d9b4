"""The lines of docs/operate, with the folders of the test in place of the machine's."""

import os
import pwd
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import tencent
from authority import Authority
from documents import Block, Shell, take, take_one
from postgres import Postgres
from processes import Daemon
from redis_server import Redis
from service import Clock, Instance, Transire
from shared import assert_shared

UNITS = Path(__file__).parents[2] / "packaging/systemd"
PRODUCTION = take_one("docs/operate/set-up.md", "Set up a service for production")
STORE = take_one("docs/operate/set-up.md", "Set up a store alone")
UNDER_SYSTEMD, RELOAD, SOCKET = (
    take_one("docs/operate/service.md", heading)
    for heading in ("Under systemd", "Change settings while it runs", "Ports under 1024, and restarts that refuse no connection")
)
POSTGRESQL = take_one("docs/operate/postgresql.md", "Use PostgreSQL")
SHARED = take_one("docs/operate/replicas.md", "Run several replicas", "toml")
EVERY_DAY = take_one("docs/operate/backups.md", "Every day")
BACK_UP, ENCRYPTED = take("docs/operate/backups.md", "Back up")
RESTORE, VERIFY = take("docs/operate/backups.md", "Restore")
MOVE = take_one("docs/operate/backups.md", "Move to another database")
ROTATE_KEYS = take_one("docs/operate/keys.md", "Rotate keys")
ROTATE_MASTER = take_one("docs/operate/keys.md", "The master key")
ROTATE_CA = take_one("docs/operate/authority.md", "Rotate the CA")
TAKE_OFFLINE, IMPORT, SIGN = take("docs/operate/authority.md", "Keep the CA offline")
TLS = take_one("docs/operate/tls.md", "TLS")
NEWEST, REFUSED, OF_KEY = take("docs/audit.md", "Search")


class Machine:
    """A machine whose folders are the test's."""

    def __init__(self, transire: Transire, folder: Path) -> None:
        self.root, self.transire = folder, transire
        self.shell = Shell(folder / "root", {"transire": transire.binary})
        self.shell.add("systemctl", 'test "$*" = "stop transire"')
        for name in ("backups", "etc/transire", "media/safe", "safe"):
            (folder / name).mkdir(parents=True)
        data = {"/var/lib/transire": str(transire.data_dir)}
        self.changes = data | {f" {name}": f" {folder}{name}" for name in ("/backups/", "/media/safe/", "/safe/")}
        self.changes |= {"/etc/transire/": f"{folder}/etc/transire/", "0.0.0.0:443": "127.0.0.1:0"}

    def does(self, commands: str, stdin: str = "", **environment: str) -> str:
        return self.shell.does(commands, self.changes, self.transire.operator | environment, stdin)

    def begins(self, block: Block, stdin: str = "", **environment: str) -> Daemon:
        """Runs the commands of a block, whose last one serves."""
        *before, (serve, _) = block.steps()
        self.does("".join(command for command, _ in before), stdin, **environment)
        free = {"TRANSIRE_LISTEN": "127.0.0.1:0"}
        return self.shell.serves(serve, self.changes, self.transire.operator | free | environment)

    def serves(self, block: Block, **environment: str) -> None:
        self.transire.adopt(self.begins(block, **environment))


@pytest.fixture
def machine(new_transire: Callable[..., Transire], tmp_path: Path) -> Machine:
    transire = new_transire()
    transire.cli("init")
    return Machine(transire, tmp_path / "machine")


def key_of(machine: Machine) -> Instance:
    """An account with a key and an instance."""
    return machine.transire.new_instance(machine.transire.new_account("acme"), "demo")


# -- setting up


def test_a_service_is_set_up_for_production(machine: Machine) -> None:
    settings = machine.root / "etc/transire/transire.toml"
    machine.changes["--owner transire"] = f"--owner {pwd.getpwuid(os.getuid()).pw_name}"
    data = machine.root / "var/lib/transire"
    machine.changes["/var/lib/transire"] = str(data)
    made = machine.shell.does(PRODUCTION.commands(), machine.changes, {})
    assert "config check" in made or "serve" in made
    assert settings.stat().st_mode & 0o777 == 0o640 and data.stat().st_mode & 0o777 == 0o700
    machine.shell.does(f"transire --config {settings} config check", {}, {})
    assert 'public_url = "https://credentials.example.com"' in settings.read_text()
    machine.shell.does(f"transire --config {settings} account list", {}, {})


def test_a_new_store_is_made(new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    transire = new_transire(settings={"TRANSIRE_PUBLIC_URL": "https://credentials.example.com"})
    machine = Machine(transire, tmp_path / "machine")
    ((shown, printed),) = machine.shell.answers(STORE, machine.changes, transire.operator)
    assert printed.split() == shown.split()
    assert transire.items("account", "list") == []


@pytest.mark.parametrize("block", [UNDER_SYSTEMD, RELOAD, SOCKET, EVERY_DAY], ids=["install", "reload", "socket", "backup"])
def test_systemd_is_asked_for_units_that_are_there(machine: Machine, block: Block) -> None:
    """How systemd takes the units is in test_packaging.py."""
    for program in ("useradd", "systemctl"):
        machine.shell.add(program, f'echo {program} "$@" >> asked')
    units = machine.root / "etc/systemd/system"
    units.mkdir(parents=True)
    (machine.root / "etc/transire/transire.toml").write_text(f'data_dir = "{machine.transire.data_dir}"\n')
    machine.changes |= {"/etc/systemd/system/": f"{units}/", " packaging/": f" {UNITS.parents[1]}/packaging/"}
    machine.does(block.commands())
    for unit in units.iterdir():
        assert unit.read_text() == (UNITS / unit.name).read_text()
    asked = (machine.shell.folder / "asked").read_text().split()
    named = {word for word in asked if word.startswith("transire")}
    assert named and all((UNITS / (name if "." in name else f"{name}.service")).exists() for name in named)


# -- backups


def restored(machine: Machine, new_transire: Callable[..., Transire], file: Path) -> None:
    """The data of a machine's backup serve elsewhere, as documented."""
    accounts = machine.transire.items("account", "list")
    elsewhere = Machine(new_transire("elsewhere"), machine.root / "elsewhere")
    file.rename(elsewhere.root / "backups" / "transire-2026-01-31")
    (elsewhere.root / "safe" / "master.key").write_bytes((machine.transire.data_dir / "master.key").read_bytes())
    (elsewhere.root / "safe" / "master.key").chmod(0o600)
    (elsewhere.root / "etc/transire/master.key").symlink_to(elsewhere.root / "safe/master.key")
    elsewhere.does(VERIFY.commands())
    elsewhere.serves(RESTORE)
    assert elsewhere.transire.items("account", "list") == accounts


def test_a_backup_is_restored(machine: Machine, new_transire: Callable[..., Transire]) -> None:
    key_of(machine)
    machine.does(BACK_UP.commands())
    [file] = (machine.root / "backups").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    restored(machine, new_transire, file)


def test_a_backup_that_a_program_encrypts_is_restored(machine: Machine, new_transire: Callable[..., Transire]) -> None:
    key_of(machine)
    # In place of age: it encrypts what comes to its standard input.
    machine.shell.add("age", 'test "$*" = "-r age1EXAMPLE" && openssl enc -aes-256-ctr -pbkdf2 -pass pass:EXAMPLE')
    machine.does(ENCRYPTED.commands())
    [file] = (machine.root / "backups").iterdir()
    machine.does(f"openssl enc -d -aes-256-ctr -pbkdf2 -pass pass:EXAMPLE < {file} > plain")
    restored(machine, new_transire, machine.shell.folder / "plain")


def test_data_moves_to_postgresql(machine: Machine, database: str) -> None:
    key_of(machine)
    accounts = machine.transire.items("account", "list")
    machine.changes["postgres://transire@db.example.com/transire"] = database
    machine.serves(MOVE, PGPASSFILE=os.environ["PGPASSFILE"])
    there = {"TRANSIRE_DATABASE": database, "TRANSIRE_MASTER_KEY_FILE": str(machine.transire.data_dir / "master.key")}
    listed = machine.transire.run("account", "list", environment=there)
    assert all(account["account_id"] in listed.stdout for account in accounts), listed


# -- keys


def test_keys_are_rotated(machine: Machine) -> None:
    instance = key_of(machine)
    machine.does(ROTATE_KEYS.commands())
    kinds = [(key["kind"], key["state"]) for key in machine.transire.items("keys", "list")]
    assert {("signing", "next"), ("sealing", "next"), ("master", "old"), ("master", "in use")} <= set(kinds)
    machine.does(ROTATE_MASTER.commands())
    kinds = [(key["kind"], key["state"]) for key in machine.transire.items("keys", "list")]
    assert [state for kind, state in kinds if kind == "master"] == ["in use"]
    machine.transire.start()
    assert tencent.issue(machine.transire, instance.account.key, instance.tcr_id).secret


# -- the CA


@pytest.fixture
def days(machine: Machine, clock: Clock) -> Callable[[str, str], None]:
    """Runs a command at another time."""

    def runs(command: str, at: str) -> None:
        clock.move(at)
        machine.does(command, **clock.environment())

    return runs


def states(machine: Machine) -> list[str]:
    return sorted(key["state"] for key in machine.transire.items("keys", "list") if key["kind"] == "ca")


def test_the_ca_is_rotated(machine: Machine, days: Callable[[str, str], None]) -> None:
    (rotate, _), (activate, _), (retire, _) = ROTATE_CA.steps()
    days(rotate, "+0")
    assert states(machine) == ["in use", "next"]
    days(activate, "+1m")
    assert states(machine) == ["in use", "old"]
    days(retire, "+3h")
    assert states(machine) == ["in use"]


def signs_leaves(machine: Machine) -> None:
    """The CA in `ca.pem` certifies the signing key, as documented."""
    [key] = [key["key_id"] for key in machine.transire.items("keys", "list") if key["kind"] == "signing"]
    machine.shell.does(SIGN.commands(), machine.changes | {"KEY_ID": key}, machine.transire.operator)


def test_a_ca_that_was_taken_offline_signs_by_openssl(machine: Machine) -> None:
    machine.does(TAKE_OFFLINE.commands())
    ca = machine.root / "media/safe/ca.pem"
    assert ca.stat().st_mode & 0o777 == 0o600
    ca.rename(machine.shell.folder / "ca.pem")
    signs_leaves(machine)
    [ends] = [key["certificate_expires_at"] for key in machine.transire.items("keys", "list") if key["kind"] == "signing"]
    assert timedelta(days=89) < datetime.fromisoformat(ends) - datetime.now(UTC) < timedelta(days=91)


def test_a_ca_of_ones_own_is_imported(machine: Machine) -> None:
    machine.does(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj '/CN=Example CA'"
        " -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign"
        " -keyout ca.key -out ca-certificate.pem && cat ca.key ca-certificate.pem > ca.pem"
    )
    machine.does(IMPORT.commands())
    assert states(machine) == ["in use", "next"]
    signs_leaves(machine)


# -- TLS, PostgreSQL, Redis


def test_it_serves_https(machine: Machine, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    authority.issue("localhost", "127.0.0.1")
    for file in (authority.certificate_file, authority.key_file):
        (machine.root / "etc/transire" / file.name).symlink_to(file)
    machine.transire.authority = authority
    machine.serves(TLS)
    assert machine.transire.fetch("/healthz").status == 200


def test_it_serves_from_postgresql_by_an_encrypted_connection(
    new_transire: Callable[..., Transire], tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    authority.issue("localhost")
    machine = Machine(new_transire(), tmp_path / "machine")
    (machine.root / "etc/transire/db-ca.pem").symlink_to(authority.file)
    server = Postgres()
    try:
        server.speak_tls(authority)
        # The documented commands make them.
        server.psql("DROP DATABASE transire", "DROP ROLE transire")
        machine.changes["db.example.com"] = f"localhost:{server.port}"
        passwords = machine.shell.folder / ".pgpass"
        passwords.touch(mode=0o600)
        passwords.write_text("localhost:*:*:transire:passwordEXAMPLE\n")
        service = machine.begins(POSTGRESQL, "passwordEXAMPLE\n" * 2, **server.superuser())
        try:
            assert service.first_line(), service.read_log()
            encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'transire'"
            assert server.psql(encrypted) == "t"
        finally:
            service.stop()
    finally:
        server.remove()


def test_replicas_share_a_redis_with_a_password(
    replicated: dict[str, str], redis: Redis, new_transire: Callable[..., Transire], tmp_path: Path
) -> None:
    shell = Shell(tmp_path / "replicas", {})
    checked = new_transire("checked").run("config", "check", "--config", shell.write("documented.toml", SHARED, {}))
    assert checked.returncode == 0, checked.stderr
    address = urlsplit(redis.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"CONFIG SET requirepass PASSWORD\r\n")
        assert connection.recv(100) == b"+OK\r\n"
    settings = shell.write("transire.toml", SHARED, {"rediss:": "redis:", "cache.example.com:6379": address.netloc})
    settings.chmod(0o600)
    first, second = (
        new_transire(name, settings={**replicated, "TRANSIRE_CONFIG": str(settings)}) for name in ("first", "second")
    )
    for replica in (first, second):
        replica.start()
    assert_shared((first, second), first.new_instance(first.new_account("acme"), "demo"))


# -- the audit


def test_the_audit_is_searched(machine: Machine) -> None:
    key_of(machine)
    assert "instance.create" in machine.does(NEWEST.commands())
    assert machine.does(REFUSED.commands()).strip() == '{"items":[]}'
    key = machine.transire.items("audit", "list", "--action", "access-key.create")[0]["detail"]["access_key_id"]
    machine.changes["AKIDEXAMPLE0123456789abcdefghij01234"] = key
    assert "access-key.create" in machine.does(OF_KEY.commands())
