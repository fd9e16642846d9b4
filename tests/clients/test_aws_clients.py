"""The tools that log in at ECR's registries, as they call it.

The command line and docker are the real ones. Of the others the exact calls are made, and their answers read as they read them:
no package index brings them.
"""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

import aws
import image
from credential import Credential
from issuer import LOOPBACK, Issuer, job_token
from processes import wait_until
from registry import Registry, assert_logs_in, docker_login, run, skopeo
from service import AccessKey, Instance, Transire

NAME = "100000000001.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    """A service that asks issuers on loopback."""
    transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


def authorization(transire: Transire, key: AccessKey, **parameters: Any) -> list[dict[str, Any]]:
    return aws.client(transire, key, "ecr").get_authorization_token(**parameters)["authorizationData"]


def await_host(transire: Transire, key: AccessKey, host: str) -> None:
    """The service follows what commands change."""
    wait_until("the host", lambda: authorization(transire, key)[0]["proxyEndpoint"] == f"https://{host}")


def copy(source: str, target: str) -> subprocess.CompletedProcess[str]:
    """Copies an image with what docker stored at its log-in."""
    stored = Path(os.environ["DOCKER_CONFIG"]) / "config.json"
    return skopeo("copy", "--authfile", stored, "--src-tls-verify=false", "--dest-tls-verify=false", source, target)


def test_docker_logs_in_with_the_command_lines_password_and_pushes_and_pulls(
    transire: Transire, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": instance.account.key.id,
        "AWS_SECRET_ACCESS_KEY": instance.account.key.secret,
        "AWS_DEFAULT_REGION": aws.REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": f"{transire.scheme}://{transire.endpoint}",
    }
    command = f'"{sys.executable}" "{Path(sys.executable).with_name("aws")}" ecr get-login-password'
    docker = os.environ["TRANSIRE_TEST_DOCKER"]
    line = f'{command} | "{docker}" login --username AWS --password-stdin {registry.address}'
    done = run("bash", "-o", "pipefail", "-c", line, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "Login Succeeded" in done.stdout
    [stored] = json.loads((Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text())["auths"].values()
    transire.remember("authorization token", base64.b64decode(stored["auth"]).decode().removeprefix("AWS:"))
    image.write_oci_layout(tmp_path / "in", "v1")
    pushed = copy(f"oci:{tmp_path}/in:v1", registry.reference("team/app:v1"))
    assert pushed.returncode == 0, pushed.stderr
    pulled = copy(registry.reference("team/app:v1"), f"oci:{tmp_path}/out:v1")
    assert pulled.returncode == 0, pulled.stderr
    assert image.manifest_digest(tmp_path / "out") == image.manifest_digest(tmp_path / "in")


def in_cam(instance: Instance) -> dict[str, Any]:
    """A policy of Tencent's language: pull `team/base`, push `team/app`."""
    repository = f"qcs::tcr:::repository/{instance.tcr_id}/team"
    statements = [
        {"effect": "allow", "action": "tcr:CreateInstanceToken", "resource": "*"},
        {"effect": "allow", "action": "tcr:PullRepository", "resource": f"{repository}/base"},
        {"effect": "allow", "action": ["tcr:PullRepository", "tcr:PushRepository"], "resource": f"{repository}/app"},
    ]
    return {"version": "2.0", "statement": statements}


def in_iam(instance: Instance) -> dict[str, Any]:
    """The same in AWS's, as its documents tell users to write it."""
    repository = f"arn:aws:ecr:*:{instance.account.id.zfill(12)}:repository/team"
    pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    push = ["ecr:CompleteLayerUpload", "ecr:UploadLayerPart", "ecr:InitiateLayerUpload", "ecr:PutImage"]
    statements = [
        {"Sid": "LogIn", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Sid": "Pull", "Effect": "Allow", "Action": pull, "Resource": [f"{repository}/base", f"{repository}/app"]},
        {"Sid": "Push", "Effect": "Allow", "Action": push, "Resource": f"{repository}/app"},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


@pytest.mark.parametrize("policy", [in_cam, in_iam])
def test_a_user_pulls_one_repository_and_pushes_another(
    transire: Transire, instance: Instance, registry: Registry, policy: Callable[[Instance], dict[str, Any]], tmp_path: Path
) -> None:
    account = instance.account.id
    transire.cli("user", "create", "--account", account, "--name", "ci")
    key = transire.cli("access-key", "create", "--account", account, "--user", "ci")
    user = AccessKey(key["access_key_id"], transire.remember("access key secret", key["access_key_secret"]))
    document = tmp_path / "policy.json"
    document.write_text(json.dumps(policy(instance)))
    transire.cli("policy", "create", "--account", account, "--name", "build", "--document", document)
    transire.cli("policy", "attach", "--account", account, "--name", "build", "--user", "ci")
    image.write_oci_layout(tmp_path / "in", "v1")
    layout = f"oci:{tmp_path}/in:v1"
    assert docker_login(registry, aws.issue(transire, instance.account.key)).returncode == 0
    for name in ("base", "other"):
        assert copy(layout, registry.reference(f"team/{name}:v1")).returncode == 0
    assert docker_login(registry, aws.issue(transire, user)).returncode == 0
    assert copy(registry.reference("team/base:v1"), f"oci:{tmp_path}/base:v1").returncode == 0
    pushed = copy(registry.reference("team/base:v1"), registry.reference("team/app:v1"))
    assert pushed.returncode == 0, pushed.stderr
    for source, target in (
        (layout, registry.reference("team/base:v2")),
        (registry.reference("team/other:v1"), f"oci:{tmp_path}/other:v1"),
        (layout, registry.reference("team/other:v2")),
    ):
        refused = copy(source, target)
        assert refused.returncode != 0
        assert "denied" in refused.stderr or "unauthorized" in refused.stderr, refused.stderr


def test_an_instance_answers_to_its_ecr_host(transire: Transire, instance: Instance, registry: Registry) -> None:
    key = instance.account.key
    update = ("instance", "update", "--instance", instance.tcr_id)
    assert authorization(transire, key)[0]["proxyEndpoint"] == f"https://{instance.service}"
    transire.cli(*update, "--ecr-host", NAME)
    [shown] = [one for one in transire.items("instance", "list") if one["tcr_id"] == instance.tcr_id]
    assert shown["ecr_host"] == NAME
    assert f'ecr_host = "{NAME}"' in transire.cli("export")["text"]
    await_host(transire, key, NAME)
    # The registry's tokens are for its service as before.
    assert_logs_in(registry, aws.issue(transire, key))
    done = aws.aws(transire, key, "ecr", "get-authorization-token", "--query", "authorizationData[0].proxyEndpoint", "--output", "text")
    assert done.stdout.strip() == f"https://{NAME}"
    for bad in (f"https://{NAME}", "Registry.example.com", "registry.example.com:0", ""):
        assert "a host is written in lower case" in transire.cli_refused(*update, "--ecr-host", bad, exit_code=2)
    transire.cli(*update, "--no-ecr-host")
    await_host(transire, key, instance.service)


def test_amazon_ecr_login_logs_docker_in_at_the_proxy_endpoint(transire: Transire, instance: Instance, registry: Registry) -> None:
    # index.js: getAuthorizationToken with the input `registries` as registryIds, or without; the token cut at its first two
    # colons; `docker login -u … -p … PROXY_ENDPOINT`. Docker takes a loopback address without TLS.
    transire.cli("instance", "update", "--instance", instance.tcr_id, "--ecr-host", registry.address)
    await_host(transire, instance.account.key, registry.address)
    for parameters in ({}, {"registryIds": [instance.account.id.zfill(12)]}):
        [data] = authorization(transire, instance.account.key, **parameters)
        username, password = base64.b64decode(data["authorizationToken"]).decode().split(":")[:2]
        transire.remember("authorization token", password)
        done = run(os.environ["TRANSIRE_TEST_DOCKER"], "login", "-u", username, "-p", password, data["proxyEndpoint"])
        assert done.returncode == 0, done.stderr
        assert registry.address == data["proxyEndpoint"].removeprefix("https://")


def test_external_secrets_generator_reads_the_answer(transire: Transire, instance: Instance, registry: Registry) -> None:
    # generators/v1/ecr/ecr.go: GetAuthorizationToken without ids; any number of entries but one is an error, and so is any number
    # of parts between colons but two; expires_at is written as unix seconds.
    data = authorization(transire, instance.account.key)
    assert len(data) == 1
    parts = base64.b64decode(data[0]["authorizationToken"]).decode().split(":")
    assert len(parts) == 2
    secret = {
        "username": parts[0],
        "password": transire.remember("authorization token", parts[1]),
        "proxy_endpoint": data[0]["proxyEndpoint"],
        "expires_at": str(int(data[0]["expiresAt"].timestamp())),
    }
    assert int(secret["expires_at"]) == pytest.approx(time.time() + 12 * 3600, abs=60)
    assert_logs_in(registry, Credential(secret["username"], secret["password"], 0))


def test_the_kubelets_provider_answers_for_an_image(transire: Transire, instance: Instance, registry: Registry) -> None:
    # cmd/ecr-credential-provider/main.go: of a CredentialProviderRequest the image's host; GetAuthorizationToken without ids; the
    # token cut at its first colon; the answer is for the host without its port, for half of the rest of the token's life.
    request = {
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "kind": "CredentialProviderRequest",
        "image": f"{registry.address}/team/app:v1",
    }
    host = request["image"].split("/")[0].rsplit(":", 1)[0]
    [data] = authorization(transire, instance.account.key)
    username, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    response = {
        "apiVersion": request["apiVersion"],
        "kind": "CredentialProviderResponse",
        "cacheKeyType": "Registry",
        "cacheDuration": f"{(data['expiresAt'].timestamp() - time.time()) / 2:.0f}s",
        "auth": {host: {"username": username, "password": transire.remember("authorization token", password)}},
    }
    assert int(response["cacheDuration"].removesuffix("s")) == pytest.approx(6 * 3600, abs=60)
    [(key, auth)] = response["auth"].items()
    assert key == "127.0.0.1"
    assert_logs_in(registry, Credential(auth["username"], auth["password"], 0))


@pytest.mark.usefixtures("keyless")
def test_a_job_assumes_a_role_by_its_environment_alone(
    transire: Transire, instance: Instance, registry: Registry, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = instance.account.id.zfill(12)
    token = tmp_path / "token"
    token.write_text(job_token(transire, issuer, "GitHub"))
    environment = {
        "AWS_ROLE_ARN": f"arn:aws:iam::{number}:role/builder",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_REGION": aws.REGION,
        "AWS_DEFAULT_REGION": aws.REGION,
        "AWS_ENDPOINT_URL": f"{transire.scheme}://{transire.endpoint}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session()
    config = Config(retries={"total_max_attempts": 1})
    arn = session.client("sts", config=config).get_caller_identity()["Arn"]
    # The session's name is the SDK's own.
    assert arn.startswith(f"arn:aws:sts::{number}:assumed-role/builder/botocore-session-")
    answer = session.client("ecr", config=config).get_authorization_token()
    assert_logs_in(registry, aws.log_in_of(transire, answer))
    done = aws.aws(transire, None, "ecr", "get-login-password", **environment)
    assert done.returncode == 0, done.stderr
    assert_logs_in(registry, Credential("AWS", transire.remember("authorization token", done.stdout.strip()), 0))
