"""What `docker login` stores, and who else can use it.

docker's engine asks for a refresh token at every log-in, and its command line stores one in place of the password. Podman,
buildah and skopeo then refused to log in ("auth file contains an Identity token"), a pull secret made from the file pulled
nothing, and oras-py was refused.
"""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import oras.client
import pytest

import image
import tencent
from credential import Credential
from processes import wait_until
from registry import Registry, buildah_login, docker_login, podman_login, skopeo, skopeo_login
from service import Instance, Transire

LogIn = Callable[[Registry, Credential, Path], CompletedProcess[str]]
LOG_INS: dict[str, LogIn] = {
    "podman": podman_login,
    "buildah": buildah_login,
    "skopeo": lambda registry, credential, _: skopeo_login(registry, credential),
}
each_tool = pytest.mark.parametrize("log_in", LOG_INS.values(), ids=LOG_INS)


@pytest.fixture
def auth_file(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of `docker login`, which the other tools are told to use."""
    file = Path(os.environ["DOCKER_CONFIG"]) / "config.json"
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))
    return file


@pytest.fixture
def credential(transire: Transire, instance: Instance) -> Credential:
    return tencent.issue(transire, instance.account.key, instance.tcr_id, "longterm")


def entry(auth_file: Path, registry: Registry) -> dict[str, Any]:
    """What is stored for a registry: a Kubernetes pull secret is the same text."""
    return json.loads(auth_file.read_text())["auths"][registry.address]


def log_in_with_docker(registry: Registry, credential: Credential) -> None:
    done = docker_login(registry, credential)
    assert done.returncode == 0, done.stderr


def pull(registry: Registry) -> CompletedProcess[str]:
    return skopeo("inspect", "--tls-verify=false", registry.reference("team/tool:v1"))


def push(registry: Registry, folder: Path) -> None:
    image.write_oci_layout(folder, "v1")
    pushed = skopeo("copy", "--dest-tls-verify=false", f"oci:{folder}:v1", registry.reference("team/tool:v1"))
    assert pushed.returncode == 0, pushed.stderr


@each_tool
def test_other_tools_log_in_and_pull_by_the_file_of_docker(
    registry: Registry, credential: Credential, auth_file: Path, tmp_path: Path, log_in: LogIn
) -> None:
    log_in_with_docker(registry, credential)
    done = log_in(registry, credential, tmp_path)
    assert done.returncode == 0, done.stderr
    push(registry, tmp_path / "in")
    pulled = pull(registry)
    assert pulled.returncode == 0, pulled.stderr


def test_a_pull_secret_made_from_the_file_of_docker_has_the_password(
    registry: Registry, credential: Credential, auth_file: Path
) -> None:
    log_in_with_docker(registry, credential)
    stored = entry(auth_file, registry)
    assert list(stored) == ["auth"]
    assert base64.b64decode(stored["auth"]).decode() == f"{credential.username}:{credential.secret}"


def test_oras_py_pulls_by_the_file_of_docker(registry: Registry, credential: Credential, auth_file: Path, tmp_path: Path) -> None:
    log_in_with_docker(registry, credential)
    push(registry, tmp_path / "in")
    client = oras.client.OrasClient(insecure=True)
    # It reads the file of docker that it finds under HOME, or the ones that it is given.
    client.auth.load_configs(client.get_container(f"{registry.address}/team/tool:v1"), configs=[str(auth_file)])
    assert client.get_manifest(f"{registry.address}/team/tool:v1")["schemaVersion"] == 2


def test_a_host_whose_credential_was_disabled_pulls_again_once_it_is_enabled(
    transire: Transire, instance: Instance, registry: Registry, credential: Credential, auth_file: Path, tmp_path: Path
) -> None:
    """Refresh tokens end for ever with the first disabling, so hosts that stored one stayed refused."""
    log_in_with_docker(registry, credential)
    push(registry, tmp_path / "in")
    names = ("--instance", instance.tcr_id, "--id", credential.id)
    transire.cli("credential", "disable", *names)
    wait_until("the pull to be refused", lambda: pull(registry).returncode != 0)
    transire.cli("credential", "enable", *names)
    wait_until("the pull to pass", lambda: pull(registry).returncode == 0)


@each_tool
def test_where_an_instance_gives_refresh_tokens_docker_stores_one_and_other_tools_refuse_the_file(
    transire: Transire, instance: Instance, registry: Registry, credential: Credential, auth_file: Path, tmp_path: Path, log_in: LogIn
) -> None:
    transire.cli("instance", "update", "--instance", instance.tcr_id, "--refresh-tokens", "on")

    def is_stored() -> bool:
        log_in_with_docker(registry, credential)
        return "identitytoken" in entry(auth_file, registry)

    wait_until("the running service to give one out", is_stored)
    transire.remember("refresh token", entry(auth_file, registry)["identitytoken"])
    done = log_in(registry, credential, tmp_path)
    assert done.returncode != 0
    assert "auth file contains an Identity token" in done.stderr


def test_a_stored_refresh_token_goes_on_until_the_instance_refuses_it(
    transire: Transire, instance: Instance, registry: Registry, credential: Credential, auth_file: Path, tmp_path: Path
) -> None:
    update = ("instance", "update", "--instance", instance.tcr_id, "--refresh-tokens")
    log_in_with_docker(registry, credential)
    push(registry, tmp_path / "in")
    transire.cli(*update, "on")

    def stores(what: str) -> bool:
        log_in_with_docker(registry, credential)
        return what in entry(auth_file, registry)

    wait_until("a refresh token", lambda: stores("identitytoken"))
    with_token = auth_file.read_text()
    transire.remember("refresh token", entry(auth_file, registry)["identitytoken"])
    transire.cli(*update, "off")
    wait_until("no refresh token", lambda: not stores("identitytoken"))
    auth_file.write_text(with_token)
    pulled = pull(registry)
    assert pulled.returncode == 0, pulled.stderr
    transire.cli(*update, "off", "--refuse-old")
    wait_until("the stored one to be refused", lambda: "unauthorized" in pull(registry).stderr)
    # What helps is in the docs: logging in again.
    log_in_with_docker(registry, credential)
    assert pull(registry).returncode == 0
