"""Two replicas that want the same thing in the same moment, or disagree about what moment it is."""

import base64
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from alibabacloud_cr20181201 import models as cr
from alibabacloud_cr20181201.client import Client as Cr2018
from alibabacloud_tea_openapi.exceptions import ClientException
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.tcr.v20190924 import models as tcr

import alibaba
import image
import tencent
from credential import Credential, exchange
from processes import wait_until
from registry import Registry, skopeo, skopeo_login
from service import REGION, Clock, Instance, Transire, fetch
from traffic import Traffic

T = TypeVar("T")
Pair = tuple[Transire, Transire]

# How far a replica's clock is off: five minutes, less what a busy machine needs to sign within Tencent's window of five.
SKEW = 285


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What each of the calls brings; all begin in the same moment."""
    results: list[T | BaseException | None] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(place: int) -> None:
        barrier.wait()
        try:
            results[place] = calls[place]()
        except BaseException as error:  # noqa: BLE001
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]


def by_tencent(replica: Transire, instance: Instance, name: str) -> str:
    """Records a namespace; the refusal's code, if there is one."""
    request = tcr.CreateNamespaceRequest()
    request.from_json_string(json.dumps({"RegistryId": instance.tcr_id, "NamespaceName": name, "IsPublic": False}))
    try:
        tencent.client(replica, instance.account.key).CreateNamespace(request)
    except TencentCloudSDKException as refusal:
        return str(refusal.get_code())
    return ""


def by_alibaba(replica: Transire, instance: Instance, name: str) -> str:
    """The same, at the other door."""
    request = cr.CreateNamespaceRequest(instance_id=instance.cri_id, namespace_name=name)
    try:
        Cr2018(alibaba.config(replica, instance.account.key)).create_namespace(request)
    except ClientException as refusal:
        return str(refusal.code)
    return ""


def by_command(replica: Transire, *arguments: str) -> str:
    """The same for anything that a command makes: what it says when it fails."""
    done = replica.run(*arguments)
    return done.stderr if done.returncode else ""


def assert_one_won(outcomes: Sequence[str], refusals: set[str]) -> None:
    assert sorted(outcomes)[0] == "", outcomes
    losers = sorted(outcomes)[1:]
    assert losers, "nobody raced"
    for loser in losers:
        assert any(refusal in loser for refusal in refusals), outcomes


@pytest.fixture
def clocks(tmp_path: Path) -> tuple[Clock, Clock]:
    return Clock(tmp_path / "first.clock"), Clock(tmp_path / "second.clock")


@pytest.fixture
def replicas(replicated: dict[str, str], clocks: tuple[Clock, Clock], new_transire: Callable[..., Transire]) -> Pair:
    """Two on one empty database, started in the same moment."""
    first, second = (new_transire(name, clock, settings=replicated) for name, clock in zip(("first", "second"), clocks, strict=True))
    for replica in (first, second):
        replica.launch()
    for replica in (first, second):
        replica.await_ready()
    return first, second


@pytest.fixture
def instance(replicas: Pair) -> Instance:
    return replicas[0].new_instance(replicas[0].new_account("acme"), "demo")


def token(replica: Transire, instance: Instance, credential: Credential) -> str:
    answer = exchange(replica.realm, instance, credential)
    assert answer.status == 200, answer.body
    return answer.json()["token"]


def key_id(replica: Transire, instance: Instance, credential: Credential) -> str:
    """The id of the key that signs tokens there."""
    header = token(replica, instance, credential).split(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]


def published(replica: Transire) -> set[str]:
    answer = fetch(f"http://{replica.endpoint}/.well-known/jwks.json")
    return {key["kid"] for key in answer.json()["keys"]}


def logs_in(replica: Transire, instance: Instance, credential: Credential) -> bool:
    return exchange(replica.realm, instance, credential).status == 200


# --- in the same moment ----------------------------------------------------------------------------------------------


def test_two_replicas_that_start_on_an_empty_database_both_serve(replicas: Pair, instance: Instance) -> None:
    for maker in replicas:
        credential = tencent.issue(maker, instance.account.key, instance.tcr_id, "longterm")
        for replica in replicas:
            assert logs_in(replica, instance, credential)
    assert published(replicas[0]) == published(replicas[1])
    kinds = [key["kind"] for key in replicas[0].items("keys", "list")]
    # The key of the audit is made with the first checkpoint, which is there or not yet.
    assert sorted(set(kinds) - {"audit"}) == ["ca", "master", "sealing", "signing"], "one setup counted"
    assert len(kinds) == len(set(kinds)), "one setup counted"


def test_of_two_that_make_the_same_name_one_does(replicas: Pair, instance: Instance) -> None:
    first, second = replicas
    account = instance.account.id
    for number in range(6):
        name = f"team{number}"
        outcomes = at_once(lambda: by_tencent(first, instance, name), lambda: by_alibaba(second, instance, name))  # noqa: B023
        assert_one_won(outcomes, {"InvalidParameter.ErrNamespaceExist", "NAMESPACE_ALREADY_EXIST"})
    listed = [item["name"] for item in first.items("namespace", "list", "--instance", instance.tcr_id)]
    assert sorted(listed) == [f"team{number}" for number in range(6)]

    def make_instance(replica: Transire, name: str) -> str:
        place = ("--account", account, "--region", REGION, "--service", f"{name}.example.com")
        return by_command(replica, "instance", "create", "--name", name, *place)

    def make_user(replica: Transire, name: str) -> str:
        return by_command(replica, "user", "create", "--account", account, "--name", name)

    for make in (make_instance, make_user):
        for number in range(3):
            outcomes = at_once(lambda: make(first, f"it{number}"), lambda: make(second, f"it{number}"))  # noqa: B023
            assert_one_won(outcomes, {"exists already", "is taken", "already"})
    assert sorted(item["name"] for item in first.items("instance", "list")) == ["demo", "it0", "it1", "it2"]
    assert sorted(item["name"] for item in second.items("user", "list", "--account", account)) == ["it0", "it1", "it2"]
    made = [line["action"] for line in first.items("audit", "list", "--since", "1h")]
    assert (made.count("namespace.create"), made.count("instance.create"), made.count("user.create")) == (6, 4, 3)


def test_of_a_server_and_a_command_that_make_the_same_name_one_does(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire()
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    for number in range(6):
        name = f"team{number}"
        command = ("namespace", "create", "--instance", instance.tcr_id, "--name", name)
        outcomes = at_once(lambda: by_tencent(transire, instance, name), lambda: by_command(transire, *command))  # noqa: B023
        assert_one_won(outcomes, {"InvalidParameter.ErrNamespaceExist", "already"})
    assert len(transire.items("namespace", "list", "--instance", instance.tcr_id)) == 6


def test_the_same_key_is_rotated_twice_in_one_moment(
    replicas: Pair, clocks: tuple[Clock, Clock], instance: Instance, new_registry: Callable[..., Registry], tmp_path: Path
) -> None:
    image.write_oci_layout(tmp_path / "in", "v1")
    credential = tencent.issue(replicas[0], instance.account.key, instance.tcr_id)
    traffic = []
    for replica in replicas:
        registry = new_registry(replica, instance)
        assert skopeo_login(registry, credential).returncode == 0
        traffic.append(Traffic(registry, tmp_path / "in"))
    try:
        before = key_id(replicas[0], instance, credential)
        for kind in ("signing", "sealing"):
            at_once(*(lambda replica=replica: replica.cli("keys", "rotate", kind) for replica in replicas))  # noqa: B023
        for replica in replicas:
            wait_until("all keys to be published", lambda: len(published(replica)) == 3)  # noqa: B023
            assert key_id(replica, instance, credential) == before
        for clock in clocks:
            clock.move("+40s")
        for replica in replicas:
            wait_until("a new key to sign", lambda: key_id(replica, instance, credential) != before)  # noqa: B023
            # Sealed by the new key, opened by both.
            made = tencent.issue(replica, instance.account.key, instance.tcr_id)
            assert all(logs_in(other, instance, made) for other in replicas)
        assert key_id(replicas[0], instance, credential) == key_id(replicas[1], instance, credential)
        assert published(replicas[0]) == published(replicas[1])
        rounds = [each.rounds for each in traffic]
        wait_until("pushes to go on", lambda: all(each.rounds > was for each, was in zip(traffic, rounds, strict=True)), within=60)
    finally:
        for each in traffic:
            each.stop()
    assert [each.failures for each in traffic] == [[], []]


# --- a clock that is off ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [SKEW, -SKEW])
def test_replicas_whose_clocks_differ_honour_and_stop_what_the_other_gave_out(
    replicas: Pair, clocks: tuple[Clock, Clock], instance: Instance, skew: int
) -> None:
    clocks[1].move(f"{skew:+d}s")
    credentials: dict[str, Credential] = {}
    for number, maker in enumerate(replicas):
        for kind in ("temp", "longterm"):
            credentials[f"{kind} of {number}"] = tencent.issue(maker, instance.account.key, instance.tcr_id, kind)
        credentials[f"alibaba's of {number}"] = alibaba.issue(maker, instance.account.key, instance.cri_id)
    for name, credential in credentials.items():
        assert all(logs_in(replica, instance, credential) for replica in replicas), name

    # Each stops what the other made; the calls go to the API, so that the clock is the replica's.
    for stopper, name in ((replicas[1], "longterm of 0"), (replicas[0], "longterm of 1")):
        request = tcr.ModifyInstanceTokenRequest()
        request.RegistryId, request.TokenId, request.Enable = instance.tcr_id, credentials[name].id, False
        tencent.client(stopper, instance.account.key).ModifyInstanceToken(request)
        for replica in replicas:
            wait_until(f"{name} to be refused", lambda: not logs_in(replica, instance, credentials[name]), within=2)  # noqa: B023
    # What the disabled key got stays stopped though the clock that says so is behind.
    replicas[0].cli("access-key", "disable", "--id", instance.account.key.id)
    replicas[0].cli("access-key", "enable", "--id", instance.account.key.id)
    for name in ("temp of 0", "temp of 1"):
        for replica in replicas:
            wait_until(f"{name} to be refused", lambda: not logs_in(replica, instance, credentials[name]), within=2)  # noqa: B023


@pytest.mark.parametrize("skew", [100, -100])
def test_a_registry_takes_the_tokens_of_a_replica_whose_clock_is_off(
    replicas: Pair, clocks: tuple[Clock, Clock], instance: Instance, new_registry: Callable[..., Registry], tmp_path: Path, skew: int
) -> None:
    """Two minutes either way: tokens are dated back by one, and the registry allows another."""
    clocks[1].move(f"{skew:+d}s")
    image.write_oci_layout(tmp_path / "in", "v1")
    registry = new_registry(replicas[1], instance)
    credential = tencent.issue(replicas[0], instance.account.key, instance.tcr_id)
    assert skopeo_login(registry, credential).returncode == 0
    done = skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("skew", [SKEW, -SKEW])
def test_a_key_that_a_skewed_clock_made_is_known_before_it_is_used(
    replicas: Pair, clocks: tuple[Clock, Clock], instance: Instance, skew: int
) -> None:
    # By a clock that was behind, a key was at once old enough to sign, and perhaps older than the one in use.
    clocks[1].move(f"{skew:+d}s")
    credential = tencent.issue(replicas[0], instance.account.key, instance.tcr_id)
    before = key_id(replicas[0], instance, credential)

    # The second clock's key is the newer one, whatever it says.
    known = published(replicas[0])
    for number in (0, 1):
        done = replicas[number].run("keys", "rotate", "signing", environment=clocks[number].environment())
        assert done.returncode == 0, done.stderr
        for replica in replicas:
            wait_until("the key to be published", lambda: len(published(replica)) == 2 + number)  # noqa: B023
        [newest] = published(replicas[0]) - known
        known |= {newest}
    assert [key_id(replica, instance, credential) for replica in replicas] == [before, before]
    # Half a minute after the later of both clocks.
    for clock, offset in zip(clocks, (0, skew), strict=True):
        clock.move(f"{offset + abs(skew) + 40:+d}s")
    for replica in replicas:
        wait_until("the newest key to sign", lambda: key_id(replica, instance, credential) == newest)  # noqa: B023
