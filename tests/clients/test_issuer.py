"""An issuer of an instance's own: prepared, written for the registry, and switched to."""

import base64
import json
from collections.abc import Callable

import tencent
from credential import exchange
from processes import wait_until
from registry import Registry, assert_logs_in, docker_login
from service import Account, Instance, Transire

NEW = "https://moved.example.com"


def issuer_of_tokens(transire: Transire, instance: Instance) -> str:
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    payload = exchange(transire.realm, instance, credential).json()["token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iss"]


def test_a_registry_is_moved_to_another_issuer(
    transire: Transire, account: Account, instance: Instance, new_registry: Callable[..., Registry]
) -> None:
    """The issuer was fixed for ever by the public_url that the first command happened to have."""
    registry = new_registry(transire, instance)
    other = transire.new_instance(account, "other")
    credential = tencent.issue(transire, account.key, instance.tcr_id)
    first = issuer_of_tokens(transire, instance)
    update = ("instance", "update", "--instance", instance.tcr_id)
    assert "is prepared" in transire.cli_refused(*update, "--activate")
    prepared = transire.cli(*update, "--issuer", NEW)
    assert (prepared["issuer"], prepared["next_issuer"]) == (first, NEW)
    assert_logs_in(registry, credential)

    registry.restart(transire, instance)
    assert registry.settings["issuer"] == NEW
    # One issuer is compared: until the switch nobody pulls.
    assert docker_login(registry, credential).returncode != 0
    transire.cli(*update, "--activate")
    wait_until("the tokens to name it", lambda: issuer_of_tokens(transire, instance) == NEW)
    assert_logs_in(registry, credential)
    shown = {item["tcr_id"]: (item["issuer"], item["next_issuer"]) for item in transire.items("instance", "list")}
    assert shown == {instance.tcr_id: (NEW, None), other.tcr_id: (first, None)}
    # Its neighbour's tokens are what they were, and it is configured as before.
    assert issuer_of_tokens(transire, other) == first


def test_an_issuer_that_is_prepared_can_be_given_up(transire: Transire, instance: Instance, registry: Registry) -> None:
    update = ("instance", "update", "--instance", instance.tcr_id)
    first = issuer_of_tokens(transire, instance)
    transire.cli(*update, "--issuer", NEW)
    assert transire.cli(*update, "--cancel")["next_issuer"] is None
    assert "is prepared" in transire.cli_refused(*update, "--activate")
    assert "is prepared" in transire.cli_refused(*update, "--cancel")
    registry.restart(transire, instance)
    assert registry.settings["issuer"] == issuer_of_tokens(transire, instance) == first
    assert "name" in transire.cli_refused(*update, "--issuer", first)
    assert "without spaces" in transire.cli_refused(*update, "--issuer", "https://a b", exit_code=2)


def test_an_instance_is_made_with_an_issuer(transire: Transire, account: Account, new_registry: Callable[..., Registry]) -> None:
    instance = transire.new_instance(account, "own", "--issuer", NEW)
    assert issuer_of_tokens(transire, instance) == NEW
    assert_logs_in(new_registry(transire, instance), tencent.issue(transire, account.key, instance.tcr_id))
