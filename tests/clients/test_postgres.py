"""The service on PostgreSQL: the same data for several replicas."""

from collections.abc import Callable

import tencent
from credential import exchange
from processes import wait_until
from service import Transire


def test_replicas_share_everything(replicated: dict[str, str], new_transire: Callable[..., Transire]) -> None:
    unkeyed = new_transire("unkeyed", settings={"TRANSIRE_DATABASE": replicated["TRANSIRE_DATABASE"]})
    assert "master key" in unkeyed.cli_refused("init")
    first, second = (new_transire(name, settings=replicated) for name in ("first", "second"))
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
