"""The service on PostgreSQL: the same data for several replicas."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

import tencent
from credential import exchange
from processes import wait_until
from service import Transire


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """What the replicas share. The database is the server's own: nothing else in this suite uses it."""
    key = tmp_path / "shared.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32))
    return {"TRANSIRE_DATABASE": os.environ["TRANSIRE_TEST_POSTGRES"], "TRANSIRE_MASTER_KEY_FILE": str(key)}


def test_replicas_share_everything(new_transire: Callable[..., Transire], settings: dict[str, str]) -> None:
    unkeyed = new_transire("unkeyed", settings={"TRANSIRE_DATABASE": settings["TRANSIRE_DATABASE"]})
    assert "master key" in unkeyed.cli_refused("init")
    first, second = (new_transire(name, settings=settings) for name in ("first", "second"))
    first.start()
    second.start()
    account = first.new_account("acme")
    instance = second.new_instance(account, "demo")
    credentials = {kind: tencent.issue(first, account.key, instance.tcr_id, kind) for kind in ("temp", "longterm")}
    for replica in (first, second):
        for credential in credentials.values():
            assert exchange(replica.realm, instance, credential).status == 200
    first.cli("credential", "disable", "--instance", instance.tcr_id, "--id", credentials["longterm"].id)
    first.cli("access-key", "disable", "--id", account.key.id)
    for replica in (first, second):
        for kind, credential in credentials.items():
            # Two seconds: the promised one, and a busy machine's.
            refused = lambda: exchange(replica.realm, instance, credential).status == 401  # noqa: B023, E731
            wait_until(f"the {kind} credential to be refused", refused, within=2)
