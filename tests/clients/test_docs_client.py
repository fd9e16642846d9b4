"""The lines of docs/client.md and docs/credentials.md, with a key, for an instance with a registry."""

import base64
import json
import os
import re
import sys
from pathlib import Path

import pytest

import image
from client import endpoint, keys
from credential import Credential, exchange
from documents import Block, Shell, take, take_one
from registry import Registry, assert_logs_in
from service import Account, Instance, Transire

PAGE = "docs/client.md"
LOG_IN = take_one(PAGE, "The client")
NARROW = take_one(PAGE, "The proof")
PROFILE = take_one(PAGE, "The profile", "toml")
HELPER = take_one(PAGE, "Docker's credential helper", "json")
CREDENTIALS = "docs/credentials.md"
NEW_KEY = take_one(CREDENTIALS, "Make a key")
WITH_THE_CLIENT = take_one(CREDENTIALS, "With the client")
TENCENT, ALIBABA = take(CREDENTIALS, "With the clouds' own clients", "python")
TCCLI = take_one(CREDENTIALS, "With the clouds' own clients")


class Person:
    """A person's shell, with a key in its environment."""

    def __init__(self, transire: Transire, instance: Instance, registry: Registry, folder: Path) -> None:
        self._transire, self._registry = transire, registry
        self.key = keys(instance.account.key)
        programs = {"transire": transire.binary, "docker": Path(os.environ["TRANSIRE_TEST_DOCKER"])}
        self.shell = Shell(folder, {**programs, "docker-credential-transire": transire.binary})
        self.shell.add("tccli", f'exec {sys.executable} {Path(sys.executable).with_name("tccli")} "$@"')
        self.changes = {
            "registry.example.com:5000": registry.address,
            "registry.example.com": registry.address,
            "https://transire.example.com": endpoint(transire),
            "100000000001": instance.account.id,
            "tcr-abcd1234": instance.tcr_id,
            "cri-abcdefgh12345678": instance.cri_id,
            'endpoint="transire.example.com"': f'protocol="http", endpoint="{transire.endpoint}"',
            "--endpoint transire.example.com": f"--endpoint http://{transire.endpoint}",
            "AKIDEXAMPLE": instance.account.key.id,
            "secretEXAMPLE": instance.account.key.secret,
        }

    def does(self, commands: str, **environment: str) -> str:
        return self.shell.does(commands, self.changes, self.key | environment)

    def pushes(self) -> None:
        """By the log-in of docker's file."""
        image.write_oci_layout(self.shell.folder / "in", "v1")
        to = self._registry.reference("team/app:v1")
        file = self.shell.folder / ".docker" / "config.json"
        self.does(f"skopeo --insecure-policy copy --dest-authfile {file} --dest-tls-verify=false oci:in:v1 {to}")


@pytest.fixture
def person(transire: Transire, instance: Instance, registry: Registry, tmp_path: Path) -> Person:
    return Person(transire, instance, registry, tmp_path / "person")


@pytest.mark.parametrize("block", [LOG_IN, WITH_THE_CLIENT], ids=["client", "credentials"])
def test_a_person_logs_in_with_the_client(person: Person, registry: Registry, block: Block) -> None:
    assert "Login Succeeded" in person.does(block.commands())
    person.pushes()


def test_transires_own_log_in_needs_no_docker(person: Person) -> None:
    *commands, _ = (command for command, _ in LOG_IN.steps())
    person.does("".join(commands))
    person.pushes()


def test_a_narrower_log_in_only_pulls(transire: Transire, instance: Instance, person: Person) -> None:
    secret = transire.remember("secret of the client", person.does(NARROW.commands(), TRANSIRE_ENDPOINT=endpoint(transire)).strip())
    answer = exchange(transire.realm, instance, Credential(instance.account.id, secret, 0), "repository:team/app:pull,push")
    claims = answer.json()["token"].split(".")[1]
    access = json.loads(base64.urlsafe_b64decode(claims + "=="))["access"]
    assert [(entry["name"], entry["actions"]) for entry in access] == [("team/app", ["pull"])]


def test_dockers_helper_gets_log_ins_by_the_profile(person: Person) -> None:
    person.shell.write(".config/transire/client.toml", PROFILE, person.changes)
    person.shell.write(".docker/config.json", HELPER, person.changes)
    person.pushes()


def test_a_user_gets_a_key(transire: Transire, account: Account, person: Person) -> None:
    made = person.shell.does(NEW_KEY.commands(), person.changes, transire.operator)
    secret = re.search(r"access_key_secret +(\S+)", made)
    assert secret
    transire.remember("access key secret", secret[1])
    assert "ci" in {user["name"] for user in transire.items("user", "list", "--account", account.id)}


def logs_in(transire: Transire, registry: Registry, username: str, secret: str) -> None:
    assert_logs_in(registry, Credential(username, transire.remember("credential", secret), 0))


@pytest.mark.parametrize("block", [TENCENT, ALIBABA], ids=["Tencent", "Alibaba"])
def test_the_clouds_sdks_get_a_credential(transire: Transire, registry: Registry, person: Person, block: Block) -> None:
    example = person.shell.write("example.py", block, person.changes)
    username, secret, end = person.does(f"{sys.executable} {example}").split()
    assert int(end) > 1_000_000_000_000
    logs_in(transire, registry, username, secret)


def test_tccli_gets_a_credential(transire: Transire, registry: Registry, person: Person) -> None:
    made = json.loads(person.does(TCCLI.commands()))
    logs_in(transire, registry, made["Username"], made["Token"])
