"""Rotation: a registry and its users notice nothing."""

import base64
import hashlib
import hmac
import json
import os
import random
import secrets
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import image
import tencent
from credential import Credential, exchange
from processes import wait_until
from registry import Registry, skopeo_login
from service import MANY_TOKENS, AccessKey, Account, Clock, Instance, Transire, fetch
from traffic import Traffic


@pytest.fixture
def traffic(transire: Transire, instance: Instance, registry: Registry, tmp_path: Path) -> Iterator[Traffic]:
    image.write_oci_layout(tmp_path / "in", "v1")
    assert skopeo_login(registry, tencent.issue(transire, instance.account.key, instance.tcr_id)).returncode == 0
    traffic = Traffic(registry, tmp_path / "in")
    yield traffic
    traffic.stop()


def test_pushes_and_pulls_go_on_while_keys_are_rotated(
    transire: Transire, clock: Clock, instance: Instance, registry: Registry, traffic: Traffic
) -> None:
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)

    def key_id() -> str:
        """The id of the key that signs tokens."""
        header = exchange(transire.realm, instance, credential).json()["token"].split(".")[0]
        return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]

    traffic.go_on(2)
    first = key_id()
    for kind in ("signing", "sealing"):
        assert transire.cli("keys", "rotate", kind)["state"] == "next"
    traffic.go_on(2)
    assert key_id() == first
    # The master key wraps all the others, and is used nowhere else: its rotation is over at once.
    assert transire.cli("keys", "rotate", "master")["state"] == "in use"
    traffic.go_on(2)
    assert transire.cli("keys", "rotate", "master", "--finish")["removed"] is True
    traffic.go_on(1)
    # Half a minute, and as far ahead of the registry's clock as its own leeway allows.
    clock.move("+40s")
    wait_until("the new key to sign", lambda: key_id() != first)
    traffic.go_on(3)
    traffic.stop()
    assert traffic.failures == []
    listed = [key["kind"] for key in transire.items("keys", "list")]
    assert (listed.count("signing"), listed.count("sealing"), listed.count("master")) == (2, 2, 1)


# So many that wrapping them anew takes a while.
MANY = 4_000


def wrapped(master_key: str, noun: str, id_: str, plain: bytes) -> bytes:
    """What the master key makes of a secret, by the description in `src/token/master.rs` alone."""

    def derived(label: str) -> bytes:
        return hmac.digest(bytes.fromhex(master_key), f"transire master key: {label}".encode(), hashlib.sha256)

    head = b"\x01" + derived("id")[:8]
    nonce = os.urandom(12)
    associated = head + b"".join(len(part).to_bytes(8, "big") + part.encode() for part in (noun, id_))
    return head + nonce + AESGCMSIV(derived("wrap")).encrypt(nonce, plain, associated)


def add_access_keys(transire: Transire, account: Account, count: int) -> list[AccessKey]:
    """Adds access keys to a store at rest: the command makes one at a time."""
    master_key = (transire.data_dir / "master.key").read_text().strip()
    keys = [AccessKey(f"AKID{secrets.token_hex(16)}", secrets.token_hex(16)) for _ in range(count)]
    with sqlite3.connect(transire.data_dir / "transire.db") as database:
        database.executemany(
            "INSERT INTO access_key (id, account_id, principal, sealed_secret, state, generation, created_at)"
            " SELECT ?, account_id, principal, ?, 'active', 0, 1 FROM access_key WHERE id = ?",
            [(key.id, wrapped(master_key, "access-key", key.id, key.secret.encode()), account.key.id) for key in keys],
        )
    database.close()
    return keys


def wrapping_ids(transire: Transire) -> dict[str, int]:
    """How many access keys each master key wraps."""
    with sqlite3.connect(transire.data_dir / "transire.db") as database:
        rows = database.execute("SELECT lower(hex(substr(sealed_secret, 2, 8))), count(*) FROM access_key GROUP BY 1").fetchall()
    database.close()
    return dict(rows)


def test_a_rotation_of_the_master_key_is_killed_again_and_again_and_loses_nothing(transire: Transire, instance: Instance) -> None:
    account = instance.account
    longterm = tencent.issue(transire, account.key, instance.tcr_id, "longterm")
    transire.stop()
    keys = add_access_keys(transire, account, MANY)
    transire.start()
    temporary: list[Credential] = [tencent.issue(transire, account.key, instance.tcr_id)]
    halves = 0
    for round_ in range(6):
        command = subprocess.Popen(
            [str(transire.binary), "--data-dir", str(transire.data_dir), "keys", "rotate", "master"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if round_ == 0:
            # Some of them, and not all: whatever the machine's speed, the first time is in the middle.
            wait_until("the rotation to be under way", lambda: len(wrapping_ids(transire)) == 2)
        else:
            time.sleep(random.uniform(0, 0.3))
        command.kill()
        command.wait(10)
        halves += len(wrapping_ids(transire)) == 2
        assert len((transire.data_dir / "master.key").read_text().split()) <= 2
        if round_ % 2:
            transire.kill()
            transire.start()
        for key in random.sample(keys, 5):
            temporary.append(tencent.issue(transire, key, instance.tcr_id))
        for credential in (longterm, *temporary):
            assert exchange(transire.realm, instance, credential).status == 200
    assert halves, "it was never killed in the middle"
    transire.cli("keys", "rotate", "master")
    in_use, old = (key for key in transire.items("keys", "list") if key["kind"] == "master")
    assert (in_use["state"], old["state"], old["to_be_rewrapped"]) == ("in use", "old", 0)
    assert wrapping_ids(transire) == {in_use["key_id"]: MANY + 1}
    transire.cli("keys", "rotate", "master", "--finish")
    assert (transire.data_dir / "master.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in transire.data_dir.iterdir() if file.name.startswith("master")] == ["master.key"]
    transire.stop()
    transire.start()
    for key in random.sample(keys, 20):
        assert exchange(transire.realm, instance, tencent.issue(transire, key, instance.tcr_id)).status == 200
    assert exchange(transire.realm, instance, longterm).status == 200


def test_a_running_service_ends_what_a_command_began(transire: Transire, clock: Clock, instance: Instance) -> None:
    transire.stop()
    add_access_keys(transire, instance.account, MANY)
    transire.start()
    command = subprocess.Popen(
        [str(transire.binary), "--data-dir", str(transire.data_dir), "keys", "rotate", "master"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until("the rotation to be under way", lambda: len(wrapping_ids(transire)) == 2)
    command.kill()
    command.wait(10)
    assert len(wrapping_ids(transire)) == 2
    # It keeps house once a minute.
    clock.move("+2m")
    wait_until("everything to be under the new key", lambda: len(wrapping_ids(transire)) == 1)


def test_what_is_copied_in_the_middle_of_a_rotation_needs_both_keys(
    database: str, transire: Transire, instance: Instance, new_transire: Callable[..., Transire], tmp_path: Path
) -> None:
    key = instance.account.key
    longterm = tencent.issue(transire, key, instance.tcr_id, "longterm")
    master_keys = transire.data_dir / "master.key"
    before, of_before = tmp_path / "before", master_keys.read_text()
    transire.cli("backup", before)
    transire.stop()
    add_access_keys(transire, instance.account, MANY)
    command = subprocess.Popen([str(transire.binary), "--data-dir", str(transire.data_dir), "keys", "rotate", "master"])
    wait_until("the rotation to be under way", lambda: len(wrapping_ids(transire)) == 2)
    command.kill()
    command.wait(10)
    during, of_during = tmp_path / "during", master_keys.read_text()
    transire.cli("backup", during)
    transire.cli("migrate-data", "--to", database)
    transire.cli("keys", "rotate", "master")
    transire.cli("keys", "rotate", "master", "--finish")
    after, of_after = tmp_path / "after", master_keys.read_text()
    transire.cli("backup", after)

    for file, text in ((before, of_before), (before, of_during), (during, of_during), (after, of_after), (after, of_during)):
        restored = new_transire(f"{file.name}-{len(text)}")
        restored.data_dir.mkdir(mode=0o700)
        (restored.data_dir / "master.key").touch(mode=0o600)
        (restored.data_dir / "master.key").write_text(text)
        restored.cli("restore", file)
        restored.start()
        assert exchange(restored.realm, instance, longterm).status == 200
        assert exchange(restored.realm, instance, tencent.issue(restored, key, instance.tcr_id)).status == 200
        if file == during:
            restored.cli("keys", "rotate", "master")
            assert len(wrapping_ids(restored)) == 1
        restored.stop()
    both = tmp_path / "both.key"
    both.touch(mode=0o600)
    both.write_text(of_during)
    settings = {"TRANSIRE_DATABASE": database, "TRANSIRE_MASTER_KEY_FILE": str(both), "PGPASSFILE": os.environ["PGPASSFILE"]}
    moved = new_transire("moved", settings=settings)
    moved.start()
    assert moved.cli("keys", "rotate", "master")["state"] == "in use"
    assert [key["to_be_rewrapped"] for key in moved.items("keys", "list") if key["state"] == "old"] == [0]
    for credential in (longterm, tencent.issue(moved, key, instance.tcr_id)):
        assert exchange(moved.realm, instance, credential).status == 200
    moved.stop()
    wrong = new_transire("wrong")
    wrong.cli("restore", after, "--master-key-file", master_keys)
    (wrong.data_dir / "master.key").touch(mode=0o600)
    (wrong.data_dir / "master.key").write_text(of_before)
    assert "wrong master key" in wrong.cli_refused("keys", "list")


def test_replicas_rotate_the_master_key_that_the_operator_gives(
    database: str, new_transire: Callable[..., Transire], tmp_path: Path
) -> None:
    first_key, second_key = (secrets.token_hex(32) for _ in range(2))
    replicas, files = [], []
    for name in ("first", "second"):
        file = tmp_path / f"{name}.key"
        file.touch(mode=0o600)
        file.write_text(f"{first_key}\n")
        settings = {"TRANSIRE_DATABASE": database, "TRANSIRE_MASTER_KEY_FILE": str(file), "PGPASSFILE": os.environ["PGPASSFILE"], **MANY_TOKENS}
        replica = new_transire(name, settings=settings)
        replica.start()
        replicas.append(replica)
        files.append(file)
    first, second = replicas
    account = first.new_account("acme")
    instance = first.new_instance(account, "demo")
    credentials = [tencent.issue(replica, account.key, instance.tcr_id) for replica in replicas]
    others = [first.new_access_key(account.id) for _ in range(3)]
    stop = threading.Event()
    failures: list[int] = []

    def exchange_on_and_on() -> None:
        while not stop.is_set():
            for replica in replicas:
                for credential in credentials:
                    status = exchange(replica.realm, instance, credential).status
                    if status != 200:
                        failures.append(status)

    traffic = threading.Thread(target=exchange_on_and_on)
    traffic.start()
    try:
        assert "of every replica" in first.cli_refused("keys", "rotate", "master")
        given = tmp_path / "new.key"
        given.touch(mode=0o600)
        given.write_text(second_key)
        # It was put on one replica only, and the command is given there.
        files[0].write_text(f"{first_key}\n{second_key}\n")
        assert first.cli("keys", "rotate", "master", "--new-key-file", given)["state"] == "in use"
        wait_until("the other one to say so", lambda: "isn't in" in second.log.read_text())
        assert fetch(f"http://{second.endpoint}/readyz").status == 200
        # It keeps house once a minute, and at its start: until then the log alone says it.
        assert "wrong master key" in second.cli_refused("keys", "list")
        # It has it now, and needs no restart.
        files[1].write_text(f"{first_key}\n{second_key}\n")
        for key in others:
            # It looks for the key once a second: what is issued there is the first that everybody knows.
            for replica in (second, first):
                credentials.append(wait_until("a credential", lambda: issued(replica, key, instance)))  # noqa: B023
        finished = first.cli("keys", "rotate", "master", "--finish")
        assert finished["removed"] is False
        for file in files:
            file.write_text(f"{second_key}\n")
        # To the same key again, or back to the old one, it doesn't go.
        given.write_text(first_key)
        assert "used before" in first.cli_refused("keys", "rotate", "master", "--new-key-file", given)
    finally:
        stop.set()
        traffic.join()
    assert failures == []
    for replica in replicas:
        replica.stop()
        replica.start()
        for credential in credentials:
            assert exchange(replica.realm, instance, credential).status == 200


def issued(transire: Transire, key: AccessKey, instance: Instance) -> Credential | None:
    """A credential, where the replica has what it needs."""
    try:
        return tencent.issue(transire, key, instance.tcr_id)
    except TencentCloudSDKException as error:
        assert error.code.startswith("InternalError"), error
        return None
