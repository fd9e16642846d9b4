"""Rotation: a registry and its users notice nothing."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import image
import tencent
from credential import exchange
from processes import wait_until
from registry import Registry, skopeo_login
from service import Clock, Instance, Transire
from traffic import Traffic


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def transire(new_transire: Callable[..., Transire], clock: Clock) -> Transire:
    """A running transire whose clock can be moved."""
    transire = new_transire(clock=clock)
    transire.start()
    return transire


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
    # Half a minute, and as far ahead of the registry's clock as its own leeway allows.
    clock.move("+40s")
    wait_until("the new key to sign", lambda: key_id() != first)
    traffic.go_on(3)
    traffic.stop()
    assert traffic.failures == []
    listed = [key["kind"] for key in transire.items("keys", "list")]
    assert (listed.count("signing"), listed.count("sealing")) == (2, 2)
