"""Replicas with a Redis between them: what a client sees of it."""

import raw
from service import Instance, Transire, fetch


def token_call(instance: Instance) -> str:
    return raw.alibaba_query(instance.account.key, "GetAuthorizationToken", InstanceId=instance.cri_id)


def code(replica: Transire, query: str) -> str:
    return raw.send(replica, query).json().get("Code", "")


def degraded(replica: Transire) -> bool:
    answer = fetch(f"http://{replica.endpoint}/readyz")
    assert answer.status == 200, "it stays ready without Redis"
    return any("shared memory" in warning for warning in answer.json()["warnings"])


def assert_shared(replicas: tuple[Transire, Transire], instance: Instance) -> None:
    first, second = replicas
    query = token_call(instance)
    assert raw.send(first, query).status == 200
    assert code(second, query) == "SignatureNonceUsed"
