"""Our own client: credentials in one step, for people, jobs, docker and the kubelet."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import image
from credential import Credential, exchange
from issuer import LOOPBACK, Issuer, job_token
from loopback import HttpServer, Reply
from registry import Registry, run, skopeo
from service import AccessKey, Account, Instance, Transire

NOT_FOUND = "credentials not found in native keychain"


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


class Client:
    """The commands as a user of another machine runs them: without data, settings or master key."""

    def __init__(self, transire: Transire, home: Path) -> None:
        self._transire, self.home = transire, home
        home.mkdir(exist_ok=True)

    def run(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run_as("transire", *arguments, stdin=stdin, **variables)

    def run_as(self, name: str, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Under another name, as docker calls its helpers."""
        folder = self.home / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / name
        if not program.exists():
            program.symlink_to(os.environ["TRANSIRE_TEST_PROGRAM"])
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], **variables}
        done = subprocess.run([program, *arguments], input=stdin, env=environment, cwd=self.home, capture_output=True, text=True, timeout=60)
        secret = done.stdout.strip()
        if secret.startswith(("trs", "ey")):
            self._transire.remember("secret of the client", secret)
        return done

    def does(self, *arguments: str, stdin: str = "", **variables: str) -> str:
        done = self.run(*arguments, stdin=stdin, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write_profile(self, registry: str, **settings: str) -> None:
        folder = self.home / ".config" / "transire"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f'[registry."{registry}"]', *(f'{name} = "{value}"' for name, value in settings.items())]
        (folder / "client.toml").write_text("\n".join(lines) + "\n")


@pytest.fixture
def client(transire: Transire, tmp_path: Path) -> Client:
    return Client(transire, tmp_path / "home")


def keys(key: AccessKey, cloud: str = "Tencent") -> dict[str, str]:
    if cloud == "Tencent":
        return {"TENCENTCLOUD_SECRET_ID": key.id, "TENCENTCLOUD_SECRET_KEY": key.secret}
    return {"ALIBABA_CLOUD_ACCESS_KEY_ID": key.id, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret}


def endpoint(transire: Transire) -> str:
    """The service as registries name it to their clients."""
    return transire.realm.removesuffix("/token")


def where(transire: Transire, instance: str) -> tuple[str, ...]:
    return ("--endpoint", endpoint(transire), "--instance", instance)


@pytest.mark.parametrize("cloud", ["Tencent", "Alibaba"])
@pytest.mark.parametrize("by", ["tcr_id", "cri_id", "service"])
def test_a_key_gets_a_password(client: Client, transire: Transire, account: Account, instance: Instance, cloud: str, by: str) -> None:
    arguments = ("get-login-password", *where(transire, getattr(instance, by)))
    secret = client.does(*arguments, **keys(account.key, cloud))
    assert secret.startswith("trst_") and "\n" not in secret
    whole = json.loads(client.does(*arguments, "--output", "json", **keys(account.key, cloud)))
    assert set(whole) == {"username", "expires_at", "secret"}
    credential = Credential(whole["username"], transire.remember("secret of the client", whole["secret"]), 0)
    assert exchange(transire.realm, instance, credential).status == 200


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


class Liar:
    """A registry that sends its clients to a realm of its choice, and listens there, too."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.server = HttpServer(self._answer)
        self.address = self.server.address

    def _answer(self, path: str, headers: Mapping[str, str]) -> Reply:
        self.asked.append(f"{path} {headers['Authorization']}")
        return 401, {"WWW-Authenticate": f'Bearer realm="{self.server.url}/token",service="stolen"'}, b""


@pytest.fixture
def liar() -> Iterator[Liar]:
    liar = Liar()
    yield liar
    liar.server.stop()


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
    """A user whose profile names the registry; the variables that docker hands on to its helper."""
    client.write_profile(registry.address, endpoint=endpoint(transire), instance=instance.tcr_id)
    return keys(account.key)


def test_docker_gets_log_ins_from_the_helper(client: Client, registry: Registry, helper: Mapping[str, str], transire: Transire) -> None:
    done = client.run_as("docker-credential-transire", "get", stdin=f"{registry.address}\n", **helper)
    answer = json.loads(done.stdout)
    transire.remember("secret of the client", answer["Secret"])
    assert set(answer) == {"ServerURL", "Username", "Secret"} and answer["ServerURL"] == registry.address
    listed = client.run_as("docker-credential-transire", "list", stdin="unused", **helper)
    assert json.loads(listed.stdout) == {registry.address: "transire"}
    assert client.run_as("docker-credential-transire", "version").stdout.startswith("transire ")


def test_the_helper_says_not_found_for_every_other_registry(client: Client, helper: Mapping[str, str], liar: Liar) -> None:
    for server in (liar.address, "https://index.docker.io/v1/", "registry.example.com"):
        done = client.run_as("docker-credential-transire", "get", stdin=server, **helper)
        assert (done.returncode, done.stdout) == (1, f"{NOT_FOUND}\n")
    assert liar.asked == []


def test_the_helper_accepts_and_drops_what_docker_stores(client: Client, registry: Registry, helper: Mapping[str, str]) -> None:
    stored = json.dumps({"ServerURL": registry.address, "Username": "x", "Secret": "passwordEXAMPLE"})
    for verb, stdin in (("store", stored), ("erase", registry.address)):
        done = client.run_as("docker-credential-transire", verb, stdin=stdin, **helper)
        assert (done.returncode, done.stdout) == (0, "") and "when they are needed" in done.stderr


def test_skopeo_pushes_through_the_helper(client: Client, registry: Registry, helper: Mapping[str, str], tmp_path: Path) -> None:
    client.run_as("docker-credential-transire", "version")
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"credHelpers": {registry.address: "transire"}}))
    image.write_oci_layout(tmp_path / "in", "v1")
    home = {"HOME": str(client.home), "XDG_CONFIG_HOME": str(client.home / ".config")}
    environment = {**helper, **home, "PATH": f"{client.home / 'bin'}:{os.environ['PATH']}"}
    copy = ("skopeo", "--insecure-policy", "copy", f"--dest-authfile={file}", "--dest-tls-verify=false")
    pushed = run(*copy, f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"), environment=environment)
    assert pushed.returncode == 0, pushed.stderr


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
