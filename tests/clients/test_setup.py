"""Setting up a store: by `init`, `serve` and `quickstart`, and by nothing else."""

import contextlib
import json
import os
import sqlite3
import subprocess
from collections.abc import Callable
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
