"""The token endpoint as clients ask it, by the public reports of what went wrong at other token servers.

Where the client of a report installs, it is run; the others are asked for by hand, as they ask.
"""

import base64
import hashlib
import http.client
import json
import os
import re
import subprocess
import threading
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import oras.client
import pytest
import requests
from dxf import DXF, DXFBase
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.tcr.v20190924 import models

import image
import tencent
from authority import Authority
from credential import Credential, exchange
from processes import wait_until
from registry import Registry, skopeo, skopeo_login
from service import AccessKey, Account, Answer, Instance, Transire, fetch

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def credential(transire: Transire, instance: Instance) -> Credential:
    return tencent.issue(transire, instance.account.key, instance.tcr_id)


def token(transire: Transire, answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return transire.remember("token", answer.json()["access_token"])


def granted(token: str) -> dict[str, set[str]]:
    """What a token says that it allows, by name."""
    payload = token.split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {entry["name"]: set(entry["actions"]) for entry in said["access"]}


def asks_registry(registry: Registry, token: str, path: str, data: bytes | None = None) -> int:
    """The status of a request at the registry; 404 is that of a repository which is empty, and may be read."""
    return fetch(f"http://{registry.address}/v2/{path}", {"Authorization": f"Bearer {token}"}, data).status


def post(transire: Transire, instance: Instance, credential: Credential, *scopes: str) -> Answer:
    form = [("grant_type", "password"), ("service", instance.service), ("client_id", "containerd-client")]
    form += [("username", credential.username), ("password", credential.secret), *(("scope", scope) for scope in scopes)]
    return fetch(transire.realm, FORM, urllib.parse.urlencode(form).encode())


def test_a_registry_takes_a_token_for_hundreds_of_repositories(
    transire: Transire, instance: Instance, registry: Registry, credential: Credential
) -> None:
    """goharbor/harbor#14414, openshift/oc#789: a mirror of a catalogue asks for all its repositories at once."""
    scopes = [f"repository:catalog/image-{number:04}:pull" for number in range(500)]
    for answer in (exchange(transire.realm, instance, credential, *scopes), post(transire, instance, credential, " ".join(scopes))):
        made = token(transire, answer)
        for number in (0, 250, 499):
            assert asks_registry(registry, made, f"catalog/image-{number:04}/tags/list") == 404
        assert asks_registry(registry, made, "catalog/image-0500/tags/list") == 401


@pytest.mark.parametrize("form", [["-d", "grant_type=password"], [], None], ids=["grant-type", "no-grant-type", "no-form"])
def test_curl_posts_a_form_and_logs_in_by_basic(
    transire: Transire, instance: Instance, credential: Credential, form: list[str] | None
) -> None:
    """VS Code's older Docker extension does the same; both got 400."""
    asks = f"service={instance.service}&scope=repository:team/app:pull"
    url = transire.realm if form is not None else f"{transire.realm}?{asks}"
    sent = ["-X", "POST"] if form is None else [*form, "-d", asks]
    config = f'user = "{credential.username}:{credential.secret}"'
    # --noproxy: this machine alone is meant.
    command = ["curl", "--silent", "--fail-with-body", "--noproxy", "*", "--config", "-", *sent, url]
    done = subprocess.run(command, input=config, capture_output=True, text=True, timeout=60, env=os.environ)
    assert done.returncode == 0, done.stdout
    made = json.loads(done.stdout)
    assert granted(transire.remember("token", made["token"])) == {"team/app": {"pull"}}
    assert made["scope"] == "repository:team/app:pull"


def test_a_page_of_a_user_interface_may_ask(new_transire: Callable[..., Transire]) -> None:
    """Joxit/docker-registry-ui#303: what a browser sends for a page, by hand."""
    page = "https://ui.example.com"
    transire = new_transire(settings={"TRANSIRE_CORS__ORIGINS": f"['{page}']"})
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    asked = f"/token?service={instance.service}&scope=registry:catalog:*"

    def ask(method: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(transire.endpoint, timeout=10)
        connection.request(method, asked, headers={"Origin": page, **headers})
        answer = connection.getresponse()
        assert answer.headers["Access-Control-Allow-Origin"] == page
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        return answer

    preflight = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    assert ask("OPTIONS", preflight).status == 204
    refused = ask("GET", {})
    assert (refused.status, refused.headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
    answer = ask("GET", {"Authorization": credential.basic()})
    made = transire.remember("token", json.loads(answer.read())["token"])
    assert granted(made) == {"catalog": {"*"}}


ORDERS = [["pull", "pull,push"], ["pull,push", "pull"], ["push,pull", "pull"], ["push", "pull"], ["pull", "push"]]


@pytest.mark.parametrize("actions", ORDERS, ids=" ".join)
def test_two_scopes_of_one_repository_are_united_in_every_order(
    transire: Transire, instance: Instance, registry: Registry, credential: Credential, actions: list[str]
) -> None:
    """helm/helm#12121: of `pull` and `pull,push`, another token server heard one alone."""
    scopes = [f"repository:charts/app:{action}" for action in actions]
    authorization = {"Authorization": credential.basic()}
    for query in (
        "&".join(f"scope={scope}" for scope in scopes),
        "scope=" + "+".join(scopes),
        "scope=" + "%20".join(scopes),
        urllib.parse.urlencode({"scope": " ".join(scopes)}),
    ):
        made = token(transire, fetch(f"{transire.realm}?service={instance.service}&{query}", authorization))
        assert granted(made) == {"charts/app": {"pull", "push"}}, query
        assert asks_registry(registry, made, "charts/app/blobs/uploads/", b"") == 202
    for answer in (post(transire, instance, credential, *scopes), post(transire, instance, credential, " ".join(scopes))):
        assert granted(token(transire, answer)) == {"charts/app": {"pull", "push"}}


@pytest.mark.parametrize("name", ["push", "team/push", "push/pull", "team/helm-push-oci", "delete"])
def test_a_repository_may_be_called_as_an_action_is(
    transire: Transire, instance: Instance, registry: Registry, credential: Credential, name: str
) -> None:
    """eclipse-jkube/jkube#2419: a name with `push` in it was taken for the action."""
    reads = token(transire, exchange(transire.realm, instance, credential, f"repository:{name}:pull"))
    writes = token(transire, exchange(transire.realm, instance, credential, f"repository:{name}:pull,push"))
    assert (granted(reads), granted(writes)) == ({name: {"pull"}}, {name: {"pull", "push"}})
    assert [asks_registry(registry, made, f"{name}/blobs/uploads/", b"") for made in (reads, writes)] == [401, 202]


def test_an_image_is_pushed_to_a_repository_that_is_called_push(
    transire: Transire, instance: Instance, registry: Registry, credential: Credential, tmp_path: Path
) -> None:
    """eclipse-jkube/jkube#2419, by a real client."""
    assert skopeo_login(registry, credential).returncode == 0
    image.write_oci_layout(tmp_path / "in", "v1")
    there = registry.reference("team/push:v1")
    for done in (
        skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", there),
        skopeo("inspect", "--tls-verify=false", there),
    ):
        assert done.returncode == 0, done.stderr


def test_a_client_pulls_first_and_asks_for_the_push_later(
    transire: Transire, instance: Instance, registry: Registry, credential: Credential
) -> None:
    """helm/helm#32144: a token to pull what isn't there yet was refused, and the push never came. What helm 3.18 does, by hand."""

    def by_challenge(path: str, bearer: str | None = None, data: bytes | None = None) -> str:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        refused = fetch(f"http://{registry.address}/v2/{path}", headers, data)
        assert refused.status == 401
        scope = re.search(r'scope="([^"]*)"', refused.headers["WWW-Authenticate"])
        assert scope, refused.headers["WWW-Authenticate"]
        return token(transire, exchange(transire.realm, instance, credential, scope[1]))

    reads = by_challenge("charts/new/manifests/v1")
    assert granted(reads) == {"charts/new": {"pull"}}
    assert asks_registry(registry, reads, "charts/new/manifests/v1") == 404
    writes = by_challenge("charts/new/blobs/uploads/", reads, b"")
    assert asks_registry(registry, writes, "charts/new/blobs/uploads/", b"") == 202


def test_oras_py_pushes_and_pulls(
    transire: Transire,
    instance: Instance,
    registry: Registry,
    credential: Credential,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """helm/helm#32144, by a client that keeps its first token, to pull, whatever it does next: a push brings its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.txt").write_text("all is well")
    target = f"{registry.address}/artifacts/report:v1"

    def client() -> oras.client.OrasClient:
        made = oras.client.OrasClient(insecure=True)
        made.auth.set_basic_auth(credential.username, credential.secret)
        return made

    with pytest.raises(ValueError, match="authentication required"):
        client().push(target, files=["report.txt"])
    pusher = client()
    answer = exchange(transire.realm, instance, credential, "repository:artifacts/report:pull,push")
    pusher.auth.set_token_auth(token(transire, answer))
    assert pusher.push(target, files=["report.txt"]).status_code == 201
    (tmp_path / "out").mkdir()
    [pulled] = client().pull(target, outdir=str(tmp_path / "out"))
    assert Path(pulled).read_text() == "all is well"
    assert client().get_tags(target) == ["v1"]


@pytest.mark.parametrize("actions", [None, ["pull", "push"], ["*"]], ids=["by-challenge", "pull-push", "everything"])
def test_dxf_pushes_and_pulls(
    new_transire: Callable[..., Transire], new_registry: Callable[..., Registry], tmp_path: Path, actions: list[str] | None
) -> None:
    """davedoesdev/dxf#31: it asks by the challenge, or for what it is told, and by TLS alone."""
    authority = Authority(tmp_path / "authority")
    authority.issue("localhost", "127.0.0.1")
    transire = new_transire(authority=authority)
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    registry = new_registry(transire, instance, authority=authority)
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)

    def log_in(client: DXFBase, response: requests.Response) -> None:
        client.authenticate(credential.username, credential.secret, actions=actions, response=response)

    client = DXF(registry.address, "artifacts/blob", log_in, tlsverify=str(authority.file))
    content = b"all is well"
    digest = client.push_blob(data=iter([content]), digest=f"sha256:{hashlib.sha256(content).hexdigest()}")
    client.set_alias("v1", digest)
    reader = DXF(registry.address, "artifacts/blob", log_in, tlsverify=str(authority.file))
    assert (reader.list_aliases(), reader.get_alias("v1")) == (["v1"], [digest])
    assert b"".join(reader.pull_blob(digest)) == content


def test_one_refresh_token_is_used_thirty_times_at_once(transire: Transire, account: Account) -> None:
    """A node pulls thirty images at once with the one that it has."""
    instance = transire.new_instance(account, "refreshing", "--refresh-tokens", "on")
    credential = tencent.issue(transire, account.key, instance.tcr_id)
    logged_in = exchange(transire.realm, instance, credential, offline_token="true").json()
    transire.remember("token", logged_in["token"])
    refresh = transire.remember("refresh token", logged_in["refresh_token"])

    def use(number: int) -> dict[str, set[str]]:
        form = {"grant_type": "refresh_token", "service": instance.service, "client_id": "docker", "refresh_token": refresh}
        form["scope"] = f"repository:team/app{number}:pull"
        return granted(token(transire, fetch(transire.realm, FORM, urllib.parse.urlencode(form).encode())))

    with ThreadPoolExecutor(30) as threads:
        assert list(threads.map(use, range(30))) == [{f"team/app{number}": {"pull"}} for number in range(30)]


def test_a_namespace_that_begins_as_another_is_another(transire: Transire, account: Account, instance: Instance, tmp_path: Path) -> None:
    """goharbor/harbor#16050: who could reach `team` reached `team-b`, too."""
    names = ["team/app", "team/app/deep", "team-b/app", "teamb/app", "team.b/app", "tea/app", "team"]
    within = {"team/app": {"pull"}, "team/app/deep": {"pull"}}
    scopes = [f"repository:{name}:pull" for name in names]

    request = models.CreateServiceAccountRequest()
    permissions = [{"Resource": "team", "Actions": ["tcr:PullRepository"]}]
    request.from_json_string(json.dumps({"RegistryId": instance.tcr_id, "Name": "robot", "Permissions": permissions}))
    made = tencent.client(transire, account.key).CreateServiceAccount(request)
    robot = Credential(made.Name, transire.remember("service account password", made.Password), 0)
    assert granted(token(transire, exchange(transire.realm, instance, robot, *scopes))) == within

    transire.cli("user", "create", "--account", account.id, "--name", "ci")
    key = transire.cli("access-key", "create", "--account", account.id, "--user", "ci")
    key = AccessKey(key["access_key_id"], transire.remember("access key secret", key["access_key_secret"]))
    resources = [f"qcs::tcr:::repository/{instance.tcr_id}/team/*", f"qcs::tcr:::instance/{instance.tcr_id}"]
    allow = {"effect": "allow", "action": ["tcr:PullRepository", "tcr:CreateInstanceToken"], "resource": resources}
    (tmp_path / "policy.json").write_text(json.dumps({"version": "2.0", "statement": [allow]}))
    transire.cli("policy", "create", "--account", account.id, "--name", "team", "--document", tmp_path / "policy.json")
    transire.cli("policy", "attach", "--account", account.id, "--name", "team", "--user", "ci")
    credential = wait_until("the policy to be obeyed", lambda: issued(transire, key, instance))
    # In CAM's words a path names itself, too.
    assert granted(token(transire, exchange(transire.realm, instance, credential, *scopes))) == {**within, "team": {"pull"}}


def issued(transire: Transire, key: AccessKey, instance: Instance) -> Credential | None:
    try:
        return tencent.issue(transire, key, instance.tcr_id)
    except TencentCloudSDKException:
        return None


@pytest.mark.parametrize("service", ["None", "null", "undefined"])
def test_a_service_that_a_client_left_unset_is_named_in_the_refusal(
    transire: Transire, instance: Instance, credential: Credential, service: str
) -> None:
    """quay/quay#1603: `service=None` was an internal error."""
    asked = f"/token?service={service}&scope=repository:team/app:pull"
    stranger = transire.fetch(asked)
    assert stranger.status == 400
    assert f'"{service}"' in stranger.json()["errors"][0]["message"]
    # With a credential nothing says which part is wrong.
    assert transire.fetch(asked, {"Authorization": credential.basic()}).status == 401


def test_a_form_is_read_though_its_client_would_like_another_protocol(
    transire: Transire, instance: Instance, credential: Credential
) -> None:
    """helidon-io/helidon#9354: a POST with `Upgrade: h2c` lost its body. curl sends that by itself."""
    form = [f"service={instance.service}", "grant_type=password", f"username={credential.username}", "scope=repository:a:pull"]
    command = ["curl", "--silent", "--fail-with-body", "--noproxy", "*", "--http2", "--dump-header", "-", "--config", "-", transire.realm]
    config = "".join(f'data = "{part}"\n' for part in [*form, f"password={credential.secret}"])
    done = subprocess.run(command, input=config, capture_output=True, text=True, timeout=60, env=os.environ)
    assert done.returncode == 0, done.stdout
    head, _, body = done.stdout.partition("\n\n") if "\n\n" in done.stdout else done.stdout.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200"), head
    assert granted(transire.remember("token", json.loads(body)["token"])) == {"a": {"pull"}}


@pytest.mark.parametrize("second", ["the-same", "another", "bearer"])
def test_two_authorization_lines_are_refused_and_said_so(
    transire: Transire, instance: Instance, credential: Credential, second: str
) -> None:
    """openai/tart#922: one client sent two, and each server went by another one."""
    other = {"the-same": credential.basic(), "another": Credential("nobody", "x", 0).basic(), "bearer": "Bearer abc"}[second]
    connection = http.client.HTTPConnection(transire.endpoint, timeout=10)
    connection.putrequest("GET", f"/token?service={instance.service}")
    connection.putheader("Authorization", credential.basic())
    connection.putheader("Authorization", other)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 401
    assert "one Authorization header" in json.loads(answer.read())["errors"][0]["message"]


def test_commands_are_obeyed_while_the_service_is_busy(new_transire: Callable[..., Transire]) -> None:
    """An operator's command meets a service that writes to the same database all the time; neither may fail."""
    transire = new_transire(settings={"TRANSIRE_LIMITS__REQUESTS_PER_SECOND": "100000"})
    transire.start()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    stop = threading.Event()
    failures: list[str] = []

    def keep_busy() -> None:
        while not stop.is_set():
            try:
                credential = tencent.issue(transire, account.key, instance.tcr_id, "longterm")
                answer = exchange(transire.realm, instance, credential, "repository:team/app:pull")
                failures.extend([] if answer.status == 200 else [f"{answer.status} {answer.body!r}"])
            except Exception as error:  # noqa: BLE001
                failures.append(repr(error))

    busy = [threading.Thread(target=keep_busy) for _ in range(3)]
    for thread in busy:
        thread.start()
    try:
        for number in range(8):
            made = transire.new_instance(account, f"other{number}")
            # A new instance, and a new key with it, can be used at once.
            key = transire.new_access_key(account.id)
            credential = wait_until("the key to be known", lambda key=key, made=made: issued(transire, key, made))
            assert exchange(transire.realm, made, credential).status == 200
            transire.cli("access-key", "disable", "--id", key.id)
            wait_until(
                "the key to be refused", lambda made=made, credential=credential: exchange(transire.realm, made, credential).status == 401
            )
    finally:
        stop.set()
        for thread in busy:
            thread.join()
    assert failures == []
