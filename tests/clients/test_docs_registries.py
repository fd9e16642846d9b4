"""The lines of docs/registries.md, for a registry that was started by them."""

import time
from pathlib import Path

import pytest
import yaml

import tencent
from credential import Credential, exchange
from documents import Block, Shell, take, take_one
from processes import wait_until
from registry import Registry, docker_login
from service import Account, Instance, Transire
from zot import Zot

PAGE = "docs/registries.md"
CONFIGURE, ISSUER, REFRESH_TOKENS, PULP = (
    take_one(PAGE, heading)
    for heading in ("Configure a registry", "Change the issuer", "Choose what docker login stores", "Run Pulp")
)
ZOT, ROTATE_ZOT = take(PAGE, "Run zot")
SCOPE = "repository:team/app:pull"


class Operator:
    """A shell of the registry's machine, whose folders are the test's."""

    def __init__(self, transire: Transire, account: Account, root: Path) -> None:
        self.transire, self.root = transire, root
        self.shell = Shell(root / "home", {"transire": transire.binary})
        # The test restarts the registry itself.
        self.shell.add("systemctl", 'test "$1" = restart')
        self.changes = {"--account …": f"--account {account.id}", "/etc/": f"{root}/etc/", "--out DIR": f"--out {root}/DIR"}

    def does(self, commands: str, instance: str) -> str:
        return self.shell.does(commands, self.changes | {"tcr-…": instance}, self.transire.operator)


@pytest.fixture
def operator(transire: Transire, account: Account, tmp_path: Path) -> Operator:
    return Operator(transire, account, tmp_path / "machine")


def test_a_registrys_files_are_written(operator: Operator, registry: Registry, instance: Instance) -> None:
    operator.does(CONFIGURE.commands(), instance.tcr_id)
    written, used = operator.root / "DIR", Path(registry.settings["config"]).parent
    assert (written / "bundle.pem").read_bytes() == (used / "bundle.pem").read_bytes()
    assert token_settings(operator)["service"] == instance.service


def token_settings(operator: Operator) -> dict[str, str]:
    """By the written configuration of Distribution."""
    return yaml.safe_load((operator.root / "DIR/config.yml").read_text())["auth"]["token"]


def test_an_issuer_is_changed(
    operator: Operator, transire: Transire, registry: Registry, instance: Instance
) -> None:
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    (prepare, _), (write, _), (restart, _) = ISSUER.steps()
    operator.does(prepare + write, instance.tcr_id)
    assert token_settings(operator)["issuer"] == "https://credentials.example.com"
    registry.restart(transire, instance)
    operator.does(restart, instance.tcr_id)
    wait_until("the new issuer in tokens", lambda: logs_in(registry, credential))


def logs_in(registry: Registry, credential: Credential) -> bool:
    return docker_login(registry, credential).returncode == 0


def test_refresh_tokens_are_switched_on_and_off(operator: Operator, transire: Transire, instance: Instance) -> None:
    listed = []
    for command, _ in REFRESH_TOKENS.steps():
        operator.does(command, instance.tcr_id)
        [shown] = transire.items("instance", "list")
        listed.append(shown["refresh_tokens"])
    assert listed == ["on", "off", "off"]


def new_instance(operator: Operator, account: Account, block: Block) -> Instance:
    """Makes the block's instance, and writes its registry's files; Pulp's realm is its issuer."""
    (create, _), (write, _) = block.steps()
    operator.does(create, "")
    [made] = operator.transire.items("instance", "list")
    operator.does(write, made["tcr_id"])
    return Instance(account, made["tcr_id"], made["cri_id"], made["service"], made["issuer"])


def test_zots_key_is_written_and_rotated(operator: Operator, transire: Transire, account: Account) -> None:
    instance = new_instance(operator, account, ZOT)
    credential = tencent.issue(transire, account.key, instance.tcr_id)

    def token() -> str:
        return exchange(transire.realm, instance, credential, SCOPE).json()["token"]

    def is_accepted(token: str) -> bool:
        return Zot(operator.root / "etc/zot/config.json").accepts(token, "team/app", "pull", time.time())

    before = token()
    assert is_accepted(before)
    operator.does(ROTATE_ZOT.commands(), instance.tcr_id)
    wait_until("the new key to sign", lambda: is_accepted(token()))
    assert not is_accepted(before)


def test_pulps_settings_are_written(operator: Operator, account: Account) -> None:
    instance = new_instance(operator, account, PULP)
    settings: dict[str, str] = {}
    exec((operator.root / "etc/pulp/transire/settings.py").read_text(), settings)
    assert settings["TOKEN_SERVER"] == instance.realm
    assert Path(settings["PUBLIC_KEY_PATH"]).exists()
