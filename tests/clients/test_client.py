"""Our own client: credentials in one step, for people, jobs, docker and the kubelet."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import image
from client import Client, Liar, endpoint, keys, where
from credential import Credential, exchange
from issuer import LOOPBACK, Issuer, job_token
from loopback import HttpServer, Reply
from registry import Registry, skopeo
from service import AccessKey, Account, Instance, Transire, fetch


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


@pytest.mark.parametrize("cloud", ["Tencent", "Alibaba"])
@pytest.mark.parametrize("by", ["tcr_id", "cri_id", "service"])
def test_a_key_gets_a_password(client: Client, transire: Transire, account: Account, instance: Instance, cloud: str, by: str) -> None:
    arguments = ("get-login-password", *where(transire, getattr(instance, by)))
    secret = client.does(*arguments, **keys(account.key, cloud))
    assert secret.startswith("trst_") and "\n" not in secret
    whole = json.loads(client.does(*arguments, "--output", "json", **keys(account.key, cloud)))
    assert set(whole) == {"username", "expires_at", "registry", "secret"}
    assert whole["registry"] == (instance.service if by == "service" else None)
    credential = Credential(whole["username"], transire.remember("secret of the client", whole["secret"]), 0)
    assert exchange(transire.realm, instance, credential).status == 200


def granted(transire: Transire, instance: Instance, whole: Any, scope: str) -> str:
    """What the log-in gets of a scope."""
    secret = transire.remember("secret of the client", whole["secret"])
    form = {"grant_type": "password", "service": instance.service, "username": whole["username"], "password": secret, "scope": scope}
    answer = fetch(transire.realm, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode())
    assert answer.status == 200, answer.body
    return answer.json()["scope"]


NARROW = ("--scope", "repository:team/app:pull", "--scope", "repository:team/base:pull", "--ttl", "10m", "--output", "json")


def is_narrow(transire: Transire, instance: Instance, whole: Any) -> bool:
    left = datetime.fromisoformat(whole["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    assert granted(transire, instance, whole, "repository:team/base:pull,push") == "repository:team/base:pull"
    assert granted(transire, instance, whole, "repository:team/other:pull") == ""
    return granted(transire, instance, whole, "repository:team/app:pull,push") == "repository:team/app:pull"


@pytest.mark.parametrize("cloud", ["Tencent", "Alibaba"])
@pytest.mark.parametrize("by", ["tcr_id", "cri_id", "service"])
def test_a_key_gets_a_narrower_password(client: Client, transire: Transire, account: Account, instance: Instance, cloud: str, by: str) -> None:
    arguments = ("get-login-password", *where(transire, getattr(instance, by)), *NARROW)
    assert is_narrow(transire, instance, json.loads(client.does(*arguments, **keys(account.key, cloud))))


@pytest.mark.parametrize("role", [(), ("--role", "role/builder")], ids=["any-role", "named-role"])
@pytest.mark.usefixtures("keyless")
def test_a_jobs_token_gets_a_narrower_password(
    client: Client, transire: Transire, instance: Instance, issuer: Issuer, role: tuple[str, ...]
) -> None:
    arguments = ("get-login-password", *where(transire, instance.tcr_id), *role, *NARROW)
    whole = json.loads(client.does(*arguments, TRANSIRE_ID_TOKEN=job_token(transire, issuer, "GitHub")))
    assert whole["secret"].startswith("trst_") and is_narrow(transire, instance, whole)


def test_terms_that_are_not_taken_are_named(client: Client, transire: Transire, account: Account, instance: Instance) -> None:
    for terms, expected in (
        (("--ttl", "10 m"), "90s, 5m, 1h30m or 7d"),
        (("--ttl", "0m"), "more than 0"),
        (("--scope", "team/app"), "repository:team/app:pull,push"),
        (("--scope", "repository:team/app:fly"), "repository:NAME:ACTION"),
        (("--ttl", "10m", "--instance", "missing.example.com"), "invalid_request"),
    ):
        arguments = () if "--instance" in terms else ("--instance", instance.tcr_id)
        token = {"TRANSIRE_ID_TOKEN": transire.remember("OIDC token", "eyJ.EXAMPLE.token")}
        done = client.run("get-login-password", "--endpoint", endpoint(transire), *arguments, *terms, **token)
        assert done.returncode != 0 and done.stdout == "" and expected in done.stderr, done.stderr


def test_login_writes_a_log_in_that_only_pulls(
    client: Client, transire: Transire, account: Account, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    client.does("login", registry.address, *where(transire, instance.tcr_id), "--scope", "repository:team/tool:pull", **keys(account.key))
    image.write_oci_layout(tmp_path / "in", "v1")
    file = client.home / ".docker" / "config.json"
    pushed = skopeo("copy", f"--dest-authfile={file}", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"))
    assert pushed.returncode != 0 and "denied" in pushed.stderr


def test_a_profile_of_the_clouds_tools_is_enough(client: Client, transire: Transire, account: Account, instance: Instance) -> None:
    folder = client.home / ".tccli"
    folder.mkdir()
    (folder / "default.credential").write_text(json.dumps({"secretId": account.key.id, "secretKey": account.key.secret}))
    assert client.does("get-login-password", *where(transire, instance.tcr_id)).startswith("trst_")


def test_a_jobs_token_is_the_password(client: Client, transire: Transire, issuer: Issuer, keyless: dict[str, Any]) -> None:
    token = job_token(transire, issuer, "GitLab")
    whole = json.loads(client.does("get-login-password", "--output", "json", TRANSIRE_ID_TOKEN=token))
    assert (whole["username"], whole["secret"]) == ("jwt", token) and whole["expires_at"]
    assert client.does("token", TRANSIRE_ID_TOKEN=token) == token
    named = json.loads(client.does("get-login-password", "--role", "role/builder", "--output", "json", TRANSIRE_ID_TOKEN=token))
    assert named["username"] == "role/builder"


@pytest.fixture
def platform(transire: Transire, issuer: Issuer) -> Iterator[tuple[str, list[str]]]:
    """What a job of GitHub Actions asks for its token, and what it was asked."""
    asked: list[str] = []

    def answer(path: str, headers: Mapping[str, str]) -> Reply:
        asked.append(f"{headers['Authorization']} {path}")
        return 200, {}, json.dumps({"value": job_token(transire, issuer, "GitHub")}).encode()

    server = HttpServer(answer)
    yield f"{server.url}/token?api-version=2.0", asked
    server.stop()


def test_a_job_of_github_asks_its_platform(
    client: Client, transire: Transire, instance: Instance, keyless: dict[str, Any], platform: tuple[str, list[str]]
) -> None:
    url, asked = platform
    job = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "requestEXAMPLE"}
    secret = client.does("get-login-password", "--audience", "sts.example.com", **job)
    assert exchange(transire.realm, instance, Credential("jwt", secret, 0)).status == 200
    assert asked == ["Bearer requestEXAMPLE /token?api-version=2.0&audience=sts.example.com"]


def test_login_writes_what_docker_reads(
    client: Client, transire: Transire, account: Account, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    shown = json.loads(client.does("login", registry.address, *where(transire, instance.tcr_id), "--output", "json", **keys(account.key)))
    assert shown["registry"] == registry.address and shown["username"] and "secret" not in shown
    file = client.home / ".docker" / "config.json"
    assert file.stat().st_mode & 0o777 == 0o600
    image.write_oci_layout(tmp_path / "in", "v1")
    pushed = skopeo("copy", f"--dest-authfile={file}", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"))
    assert pushed.returncode == 0, pushed.stderr
    assert json.loads(client.does("logout", registry.address, "--output", "json"))["removed"] is True
    assert json.loads(file.read_text())["auths"] == {}


def test_login_with_a_job_token_is_seen_by_the_registry(
    client: Client, transire: Transire, registry: Registry, issuer: Issuer, keyless: dict[str, Any]
) -> None:
    at = ("--endpoint", endpoint(transire))
    token = job_token(transire, issuer, "Kubernetes")
    client.does("login", registry.address, *at, TRANSIRE_ID_TOKEN=token)
    bad = client.run("login", registry.address, *at, TRANSIRE_ID_TOKEN=transire.remember("OIDC token", issuer.token("stranger")))
    assert bad.returncode == 1 and "answers 401" in bad.stderr


def test_a_lying_registry_gets_no_secret(client: Client, transire: Transire, account: Account, instance: Instance, liar: Liar) -> None:
    done = client.run("login", liar.address, *where(transire, instance.tcr_id), **keys(account.key))
    assert done.returncode == 1 and "nothing was sent there" in done.stderr
    assert liar.asked == ["/v2/ None"]
    assert not (client.home / ".docker" / "config.json").exists()


def test_whoami_names_the_key_and_the_caller(client: Client, transire: Transire, account: Account, instance: Instance) -> None:
    for cloud in ("Tencent", "Alibaba"):
        shown = json.loads(client.does("whoami", *where(transire, instance.tcr_id), "--output", "json", **keys(account.key, cloud)))
        assert account.id in shown["caller"] and account.key.id in shown["by"]
        assert account.key.secret not in str(shown)


def test_what_is_missing_is_named(client: Client, transire: Transire, account: Account, instance: Instance) -> None:
    at = ("--endpoint", endpoint(transire))
    for arguments, variables, expected in (
        ((), {}, "neither an access key nor an OpenID Connect token"),
        ((), keys(account.key), "--endpoint"),
        (at, keys(account.key), "--instance"),
        (("--endpoint", "http://transire.example.com"), keys(account.key), "https://"),
        (where(transire, "missing"), keys(account.key), "none of the caller's instances"),
        (where(transire, instance.tcr_id), keys(AccessKey(account.key.id, "wrongEXAMPLE", "")), "AuthFailure.SignatureFailure"),
    ):
        done = client.run("get-login-password", *arguments, **variables)
        assert done.returncode != 0 and done.stdout == "" and expected in done.stderr, done.stderr


@pytest.fixture
def helper(client: Client, transire: Transire, account: Account, instance: Instance, registry: Registry) -> Mapping[str, str]:
    """A user whose profile names the registry; the variables of the node's key."""
    client.write_profile(registry.address, endpoint=endpoint(transire), instance=instance.tcr_id)
    return keys(account.key)


def kubelet_request(image_: str, token: str | None) -> str:
    request = {"kind": "CredentialProviderRequest", "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "image": image_}
    return json.dumps(request | ({"serviceAccountToken": token, "serviceAccountAnnotations": {}} if token else {}))


def test_the_kubelet_passes_a_pods_token_on(
    client: Client, transire: Transire, instance: Instance, registry: Registry, issuer: Issuer, keyless: dict[str, Any]
) -> None:
    token = job_token(transire, issuer, "Kubernetes")
    answer = json.loads(client.does("credential-provider", stdin=kubelet_request(f"{registry.address}/team/app", token)))
    auth = answer.pop("auth")[registry.address]
    assert answer["kind"] == "CredentialProviderResponse" and answer["apiVersion"] == "credentialprovider.kubelet.k8s.io/v1"
    assert answer["cacheKeyType"] == "Registry" and 0 < int(answer["cacheDuration"].removesuffix("s")) <= 300
    assert exchange(transire.realm, instance, Credential(auth["username"], auth["password"], 0)).status == 200


def test_the_kubelet_gets_a_credential_by_the_nodes_key(client: Client, registry: Registry, helper: Mapping[str, str], transire: Transire) -> None:
    answer = json.loads(client.does("credential-provider", stdin=kubelet_request(f"{registry.address}/team/app", None), **helper))
    auth = answer["auth"][registry.address]
    assert transire.remember("secret of the client", auth["password"]).startswith("trst_")
    assert int(answer["cacheDuration"].removesuffix("s")) > 1700


def test_a_bad_request_of_the_kubelet_is_an_error(client: Client) -> None:
    for stdin in ("", "{}", kubelet_request("registry.example.com/a", None).replace("/v1", "/v2")):
        done = client.run("credential-provider", stdin=stdin)
        assert done.returncode == 1 and done.stdout == "" and "standard input" in done.stderr
