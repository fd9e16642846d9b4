"""What the token endpoint is asked by clients that aren't here, as they ask it: public reports of other token servers."""

import base64
import http.client
import json
import os
import subprocess
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

import tencent
from credential import Credential, exchange
from registry import Registry
from service import Answer, Instance, Transire, fetch

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
