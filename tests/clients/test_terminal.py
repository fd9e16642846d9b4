"""What commands show and ask at a terminal: the true program at a pseudo-terminal."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from processes import wait_until
from service import Account, Instance, Transire


class Terminal:
    """A terminal of some width, with a command at it."""

    def __init__(self, transire: Transire, columns: int, *arguments: str) -> None:
        self._outside, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [transire.binary, "--data-dir", transire.data_dir, *arguments],
            env={**os.environ, **transire.operator, "TERM": "xterm"},
            stdin=inside,
            stdout=inside,
            stderr=inside,
        )
        os.close(inside)
        self._shown: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        # A terminal that nobody holds open any more is an error to its reader.
        try:
            while piece := os.read(self._outside, 65536):
                self._shown.append(piece)
        except OSError:
            pass

    @property
    def shown(self) -> str:
        return b"".join(self._shown).decode()

    def answer(self, text: str) -> None:
        """Waits for the question, and types."""
        wait_until("the question", lambda: "[y/N]" in self.shown or self.process.poll() is not None)
        os.write(self._outside, text.encode())

    def exit_code(self) -> int:
        code = self.process.wait(timeout=30)
        self._reader.join()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        os.close(self._outside)


@contextmanager
def terminal(transire: Transire, *arguments: str, columns: int = 80) -> Iterator[Terminal]:
    opened = Terminal(transire, columns, *arguments)
    try:
        yield opened
    finally:
        opened.close()


def shown(transire: Transire, *arguments: str, columns: int = 80) -> str:
    """What a command that asks nothing shows."""
    with terminal(transire, *arguments, columns=columns) as opened:
        assert opened.exit_code() == 0, opened.shown
        return opened.shown.replace("\r\n", "\n")


# --- questions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "code", "is_there"), [("y\n", 0, False), ("\n", 1, True), ("n\n", 1, True), ("\x04", 1, True)])
def test_what_can_not_be_undone_is_asked_for_at_a_terminal(
    transire: Transire, account: Account, answer: str, code: int, is_there: bool
) -> None:
    """`user delete` took the wrong user's name without a word."""
    transire.cli("user", "create", "--account", account.id, "--name", "alice")
    with terminal(transire, "user", "delete", "--account", account.id, "--name", "alice") as opened:
        opened.answer(answer)
        assert opened.exit_code() == code, opened.shown
        assert "Delete the user alice, its access keys and its credentials for ever? [y/N]" in opened.shown
        assert ("nothing was changed" in opened.shown) == is_there
    names = [user["name"] for user in transire.items("user", "list", "--account", account.id)]
    assert ("alice" in names) == is_there


def test_nothing_is_asked_with_yes(transire: Transire, instance: Instance) -> None:
    text = shown(transire, "instance", "delete", "--instance", instance.tcr_id, "--with-contents", "--yes")
    assert "[y/N]" not in text and "deleted" in text
    assert transire.items("instance", "list") == []


def test_a_script_is_asked_nothing(transire: Transire, account: Account) -> None:
    transire.cli("user", "create", "--account", account.id, "--name", "alice")
    done = transire.run("user", "delete", "--account", account.id, "--name", "alice")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("answer", "code", "names"), [("y\n", 0, ["ci"]), ("n\n", 1, [])])
def test_the_steps_of_an_apply_are_shown_and_asked_for(
    transire: Transire, account: Account, tmp_path: Path, answer: str, code: int, names: list[str]
) -> None:
    state = tmp_path / "state.toml"
    state.write_text(f'[[accounts]]\nid = "{account.id}"\nname = "acme"\n[[accounts.users]]\nname = "ci"\n')
    with terminal(transire, "apply", "--file", str(state)) as opened:
        opened.answer(answer)
        assert opened.exit_code() == code, opened.shown
        question = opened.shown.index("[y/N]")
        assert f"+ {account.id} user ci" in opened.shown[:question]
    assert [user["name"] for user in transire.items("user", "list", "--account", account.id)] == names
    assert shown(transire, "apply", "--file", str(state), "--yes").count("[y/N]") == 0


def test_a_signal_ends_a_question(transire: Transire, instance: Instance) -> None:
    with terminal(transire, "instance", "delete", "--instance", instance.tcr_id) as opened:
        wait_until("the question", lambda: "[y/N]" in opened.shown)
        opened.process.terminate()
        assert opened.exit_code() == 143
    assert len(transire.items("instance", "list")) == 1


# --- widths ------------------------------------------------------------------------------------------------------------


def test_a_list_is_cut_to_the_terminal_and_whole_with_wide(transire: Transire, instance: Instance) -> None:
    for columns in (40, 80, 120):
        lines = shown(transire, "instance", "list", columns=columns).splitlines()
        assert len(lines) == 2 and all(len(line) == columns and line.endswith("…") for line in lines), lines
    for options in (["--wide"], ["--output", "json"]):
        text = shown(transire, "instance", "list", *options)
        assert "…" not in text and "created_at" in text


def test_a_list_of_a_few_columns_fits(transire: Transire, instance: Instance) -> None:
    text = shown(transire, "instance", "list", "--columns", "tcr_id,service")
    assert text.split() == ["tcr_id", "service", instance.tcr_id, instance.service]


def test_a_list_that_goes_to_a_program_is_never_cut(transire: Transire, instance: Instance) -> None:
    command = [transire.binary, "--data-dir", transire.data_dir, "instance", "list"]
    done = subprocess.run(command, env={**os.environ, **transire.operator}, capture_output=True, text=True, timeout=60, check=True)
    assert "…" not in done.stdout and "created_at" in done.stdout
