"""What every test gets: an environment of its own, and a transire, an account, an instance and a registry to use."""

import os
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from authority import Authority
from browser import Browser
from disk import ForgetfulDisk
from client import Client, Liar
from issuer import Issuer, create_builder
from operators import Operators
from postgres import new_database
from processes import free_port
from pulp import Pulp
from redis_server import Redis
from registry import Registry
from service import Account, Clock, Instance, Transire
from stock import Stock

pytest_plugins = ["transire_mock"]

_NEEDED = {
    "TRANSIRE_TEST_PROGRAM",
    "TRANSIRE_TEST_REGISTRY",
    "TRANSIRE_TEST_DOCKER",
    "TRANSIRE_TEST_POSTGRES",
    "TRANSIRE_TEST_REDIS",
    "TRANSIRE_TEST_NGINX",
    "TRANSIRE_TEST_PROMTOOL",
    "TRANSIRE_TEST_HAPROXY",
    "TRANSIRE_TEST_HAPROXY_LIBRARIES",
    "TRANSIRE_TEST_CADDY",
    "TRANSIRE_TEST_PODMAN",
    "TRANSIRE_TEST_PODMAN_LIBRARIES",
    "TRANSIRE_TEST_CONMON",
    "TRANSIRE_TEST_BUILDAH",
    "TRANSIRE_TEST_HTPASSWD",
    "TRANSIRE_TEST_HTPASSWD_LIBRARIES",
    "TRANSIRE_TEST_PULP",
    "TRANSIRE_TEST_SCHEMATHESIS",
    "TRANSIRE_TEST_BARE_ROOT",
    "TRANSIRE_TEST_CHROMIUM",
    "TRANSIRE_TEST_NODE",
    "TRANSIRE_TEST_NODE_MODULES",
    "TRANSIRE_TEST_RUNC",
}
_KEPT = _NEEDED | {"PATH", "TMPDIR", "TRANSIRE_TEST_GO"}
# Of a log, in characters: an attack may have filled it.
_SHOWN = 50_000
_logs = pytest.StashKey[list[Path]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Without these every test would fail in a way of its own."""
    missing = sorted(name for name in _NEEDED if not os.environ.get(name))
    if missing and not session.config.option.collectonly:
        raise pytest.UsageError(f"run this as ./test clients, which sets {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the processes' logs where a test failed."""
    report = yield
    if report.failed:
        for log in item.stash.get(_logs, []):
            report.sections.append((f"Captured end of {log.name}", log.read_text(errors="replace")[-_SHOWN:]))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the rows of all tests, one file after the other; a table's head stands once."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports if getattr(report, "when", "") == "teardown"]
    rows = [value for report in sorted(reports, key=lambda report: report.location[0]) for name, value in report.user_properties if name == "row"]
    for row in dict.fromkeys(rows):
        terminalreporter.write_line(row)


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The rows that are printed after all tests. A report carries them: the test may run in a process of its own."""
    rows: list[str] = []
    yield rows
    request.node.user_properties.extend(("row", row) for row in rows)


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person's environment reaches a client: no proxy, no cloud keys, no log-ins; nor the other way round."""
    for name in list(os.environ):
        if name not in _KEPT and not name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {
        "HOME": home,
        "LANG": "C.UTF-8",
        "DOCKER_CONFIG": home / "docker",
        "REGISTRY_AUTH_FILE": home / "auth.json",
        "XDG_RUNTIME_DIR": home,
        "XDG_CONFIG_HOME": home,
    }.items():
        monkeypatch.setenv(name, str(value))


@pytest.fixture
def new_transire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Transire]]:
    """Makes a transire, not started; at the end it is stopped, and nothing secret may stand in its log or audit list."""
    made: list[Transire] = []

    def make(
        name: str = "transire",
        clock: Clock | None = None,
        disk: ForgetfulDisk | None = None,
        settings: Mapping[str, str] | None = None,
        authority: Authority | None = None,
    ) -> Transire:
        folder = tmp_path / name
        folder.mkdir()
        transire = Transire(folder, clock, disk, settings, authority)
        made.append(transire)
        request.node.stash.setdefault(_logs, []).append(transire.log)
        return transire

    yield make
    leaks: list[str] = []
    for transire in made:
        # Stopped first: what it still had to write about the test is written then.
        if transire.stop() is not None and transire.endpoint:
            leaks.extend(transire.leaks())
    assert leaks == [], "secrets were written down"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database, without the password: that is where every process of the test finds it."""
    with new_database(tmp_path) as (url, pgpass):
        monkeypatch.setenv("PGPASSFILE", str(pgpass))
        yield url


@pytest.fixture
def replicated(database: str, tmp_path: Path) -> dict[str, str]:
    """What replicas share: a database and a master key."""
    key = tmp_path / "shared.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32))
    return {"TRANSIRE_DATABASE": database, "TRANSIRE_MASTER_KEY_FILE": str(key)}


@pytest.fixture
def redis(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Redis]:
    """A Redis of the test's own."""
    server = Redis(tmp_path / "redis")
    request.node.stash.setdefault(_logs, []).append(server.log)
    yield server
    server.stop()


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def transire(request: pytest.FixtureRequest, new_transire: Callable[..., Transire]) -> Transire:
    """A running transire, whose clock can be moved where the test asks for one."""
    clock = request.getfixturevalue("clock") if "clock" in request.fixturenames else None
    transire = new_transire(clock=clock)
    transire.start()
    return transire


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority, with a certificate for this machine."""
    authority = Authority(tmp_path / "authority")
    authority.issue("localhost", "127.0.0.1")
    return authority


@pytest.fixture
def account(transire: Transire) -> Account:
    return transire.new_account("acme")


@pytest.fixture
def instance(transire: Transire, account: Account) -> Instance:
    return transire.new_instance(account, "demo")


@pytest.fixture
def new_registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Registry]]:
    """Starts a registry that trusts an instance."""
    started: list[Registry] = []

    def start(
        transire: Transire, instance: Instance, port: int | None = None, authority: Authority | None = None
    ) -> Registry:
        registry = Registry(tmp_path / f"registry-{len(started)}", transire, instance, port, authority)
        started.append(registry)
        request.node.stash.setdefault(_logs, []).append(registry.log)
        return registry

    yield start
    for registry in started:
        registry.stop()


@pytest.fixture
def registry(new_registry: Callable[..., Registry], transire: Transire, instance: Instance) -> Registry:
    return new_registry(transire, instance)


@pytest.fixture
def pulp(request: pytest.FixtureRequest, tmp_path: Path, database: str, transire: Transire, account: Account) -> Iterator[Pulp]:
    """A Pulp that trusts an instance of its own."""
    logs = request.node.stash.setdefault(_logs, [])
    pulp = Pulp(tmp_path / "pulp", database, transire, account, logs.append)
    yield pulp
    pulp.stop()


@pytest.fixture
def stock(transire: Transire, account: Account, new_registry: Callable[..., Registry], tmp_path: Path) -> Stock:
    """An instance that knows where its registry is."""
    port = free_port()
    instance = transire.new_instance(account, "stock", "--registry-url", f"http://127.0.0.1:{port}")
    return Stock(transire, instance, new_registry(transire, instance, port), tmp_path)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.stop()


@pytest.fixture
def keyless(transire: Transire, account: Account, issuer: Issuer, tmp_path: Path) -> dict[str, Any]:
    """The role `builder`, which trusts jobs of the issuer's; the service has to be let ask issuers on loopback."""
    return create_builder(transire, account, issuer, tmp_path)


@pytest.fixture
def client(transire: Transire, tmp_path: Path) -> Client:
    return Client(transire, tmp_path / "home")


@pytest.fixture
def liar() -> Iterator[Liar]:
    liar = Liar()
    yield liar
    liar.server.stop()


@pytest.fixture
def operators(new_transire: Callable[..., Transire], tmp_path: Path) -> Operators:
    """A service with the admin API, and operators of it."""
    transire = new_transire(settings={"TRANSIRE_ADMIN_LISTEN": "0"})
    transire.start()
    return Operators(transire, tmp_path)


@pytest.fixture
def console(request: pytest.FixtureRequest, new_transire: Callable[..., Transire]) -> Iterator[Browser]:
    """A browser at the console of a service, whose first page nobody has opened; the clock can be moved where the test asks for one."""
    clock = request.getfixturevalue("clock") if "clock" in request.fixturenames else None
    transire = new_transire(clock=clock, settings={"TRANSIRE_ADMIN_LISTEN": "0"})
    transire.start()
    browser = Browser(f"http://{transire.admin}", transire)
    yield browser
    browser.stop()
