"""What commands do with pipes, terminals, times and the files of their user."""

import base64
import json
import os
import pty
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from processes import wait_until
from service import Account, Instance, Transire


def run_into(transire: Transire, out: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command whose standard output is this file descriptor."""
    return subprocess.run(
        [transire.binary, "--data-dir", transire.data_dir, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )


def run_without_reader(transire: Transire, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command whose reader is gone before it prints anything."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return run_into(transire, writer, *arguments)
    finally:
        os.close(writer)


# --- readers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize(
    "command",
    [["audit", "list", "--since", "1h"], ["account", "list"], ["policy", "show", "--account", "100000000001", "--name", "AliyunContainerRegistryFullAccess"]],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_reader_that_has_enough_ends_a_list_quietly(new_transire: Callable[..., Transire], command: list[str], form: str) -> None:
    """`audit list | head` ended with an error message and status 1, which stops a script with pipefail."""
    transire = new_transire()
    transire.cli("init")
    transire.cli("account", "create", "--name", "acme", "--id", "100000000001")
    done = run_without_reader(transire, "--output", form, *command)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_missed_a_secret_is_a_failure(transire: Transire, account: Account) -> None:
    done = run_without_reader(transire, "access-key", "create", "--account", account.id)
    assert done.returncode == 1
    assert "the answer can't be printed" in done.stderr


@pytest.mark.parametrize("form", ["table", "json"])
def test_an_answer_that_a_full_disk_lost_is_a_failure(transire: Transire, account: Account, form: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = run_into(transire, full.fileno(), "--output", form, "account", "list")
    assert done.returncode == 1
    assert "the answer can't be printed" in done.stderr


# --- terminals ---------------------------------------------------------------------------------------------------------

UNPRINTABLE = {*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF}


def unprintable(text: str) -> set[str]:
    """What does something to a terminal, but line feeds."""
    return {character for character in text if ord(character) in UNPRINTABLE - {0x0A}}


def test_escape_sequences_of_strangers_reach_no_terminal_and_no_log(transire: Transire, account: Account, instance: Instance) -> None:
    """`audit list` printed what a stranger had asked for as it was: a request cleared the operator's screen."""
    every = "".join(chr(number) for number in sorted(UNPRINTABLE))
    basic = base64.b64encode(f"\x1b]0;owned admin\x07{every}:wrong-EXAMPLE".encode()).decode()
    for service in (f"x\x1b[2J{every}", instance.service):
        query = urllib.parse.urlencode({"service": service, "scope": "repository:team/app:pull"})
        assert transire.fetch(f"/token?{query}", {"Authorization": f"Basic {basic}"}).status in (400, 401)
    listing = ("audit", "list", "--since", "1h", "--outcome", "refused")
    wait_until("the audit lines", lambda: len(transire.items(*listing)) == 2)
    for form in ("table", "json"):
        done = run_into(transire, subprocess.PIPE, "--output", form, *listing)
        assert done.returncode == 0 and "[2J" in done.stdout and "owned admin" in done.stdout, done
        assert not unprintable(done.stdout), form
    services = [line["service"] for line in json.loads(done.stdout)["items"]]
    assert services[0].startswith("x\x1b[2J"), "escaped, it means the same"
    log = transire.log.read_text()
    assert "owned admin" in log and not unprintable(log)


# --- long lists --------------------------------------------------------------------------------------------------------


def fill_audit(transire: Transire, pages: int, lines: int) -> None:
    """Stores as many lines as a busy service does in hours, some 300 bytes each."""
    begin = int((time.time() - 1800) * 1000)
    line = {"request_id": "0" * 36, "action": "token.exchange", "outcome": "ok", "principal": "100000000001:root", "account": 100000000001}
    rest = {"credential_id": "c" * 20, "address": "192.0.2.1", "service": "registry.example.com", "detail": {"asked": ["repository:team/app:pull"]}}
    with sqlite3.connect(transire.data_dir / "transire.db") as database:
        for page in range(pages):
            first = begin + page * 100
            text = "\n".join(json.dumps({"at": first + number % 100, **line, **rest}) for number in range(lines))
            row = (f"{page:020}", first, first + 99, text, len(text), "\naction=token.exchange\n\noutcome=ok\n\nprincipal=100000000001:root\n")
            database.execute("INSERT INTO audit_page (id, first_at, last_at, lines, bytes, contents) VALUES (?, ?, ?, ?, ?, ?)", row)


def listed(transire: Transire, form: str, *options: str) -> tuple[int, int]:
    """How many lines `audit list` prints, and how much memory it takes at most, in MiB."""
    command = [transire.binary, "--data-dir", transire.data_dir, "--output", form, "audit", "list", "--since", "1h", *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout
        if form == "json":
            count = len(json.load(process.stdout)["items"])
        else:
            count = sum(1 for _ in process.stdout) - 1
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return count, usage.ru_maxrss // 1024


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_list_of_any_length_takes_little_memory(new_transire: Callable[..., Transire], form: str) -> None:
    """`audit list` refused to list more than 100,000 lines, and peaked at 2.5 GiB."""
    transire = new_transire()
    transire.cli("init")
    transire.cli("account", "create", "--name", "acme", "--id", "100000000001")
    _, usual = listed(transire, form)
    fill_audit(transire, pages=40, lines=3500)
    count, memory = listed(transire, form)
    assert count > 140_000
    assert memory - usual <= 24, f"{memory} MiB instead of {usual}"
    assert listed(transire, form, "--outcome", "refused")[0] == 0


# --- times -------------------------------------------------------------------------------------------------------------


def test_the_audit_is_listed_by_days_and_a_span_that_ends_before_it_begins_is_refused(transire: Transire, account: Account) -> None:
    assert transire.items("audit", "list", "--since", "2024-01-31", "--until", "2024-02-01") == []
    assert "account.create" in {line["action"] for line in transire.items("audit", "list", "--since", "2024-01-31")}
    refused = transire.cli_refused("audit", "list", "--since", "1h", "--until", "2h", exit_code=2)
    assert "--since" in refused and "later than --until" in refused
    assert "in the future" in transire.cli_refused("audit", "list", "--since", "2999-01-01", exit_code=2)
    for option in ("--since", "--until"):
        options = {"--since": "1h", "--until": "1h", option: "yesterday"}
        refused = transire.cli_refused("audit", "list", *(part for pair in options.items() for part in pair), exit_code=2)
        assert option in refused and "2025-01-02" in refused


# --- searches ----------------------------------------------------------------------------------------------------------


def test_the_audit_is_searched_by_each_option(transire: Transire, instance: Instance) -> None:
    everything = transire.items("audit", "list")
    assert [line["action"] for line in everything].count("instance.create") >= 1
    made = next(line for line in everything if line["action"] == "instance.create" and line["detail"]["instance"] == instance.tcr_id)
    key = next(line for line in everything if line["action"] == "access-key.create")["detail"]["access_key_id"]
    searches: dict[tuple[str, str], Callable[[dict], bool]] = {
        ("--action", "instance.*"): lambda line: line["action"].startswith("instance."),
        ("--outcome", "ok"): lambda line: line["outcome"] == "ok",
        ("--request-id", made["request_id"]): lambda line: line["request_id"] == made["request_id"],
        ("--instance", instance.tcr_id): lambda line: line["service"] == made["service"],
        ("--access-key", key): lambda line: key in (line["access_key"], line["detail"].get("access_key_id")),
        ("--address", "192.0.2.99"): lambda line: line["address"] == "192.0.2.99",
        ("--credential", "0" * 20): lambda line: line["credential_id"] == "0" * 20,
    }
    for search, is_wanted in searches.items():
        assert transire.items("audit", "list", *search) == [line for line in everything if is_wanted(line)], search
        newest = transire.items("audit", "list", *search, "--reverse", "--limit", "2")
        assert newest == [line for line in reversed(everything) if is_wanted(line)][:2], search
    transire.cli_refused("audit", "list", "--instance", "tcr-00000000")


def test_the_audit_is_followed_until_it_is_interrupted(transire: Transire, account: Account) -> None:
    """Follows by JSON, one document in a line, and shows no event of before."""
    command = [transire.binary, "--data-dir", transire.data_dir, "--output", "json", "audit", "list", "--follow", "--action", "user.*"]
    transire.cli("user", "create", "--account", account.id, "--name", "before")
    with subprocess.Popen([*command, "--since", "1h"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["detail"]["user"] == "before"
        for name in ("one", "two"):
            transire.cli("user", "create", "--account", account.id, "--name", name)
            assert json.loads(process.stdout.readline())["detail"]["user"] == name
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
        assert process.wait(timeout=20) == 130


# --- backups through a pipe --------------------------------------------------------------------------------------------


def test_a_backup_goes_to_standard_output_and_its_table_to_standard_error(
    transire: Transire, instance: Instance, new_transire: Callable[..., Transire], tmp_path: Path
) -> None:
    """`backup -` made a file called `-`."""
    file = tmp_path / "backup"
    with file.open("wb") as out:
        done = run_into(transire, out.fileno(), "backup", "-")
    assert done.returncode == 0, done.stderr
    assert "sha256" in done.stderr and "master key" in done.stderr
    assert file.read_bytes().startswith(b"transire backup 1\n")
    restored = new_transire("restored")
    restored.data_dir.mkdir()
    (restored.data_dir / "master.key").write_bytes((transire.data_dir / "master.key").read_bytes())
    (restored.data_dir / "master.key").chmod(0o600)
    restored.cli("restore", file)
    assert [item["tcr_id"] for item in restored.items("instance", "list")] == [instance.tcr_id]


def test_a_backup_whose_reader_went_away_is_a_failure(transire: Transire, account: Account) -> None:
    done = run_without_reader(transire, "backup", "-")
    assert done.returncode == 1
    assert "the backup on standard output can't be written" in done.stderr
    assert "store.backup" not in {line["action"] for line in transire.items("audit", "list", "--since", "1h")}


def test_a_backup_is_not_poured_into_a_terminal(transire: Transire, account: Account) -> None:
    shown, code = at_a_terminal(transire, {}, "backup", "-")
    assert code == 2
    assert "no text for a terminal" in shown


def test_a_restore_wants_a_file_because_it_reads_twice(transire: Transire, new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    transire.cli("backup", tmp_path / "backup")
    empty = new_transire("empty")
    assert "read twice" in empty.cli_refused("restore", "-", exit_code=2)
    os.mkfifo(tmp_path / "pipe")
    assert "read twice" in empty.cli_refused("restore", tmp_path / "pipe")
    assert not (empty.data_dir / "transire.db").exists()


# --- terminals ---------------------------------------------------------------------------------------------------------


def at_a_terminal(transire: Transire, variables: dict[str, str], *arguments: str) -> tuple[str, int]:
    """What a command shows at a terminal, and its exit code."""
    outside, inside = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CLICOLOR_FORCE")}
    process = subprocess.Popen(
        [transire.binary, "--data-dir", transire.data_dir, *arguments],
        env={**environment, "TERM": "xterm", **variables},
        stdin=subprocess.DEVNULL,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    shown: list[bytes] = []

    def read() -> None:
        # A terminal that nobody holds open any more is an error to its reader.
        try:
            while piece := os.read(outside, 65536):
                shown.append(piece)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        if arguments[0] == "serve":
            wait_until("the log", lambda: b"listening" in b"".join(shown).replace(b'{"listening"', b"") or process.poll() is not None)
            process.terminate()
        code = process.wait(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join()
        os.close(outside)
    return b"".join(shown).decode(), code


@pytest.mark.parametrize(("variables", "is_coloured"), [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)], ids=str)
def test_the_log_at_a_terminal_has_no_colours_where_they_are_refused(
    new_transire: Callable[..., Transire], variables: dict[str, str], is_coloured: bool
) -> None:
    """https://no-color.org: a variable that is there and not empty."""
    shown, _ = at_a_terminal(new_transire(), variables, "serve", "--listen", "127.0.0.1:0")
    assert "listening" in shown
    assert ("\x1b[" in shown) == is_coloured, shown


# --- the password file -------------------------------------------------------------------------------------------------


def test_a_password_file_that_others_can_read_is_warned_of_and_not_used(
    replicated: dict[str, str], new_transire: Callable[..., Transire]
) -> None:
    """libpq refuses such a file; here it was used without a word."""
    transire = new_transire(settings={**replicated, "TRANSIRE_POSTGRES__START_SECONDS": "1"})
    transire.start()
    transire.stop()
    pgpass = Path(os.environ["PGPASSFILE"])
    assert transire.run("account", "list").returncode == 0
    for mode in (0o640, 0o604, 0o620):
        pgpass.chmod(mode)
        done = transire.run("account", "list")
        assert done.returncode == 1, done.stdout
        assert f"the password file {pgpass} is not used" in done.stderr
    pgpass.chmod(0o600)
    assert transire.run("account", "list").returncode == 0
