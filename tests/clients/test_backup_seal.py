"""A backup that somebody changed, with all its sums made anew, is told from the one that was made."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from operators import Operators
from service import Instance, Transire


def frames(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each frame's letter and bytes."""
    while body:
        length = int.from_bytes(body[1:9])
        yield body[:1], body[9 : 9 + length]
        body = body[9 + length :]


def frame(letter: bytes, of: bytes) -> bytes:
    return letter + len(of).to_bytes(8) + of


def forged(whole: bytes, old: bytes, new: bytes) -> bytes:
    """The backup with other bytes in its rows, and all sums as they would then be; its seal is the old one."""
    head, _, body = whole.partition(b"\n\n")
    tables = iter(head.split(b"\n")[3:])
    out = head + b"\n\n"
    digest, rows, touched = hashlib.sha256(next(tables)), 0, 0
    for letter, content in frames(body):
        if letter == b"R":
            touched += content.count(old)
            content, rows = content.replace(old, new), rows + 1
            digest.update(len(content).to_bytes(8) + content)
        elif letter == b"T":
            content = rows.to_bytes(8) + digest.digest()
            digest, rows = hashlib.sha256(next(tables, b"")), 0
        elif letter == b"E":
            content = hashlib.sha256(out).digest()
        out += frame(letter, content)
    assert touched and len(old) == len(new)
    return out


def without_seal(whole: bytes) -> bytes:
    """The backup up to its end."""
    *_, (letter, seal) = frames(whole.partition(b"\n\n")[2])
    assert letter == b"S"
    return whole[: -9 - len(seal)]


@pytest.fixture
def backup(transire: Transire, instance: Instance, tmp_path: Path) -> Path:
    """A backup with an account whose name a forger would change."""
    transire.cli("account", "create", "--name", "payroll")
    transire.cli("backup", tmp_path / "backup")
    return tmp_path / "backup"


@pytest.fixture
def elsewhere(transire: Transire, new_transire: Callable[..., Transire]) -> Transire:
    """An empty place with the master key."""
    place = new_transire("elsewhere")
    place.data_dir.mkdir(mode=0o700)
    shutil.copy(transire.data_dir / "master.key", place.data_dir)
    return place


def test_a_changed_backup_is_refused(transire: Transire, backup: Path, elsewhere: Transire, tmp_path: Path) -> None:
    whole = backup.read_bytes()
    changed = forged(whole, b"payroll", b"payrole")
    for name, text, why in (
        ("changed", changed, "somebody changed it"),
        ("without a seal", without_seal(whole), "isn't sealed"),
        ("changed, without a seal", without_seal(changed), "isn't sealed"),
        ("seal of another", without_seal(changed) + whole[len(without_seal(whole)) :], "somebody changed it"),
    ):
        file = tmp_path / name
        file.write_bytes(text)
        assert why in elsewhere.cli_refused("restore", file), name
        assert why in transire.cli_refused("backup", "verify", file), name
    assert not (elsewhere.data_dir / "transire.db").exists()
    # The forgery is a backup but for its seal: only the operator's word lets it in.
    transire.cli("backup", "verify", tmp_path / "changed", "--unsealed")
    elsewhere.cli("restore", tmp_path / "changed", "--unsealed")
    assert "payrole" in [account["name"] for account in elsewhere.items("account", "list")]


def test_a_backup_is_restored_by_the_key_that_sealed_it(
    transire: Transire, backup: Path, new_transire: Callable[..., Transire], tmp_path: Path
) -> None:
    [key] = [key for key in transire.items("keys", "list") if key["kind"] == "master"]
    assert transire.cli("backup", "verify", backup)["sealed_by"] == key["key_id"]
    other = tmp_path / "other.key"
    transire.run("keys", "generate-master", other)
    empty = new_transire("empty")
    assert f"without the master key {key['key_id']}" in empty.cli_refused("restore", backup)
    assert f"sealed by the master key {key['key_id']}" in empty.cli_refused("restore", backup, "--master-key-file", other)
    empty.cli("restore", backup, "--master-key-file", transire.data_dir / "master.key")
    shutil.copy(transire.data_dir / "master.key", empty.data_dir)
    assert "payroll" in [account["name"] for account in empty.items("account", "list")]


def test_a_backup_without_the_key_says_that_it_is_not_sealed(transire: Transire, tmp_path: Path) -> None:
    transire.cli("account", "create", "--name", "payroll")
    transire.stop()
    key = transire.data_dir / "master.key"
    key.rename(tmp_path / "away")
    made = transire.run("backup", tmp_path / "backup")
    assert made.returncode == 0 and "isn't sealed" in made.stderr
    (tmp_path / "away").rename(key)
    assert "isn't sealed" in transire.cli_refused("backup", "verify", tmp_path / "backup")
    assert transire.cli("backup", "verify", tmp_path / "backup", "--unsealed")["sealed_by"] is None


def test_the_service_seals_what_it_hands_over(operators: Operators, tmp_path: Path) -> None:
    made = operators.run(operators.token_file("alice", "admin"), "backup", tmp_path / "backup")
    assert made.returncode == 0, made.stderr
    verified = json.loads(operators.transire.run("backup", "verify", tmp_path / "backup").stdout)
    assert verified["sealed_by"] == verified["opened_by"]
