"""RFC 8693 as curl asks it: a job's token or a credential becomes a narrower log-in. And Quay's call for the same."""

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

import image
import tencent
from credential import Credential
from documents import take_one
from issuer import LOOPBACK, Issuer, job_token
from registry import Registry, assert_logs_in, skopeo
from service import Account, Instance, Transire

EXAMPLE = take_one("docs/kubernetes.md", "External Secrets", "yaml")
TYPES = "urn:ietf:params:oauth:token-type"
REGISTRY_CREDENTIAL = "urn:transire:params:oauth:token-type:registry-credential"


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


def curl(transire: Transire, path: str, get: bool = False, **form: str) -> Any:
    """The parameters come from standard input, so that no list of processes has a secret."""
    config = "".join(f'data-urlencode = "{name}={value}"\n' for name, value in form.items())
    url = transire.realm.removesuffix("/token") + path
    # --noproxy: this machine alone is meant.
    command = ["curl", "--silent", "--noproxy", "*", "--config", "-", *(["--get"] if get else []), url]
    done = subprocess.run(command, input=config, capture_output=True, text=True, timeout=60, check=True, env=os.environ)
    answer = json.loads(done.stdout)
    transire.remember("secret of an exchange", answer.get("access_token", "none"))
    return answer


def exchange(transire: Transire, instance: Instance, **form: str) -> Any:
    usual = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": instance.service}
    return curl(transire, "/oauth/token", **(usual | form))


def log_in(answer: Any) -> Credential:
    assert answer["issued_token_type"] == REGISTRY_CREDENTIAL and answer["token_type"] == "N_A", answer
    return Credential(answer["username"], answer["access_token"], expires_at=0)


@pytest.mark.parametrize("platform", ["GitHub", "GitLab", "Kubernetes"])
@pytest.mark.usefixtures("keyless")
def test_a_jobs_token_becomes_a_log_in_that_pushes_one_repository(
    transire: Transire, instance: Instance, registry: Registry, issuer: Issuer, platform: str, tmp_path: Path
) -> None:
    subject = {"subject_token": job_token(transire, issuer, platform), "subject_token_type": f"{TYPES}:jwt"}
    answer = exchange(transire, instance, **subject, role="role/builder", scope="repository:team/app:pull,push", expires_in="600")
    assert answer["expires_in"] == 600 and answer["scope"] == "repository:team/app:pull,push"
    assert_logs_in(registry, log_in(answer), "skopeo")
    image.write_oci_layout(tmp_path / "in", "v1")
    copy = ("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1")
    pushed = skopeo(*copy, registry.reference("team/app:v1"))
    assert pushed.returncode == 0, pushed.stderr
    elsewhere = skopeo(*copy, registry.reference("team/other:v1"))
    assert elsewhere.returncode != 0 and "denied" in elsewhere.stderr


def test_a_credential_becomes_one_that_only_pulls(
    transire: Transire, account: Account, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    whole = tencent.issue(transire, account.key, instance.tcr_id)
    image.write_oci_layout(tmp_path / "one", "v1")
    image.write_oci_layout(tmp_path / "two", "v1", author="example")

    def push(name: str) -> str:
        return skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path / name}:v1", registry.reference("team/app:v1")).stderr

    assert_logs_in(registry, whole, "skopeo")
    assert push("one") == ""
    subject = {"subject_token": whole.secret, "subject_token_type": REGISTRY_CREDENTIAL, "username": whole.username}
    narrow = log_in(exchange(transire, instance, **subject, scope="repository:team/app:pull"))
    assert_logs_in(registry, narrow, "skopeo")
    inspected = skopeo("inspect", "--tls-verify=false", registry.reference("team/app:v1"))
    assert inspected.returncode == 0, inspected.stderr
    assert "denied" in push("two")


@pytest.mark.usefixtures("keyless")
def test_curl_is_answered_in_oauths_json(transire: Transire, instance: Instance, issuer: Issuer) -> None:
    metadata = curl(transire, "/.well-known/oauth-authorization-server", get=True)
    assert metadata["token_endpoint"] == f"{metadata['issuer']}/oauth/token"
    token = job_token(transire, issuer, "GitHub")
    jwt = {"subject_token": token, "subject_token_type": f"{TYPES}:id_token"}
    registrys = exchange(transire, instance, **jwt, requested_token_type=f"{TYPES}:access_token", scope="repository:team/app:pull")
    assert registrys["token_type"] == "Bearer" and registrys["scope"] == "repository:team/app:pull"
    refused = exchange(transire, instance, subject_token=registrys["access_token"], subject_token_type=f"{TYPES}:jwt")
    assert refused["error"] == "invalid_request" and "not accepted here" in refused["error_description"]
    assert exchange(transire, instance, **jwt, scope="nonsense")["error"] == "invalid_scope"
    assert exchange(transire, instance, **jwt, grant_type="password")["error"] == "unsupported_grant_type"


@pytest.mark.usefixtures("keyless")
def test_external_secrets_generator_gets_a_pull_secret(transire: Transire, instance: Instance, registry: Registry, issuer: Issuer) -> None:
    """As `generators/v1/quay/quay.go` asks and writes, with the example of docs/kubernetes.md."""
    generator, secret = EXAMPLE.objects()
    spec = generator["spec"] | {"url": instance.service}
    robot = spec["robotAccount"].replace("role/ci", "role/builder")
    # The host of the proxy that sends the path here.
    place = transire.realm.removesuffix("/token")
    answer = requests.get(
        f"{place}/oauth2/federation/robot/token",
        auth=(robot, job_token(transire, issuer, "Kubernetes")),
        headers={"Host": spec["url"]},
        timeout=5,
    )
    assert answer.status_code == 200
    made = transire.remember("secret of an exchange", answer.json()["token"])
    claims, sealed = made.split(".")[1:]
    assert json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"] > 0
    assert transire.remember("temporary secret", sealed.removeprefix("-")).startswith("trst_")
    auth = transire.remember("pair of an exchange", base64.b64encode(f"{robot}:{made}".encode()).decode())
    template = secret["spec"]["target"]["template"]
    assert template["type"] == "kubernetes.io/dockerconfigjson"
    rendered = template["data"][".dockerconfigjson"].replace("{{ .registry }}", spec["url"]).replace("{{ .auth }}", auth)
    username, _, password = base64.b64decode(json.loads(rendered)["auths"][instance.service]["auth"]).decode().partition(":")
    for tool in ("skopeo", "docker"):
        assert_logs_in(registry, Credential(username, password, expires_at=0), tool)
