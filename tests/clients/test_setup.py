"""Setting up a store: by `init`, `serve` and `quickstart`, and by nothing else."""

import contextlib
import json
import os
import resource
import secrets
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postgres import psql
from service import Transire

KEY_ID = "AKID" + "0" * 32
INSTANCE = ("--instance", "tcr-00000000")
ACCOUNT = ("--account", "100000000001")

# One of each kind: those that read, those that write, those that write files.
COMMANDS = [
    ("account", "list"),
    ("account", "create", "--name", "acme"),
    ("access-key", "create", *ACCOUNT),
    ("access-key", "disable", "--id", KEY_ID),
    ("user", "create", *ACCOUNT, "--name", "ci"),
    ("group", "list", *ACCOUNT),
    ("role", "list", *ACCOUNT),
    ("policy", "list", *ACCOUNT),
    ("oidc-provider", "list", *ACCOUNT),
    ("oidc-provider", "refused", *ACCOUNT),
    ("revoke", "--principal", "100000000001:root"),
    ("instance", "list"),
    ("namespace", "list", *INSTANCE),
    ("repository", "list", *INSTANCE),
    ("allow-list", "list", *INSTANCE),
    ("credential", "list", *INSTANCE),
    ("keys", "list"),
    ("keys", "rotate", "signing"),
    ("keys", "rotate", "master"),
    ("keys", "rotate", "ca"),
    ("keys", "csr", "--out", "requests"),
    ("keys", "take-ca-offline", "--out", "ca.pem"),
    ("audit", "list", "--since", "1h"),
    ("registry-config", *INSTANCE, "--kind", "distribution", "--out", "registry"),
    ("backup", "file"),
    ("migrate-data", "--to", "sqlite:elsewhere"),
]


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as it is given in a folder, without any option that says where the data is."""
    return subprocess.run(
        [os.environ["TRANSIRE_TEST_PROGRAM"], *command],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


# What Kubernetes gives every container for a Service called `transire` with one port that has a name.
KUBERNETES = {
    "TRANSIRE_SERVICE_HOST": "10.96.0.1",
    "TRANSIRE_SERVICE_PORT": "8480",
    "TRANSIRE_SERVICE_PORT_HTTP": "8480",
    "TRANSIRE_PORT": "tcp://10.96.0.1:8480",
    "TRANSIRE_PORT_8480_TCP": "tcp://10.96.0.1:8480",
    "TRANSIRE_PORT_8480_TCP_PROTO": "tcp",
    "TRANSIRE_PORT_8480_TCP_PORT": "8480",
    "TRANSIRE_PORT_8480_TCP_ADDR": "10.96.0.1",
}


def assert_no_data(done: subprocess.CompletedProcess[str], place: str) -> None:
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert f"there is no data in {place}" in done.stderr
    assert "--data-dir" in done.stderr and "--database" in done.stderr and "transire init" in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:3]))
def test_a_command_in_the_wrong_folder_makes_nothing(folder: Path, command: tuple[str, ...]) -> None:
    """It made a whole new store, its master key and authority too, and exited with 0."""
    assert_no_data(run(folder, *command), "./transire-data")
    assert list(folder.iterdir()) == []


def test_a_mistyped_data_directory_is_no_empty_one(transire: Transire, folder: Path) -> None:
    """It listed as empty."""
    transire.new_account("acme")
    typo = f"{transire.data_dir}a"
    assert_no_data(run(folder, "--data-dir", typo, "account", "list"), typo)
    assert not Path(typo).exists()


@pytest.mark.parametrize("content", [b"", b"not a database\n"], ids=["empty", "foreign"])
def test_a_command_leaves_a_file_alone_that_is_not_our_database(folder: Path, content: bytes) -> None:
    data = folder / "transire-data"
    data.mkdir()
    (data / "transire.db").write_bytes(content)
    done = run(folder, "account", "list")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "there is no data in" in done.stderr or "transire.db can't be used" in done.stderr
    assert [file.name for file in data.iterdir()] == ["transire.db"]
    assert (data / "transire.db").read_bytes() == content


def test_a_schema_alone_is_no_data(folder: Path) -> None:
    """A start that was killed between the schema and the first records leaves this; the next one goes on."""
    assert run(folder, "init").returncode == 0
    with contextlib.closing(sqlite3.connect(folder / "transire-data" / "transire.db")) as data:
        for table in ("meta", "signing_key", "sealing_key", "authority"):
            data.execute(f"DELETE FROM {table}")
        data.commit()
    assert_no_data(run(folder, "account", "list"), "./transire-data")
    assert json.loads(run(folder, "--output", "json", "init").stdout)["state"] == "made"
    assert run(folder, "account", "list").returncode == 0


def test_a_command_makes_nothing_in_an_empty_database(database: str, folder: Path) -> None:
    done = run(folder, "keys", "rotate", "signing", TRANSIRE_DATABASE=database)
    host = database.split("@")[1].split("?")[0]
    assert_no_data(done, f"the database postgres://{host}")
    assert psql(database, "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'") == "0"
    assert list(folder.iterdir()) == []


def test_init_makes_a_store_once(folder: Path) -> None:
    made = run(folder, "--output", "json", "init", TRANSIRE_PUBLIC_URL="https://credentials.example.com")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == {
        "state": "made",
        "data": "./transire-data",
        "issuer": "https://credentials.example.com",
        "master_key_file": "./transire-data/master.key",
    }
    assert "transire serve" in made.stderr, "it says what to do next"
    [keys, file] = (run(folder, "keys", "list").stdout, (folder / "transire-data" / "master.key").read_text())
    again = run(folder, "--output", "json", "init", TRANSIRE_PUBLIC_URL="https://credentials.example.com")
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout) == {**json.loads(made.stdout), "state": "was there"}
    assert (run(folder, "keys", "list").stdout, (folder / "transire-data" / "master.key").read_text()) == (keys, file)


def test_init_sets_up_a_database_whose_master_key_is_given(replicated: dict[str, str], folder: Path) -> None:
    database = replicated["TRANSIRE_DATABASE"]
    unkeyed = run(folder, "init", TRANSIRE_DATABASE=database)
    assert (unkeyed.returncode, unkeyed.stdout) == (1, "")
    assert "master key" in unkeyed.stderr
    assert psql(database, "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'") == "0"
    states = [json.loads(run(folder, "--output", "json", "init", **replicated).stdout)["state"] for _ in range(2)]
    assert states == ["made", "was there"]
    assert run(folder, "account", "list", **replicated).returncode == 0
    assert list(folder.iterdir()) == []


def test_a_public_url_that_is_not_the_issuer_is_warned_of(new_transire: Callable[..., Transire], folder: Path) -> None:
    """Whichever command came first fixed the issuer to the public_url of that moment, and nothing showed it."""
    transire = new_transire(settings={"TRANSIRE_PUBLIC_URL": "https://credentials.example.com"})
    assert transire.cli("init")["issuer"] == "https://credentials.example.com"
    transire.start()
    assert "tokens name the issuer" not in transire.log.read_text()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    transire.stop()
    moved = {"TRANSIRE_PUBLIC_URL": "https://elsewhere.example.com"}
    write = ("registry-config", "--instance", instance.tcr_id, "--kind", "distribution", "--out", folder / "registry")
    for command in (("init",), write):
        done = transire.run(*command, environment=moved)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["issuer"] == "https://credentials.example.com"
        assert "tokens name the issuer" in done.stderr and "https://elsewhere.example.com" in done.stderr


# --- settings --------------------------------------------------------------------------------------------------------


def test_it_serves_in_a_pod_beside_a_service_of_its_name(new_transire: Callable[..., Transire]) -> None:
    """Each of these variables stopped service and commands: "names no setting"."""
    transire = new_transire(settings=KUBERNETES)
    transire.start()
    assert transire.items("account", "list") == []


def test_arguments_go_over_variables_and_these_over_the_file(folder: Path) -> None:
    file = folder / "transire.toml"
    file.write_text(f"data_dir = '{folder}/of-the-file'\n")
    by_variable = {"TRANSIRE_CONFIG": str(file), "TRANSIRE_DATA_DIR": str(folder / "of-the-variable")}
    for arguments, environment, chosen in (
        (["--config", str(file)], {}, "of-the-file"),
        ([], {"TRANSIRE_CONFIG": str(file)}, "of-the-file"),
        ([], by_variable, "of-the-variable"),
        (["--data-dir", str(folder / "of-the-argument")], by_variable, "of-the-argument"),
    ):
        assert_no_data(run(folder, *arguments, "account", "list", **environment), str(folder / chosen))


@pytest.mark.parametrize("port", ["", ":0"], ids=["port", "address"])
def test_a_port_alone_is_one_on_loopback(new_transire: Callable[..., Transire], port: str) -> None:
    """`--listen 8480` was "invalid socket address syntax"."""
    transire = new_transire(settings={"TRANSIRE_LISTEN": f"127.0.0.2{port}" if port else "0"})
    transire.start()
    assert transire.endpoint.startswith("127.0.0.1:"), "an argument goes over it"
    transire.stop()
    served = transire.begin("serve")
    assert served.stdout is not None
    listening = json.loads(served.stdout.readline())["listening"]
    served.terminate()
    assert served.wait(30) == 0
    assert listening.startswith("127.0.0.2:" if port else "127.0.0.1:")


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--config", "transire.toml"], {}, "transire.toml:3: limits.idle_seconds is a number of seconds"),
        ([], {"TRANSIRE_LIMITS__IDLE_SECONDS": "soon"}, "TRANSIRE_LIMITS__IDLE_SECONDS: limits.idle_seconds is a number of seconds"),
        ([], {"TRANSIRE_DATADIR": "x"}, "the variable TRANSIRE_DATADIR names no setting; the nearest is TRANSIRE_DATA_DIR"),
        ([], {"TRANSIRE_LIMITS__CONNECTIONS": "0"}, "TRANSIRE_LIMITS__CONNECTIONS: limits.connections is at least 1"),
    ],
)
def test_an_error_of_a_setting_names_its_place(folder: Path, arguments: list[str], environment: dict[str, str], said: str) -> None:
    (folder / "transire.toml").write_text("[limits]\n\nidle_seconds = 'soon'\n")
    done = run(folder, *arguments, "account", "list", **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_a_place_that_nobody_can_listen_at_is_a_usage_error(folder: Path) -> None:
    done = run(folder, "serve", "--listen", "everywhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a port on loopback such as 8480, or an address such as 0.0.0.0:8480" in done.stderr


def test_a_master_key_that_others_can_read_or_replace_is_refused_with_what_to_do(new_transire: Callable[..., Transire]) -> None:
    """It was warned of, and served."""
    transire = new_transire()
    transire.run("init")
    key = transire.data_dir / "master.key"
    key.chmod(0o644)
    for command in (["serve", "--listen", "127.0.0.1:0"], ["account", "list"]):
        refused = transire.run(*command)
        assert refused.returncode == 1 and "chmod 600 it" in refused.stderr, refused.stderr
    key.chmod(0o600)
    transire.data_dir.chmod(0o777)
    refused = transire.run("account", "list")
    assert refused.returncode == 1 and "chmod o-w it" in refused.stderr, refused.stderr
    transire.data_dir.chmod(0o700)
    assert transire.run("account", "list").returncode == 0


def test_a_settings_file_with_the_master_key_that_others_can_read_is_refused(new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    transire = new_transire()
    settings = tmp_path / "transire.toml"
    settings.write_text(f'master_key = "{secrets.token_hex(32)}"')
    settings.chmod(0o644)
    refused = transire.run("init", environment={"TRANSIRE_CONFIG": str(settings)})
    assert refused.returncode == 1 and "which holds the master key" in refused.stderr and "chmod 600 it" in refused.stderr, refused.stderr
    settings.chmod(0o600)
    assert transire.run("init", environment={"TRANSIRE_CONFIG": str(settings)}).returncode == 0


def core_files(folder: Path) -> list[Path]:
    """The core files in a folder, by their first bytes."""
    files = [file for file in folder.iterdir() if file.is_file()]
    return [file for file in files if file.read_bytes()[:18][16:] == b"\x04\x00"]


@pytest.fixture
def may_dump() -> Iterator[None]:
    """Lets processes that a test starts leave core files of any size."""
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, limits)


@pytest.mark.usefixtures("may_dump")
def test_the_service_leaves_no_core_and_keeps_its_memory_from_others(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire()
    transire.start()
    [limit] = [line for line in Path(f"/proc/{transire.pid}/limits").read_text().splitlines() if line.startswith("Max core file size")]
    assert limit.split()[4:6] == ["0", "0"], limit
    os.kill(transire.pid, signal.SIGABRT)
    assert transire.exit_code() == -signal.SIGABRT
    assert core_files(transire.data_dir.parent) == []


@pytest.mark.usefixtures("may_dump")
@pytest.mark.skipif("/" in Path("/proc/sys/kernel/core_pattern").read_text(), reason="this machine keeps core files elsewhere")
def test_a_process_that_may_leave_a_core_leaves_one_that_is_found(tmp_path: Path) -> None:
    died = subprocess.run(["sh", "-c", "kill -ABRT $$"], cwd=tmp_path, check=False)
    assert died.returncode == -signal.SIGABRT
    assert len(core_files(tmp_path)) == 1


def test_no_thread_of_the_service_takes_new_privileges(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire()
    transire.start()
    threads = list(Path(f"/proc/{transire.pid}/task").iterdir())
    assert len(threads) > 2
    assert all("NoNewPrivs:\t1\n" in (thread / "status").read_text() for thread in threads)
