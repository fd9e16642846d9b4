"""Two replicas with a Redis between them: nonces and rates, and what becomes of them when Redis is gone."""

import time
from collections.abc import Callable

import pytest

import raw
from processes import wait_until
from redis_server import Redis
from service import Account, Instance, Transire
from shared import assert_shared, code, degraded, token_call

# How long a call may take while Redis doesn't answer: itself a few milliseconds, the bound of the first one who waits
# (100 ms), and a busy machine's share.
QUICK = 1.0


@pytest.fixture
def replicas(replicated: dict[str, str], redis: Redis, new_transire: Callable[..., Transire]) -> tuple[Transire, Transire]:
    settings = {**replicated, "TRANSIRE_SHARED__URL": redis.url, "TRANSIRE_LIMITS__ACTIONS": '{ "cr:ListInstance" = 5 }'}
    first, second = (new_transire(name, settings=settings) for name in ("first", "second"))
    for replica in (first, second):
        replica.start()
    return first, second


@pytest.fixture
def account(replicas: tuple[Transire, Transire]) -> Account:
    return replicas[0].new_account("acme")


@pytest.fixture
def instance(replicas: tuple[Transire, Transire], account: Account) -> Instance:
    return replicas[0].new_instance(account, "demo")


def assert_quick_alone(replicas: tuple[Transire, Transire], instance: Instance) -> None:
    """Each goes on by its own memory, and keeps nobody waiting."""
    for replica in replicas:
        queries = [token_call(instance) for _ in range(20)]
        slowest = 0.0
        for query in queries:
            began = time.monotonic()
            assert raw.send(replica, query).status == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < QUICK
        assert code(replica, queries[0]) == "SignatureNonceUsed"
    for replica in replicas:
        wait_until("/readyz to name it", lambda: degraded(replica))  # noqa: B023


def test_a_call_is_refused_at_every_replica_once_it_was_served_at_one(replicas: tuple[Transire, Transire], instance: Instance) -> None:
    assert_shared(replicas, instance)
    assert_shared(replicas[::-1], instance)


def test_an_account_calls_all_replicas_together_no_more_often_than_one(replicas: tuple[Transire, Transire], account: Account) -> None:
    queries = [raw.alibaba_query(account.key, "ListInstance") for _ in range(30)]
    began = time.monotonic()
    codes = [code(replicas[number % 2], query) for number, query in enumerate(queries)]
    served = codes.count("success")
    assert set(codes) == {"success", "Throttling.User"}
    # Five at once and five a second; each alone would let so many through.
    assert 5 <= served <= 6 + 5 * (time.monotonic() - began)


@pytest.mark.parametrize("fate", ["killed", "paused"])
def test_without_redis_each_replica_goes_on_by_itself(
    replicas: tuple[Transire, Transire], redis: Redis, instance: Instance, fate: str
) -> None:
    assert_shared(replicas, instance)
    if fate == "killed":
        redis.kill()
    else:
        redis.pause()
    assert_quick_alone(replicas, instance)
    if fate == "killed":
        assert redis.start()
    else:
        redis.resume()
    wait_until("both to share again", lambda: not any(map(degraded, replicas)))
    assert_shared(replicas, instance)
    for replica in replicas:
        log = replica.log.read_text()
        assert (log.count("the shared memory doesn't answer"), log.count("shared with the other replicas again")) == (1, 1)


def test_a_replica_starts_without_redis_and_shares_once_it_is_there(
    replicas: tuple[Transire, Transire], redis: Redis, instance: Instance
) -> None:
    redis.kill()
    replicas[1].stop()
    replicas[1].start()
    assert degraded(replicas[1])
    assert raw.send(replicas[1], token_call(instance)).status == 200
    assert redis.start()
    wait_until("both to share", lambda: not any(map(degraded, replicas)))
    assert_shared(replicas, instance)
