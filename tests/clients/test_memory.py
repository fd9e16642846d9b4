"""Secrets in the memory of the service: those of a request are gone when it is answered."""

import http.client
import json
import os
import secrets
import subprocess
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from tencentcloud.common import credential as tencent_credential
from tencentcloud.sts.v20180813.models import GetFederationTokenRequest
from tencentcloud.sts.v20180813.sts_client import StsClient

import alibaba
import process_memory
import tencent
from authority import Authority
from credential import Credential, exchange
from issuer import LOOPBACK, Issuer
from processes import wait_until
from service import REGION, AccessKey, Account, Answer, Instance, Transire, fetch

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TYPES = "urn:transire:params:oauth:token-type"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root alone reads the service's memory")

Secrets = dict[str, str | bytes]


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    transire = new_transire(settings={"TRANSIRE_ADMIN_LISTEN": "0", **LOOPBACK})
    transire.start()
    return transire


def await_gone(transire: Transire, given: Secrets) -> None:
    """Waits until none of the secrets is in the service's memory: a connection gives its buffers back when it rests."""
    left: list[str] = []

    def is_clean() -> bool:
        left[:] = process_memory.found(transire.pid, given)
        return not left

    try:
        wait_until("the secrets to be gone", is_clean)
    except AssertionError:
        pytest.fail("in the memory of the service:\n" + "\n".join(left))


def post(transire: Transire, path: str, **fields: str) -> Answer:
    return fetch(f"{transire.scheme}://{transire.endpoint}{path}", FORM, urllib.parse.urlencode(fields).encode(), transire.authority)


def log_in(transire: Transire, instance: Instance, credential: Credential, **more: str) -> Answer:
    """Asks for a token by a form."""
    form = {"grant_type": "password", "service": instance.service, **more}
    return post(transire, "/token", **form, username=credential.username, password=credential.secret)


def invented() -> str:
    return secrets.token_hex(24)


def ending(token: str) -> str:
    """The part of a token that no other one has: its seal or its signature."""
    return token[-64:]


def test_the_search_finds_the_master_key_and_a_secret_under_way(transire: Transire) -> None:
    text = (transire.data_dir / "master.key").read_text().strip()
    assert process_memory.found(transire.pid, {"the master key": bytes.fromhex(text)})
    secret = invented()
    begun = http.client.HTTPConnection(transire.endpoint)
    begun.connect()
    # A head that isn't whole yet.
    basic = Credential("nobody", secret, 0).basic()
    begun.sock.sendall(f"GET /token HTTP/1.1\r\nHost: a\r\nAuthorization: {basic}\r\n".encode())
    wait_until("the secret to arrive", lambda: process_memory.found(transire.pid, {"a secret": secret}))
    begun.sock.sendall(b"\r\n")
    assert begun.sock.recv(12) == b"HTTP/1.1 400"
    # The connection stays open.
    await_gone(transire, {"a secret": secret, "the text of the master key": text})
    begun.close()


def test_credentials_are_gone_when_they_were_issued_and_logged_in(transire: Transire, instance: Instance) -> None:
    key, given = instance.account.key, Secrets()
    made = {kind: tencent.issue(transire, key, instance.tcr_id, kind) for kind in ("temp", "longterm")}
    made["alibaba"] = alibaba.issue(transire, key, instance.cri_id)
    for kind, credential in made.items():
        given[kind] = ending(credential.secret)
        assert exchange(transire.realm, instance, credential).status == 200
        assert log_in(transire, instance, credential).status == 200
        wrong = Credential(credential.username, invented(), 0)
        given[f"{kind}, wrong"] = wrong.secret
        assert exchange(transire.realm, instance, wrong).status == 401
        assert log_in(transire, instance, wrong).status == 401
    form = {"audience": instance.service, "subject_token_type": f"{TYPES}:registry-credential"}
    form |= {"subject_token": made["temp"].secret, "username": made["temp"].username}
    answer = post(transire, "/oauth/token", grant_type="urn:ietf:params:oauth:grant-type:token-exchange", **form)
    assert answer.status == 200, answer.body
    given["narrower"] = ending(transire.remember("narrower credential", answer.json()["access_token"]))
    await_gone(transire, given)


def test_refresh_tokens_are_gone_when_they_were_exchanged(transire: Transire, account: Account) -> None:
    instance = transire.new_instance(account, "refreshing", "--refresh-tokens", "on")
    credential = tencent.issue(transire, account.key, instance.tcr_id)
    answer = log_in(transire, instance, credential, access_type="offline", client_id="docker")
    token = transire.remember("refresh token", answer.json()["refresh_token"])
    form = {"grant_type": "refresh_token", "service": instance.service, "client_id": "docker"}
    assert post(transire, "/token", **form, refresh_token=token).status == 200
    wrong = token[:-64] + invented() + invented()[:16]
    assert post(transire, "/token", **form, refresh_token=wrong).status == 401
    await_gone(transire, {"a refresh token": ending(token), "a wrong one": ending(wrong)})


def test_passwords_are_gone_when_they_were_set_and_logged_in(transire: Transire, instance: Instance) -> None:
    account, chosen = instance.account, f"Ch0sen{invented()[:26]}"
    assert len(chosen) == 32
    alibaba.reset_login_password(transire, account.key, instance.cri_id, chosen)
    given: Secrets = {"a chosen password": chosen}
    for secret in (chosen, invented()):
        given[f"the password {secret}"] = secret
        exchange(transire.realm, instance, Credential(account.id, secret, 0))
        log_in(transire, instance, Credential(account.id, secret, 0))
    assert exchange(transire.realm, instance, Credential("acme", chosen, 0)).status == 200
    made = transire.cli("service-account", "create", "--instance", instance.tcr_id, "--name", "robot", "--permission", "team:pull")
    robot = Credential(made["name"], transire.remember("service account password", made["password"]), 0)
    given["a service account's password"] = robot.secret
    assert exchange(transire.realm, instance, robot).status == 200
    assert log_in(transire, instance, robot).status == 200
    await_gone(transire, given)


def test_sessions_are_gone_when_they_were_opened_and_used(transire: Transire, account: Account, instance: Instance) -> None:
    client = StsClient(tencent_credential.Credential(account.key.id, account.key.secret), REGION, tencent.profile(transire))
    request = GetFederationTokenRequest()
    request.Name = "someone"
    request.Policy = urllib.parse.quote(json.dumps({"version": "2.0", "statement": [{"effect": "allow", "action": "*", "resource": "*"}]}))
    made = client.GetFederationToken(request).Credentials
    session = AccessKey(made.TmpSecretId, transire.remember("session secret", made.TmpSecretKey), transire.remember("session", made.Token))
    credential = tencent.issue(transire, session, instance.tcr_id)
    assert exchange(transire.realm, instance, credential).status == 200
    await_gone(transire, {"the secret": session.secret, "the token": ending(str(session.token))})


@pytest.mark.usefixtures("keyless")
def test_jobs_tokens_are_gone_when_they_were_logged_in(transire: Transire, instance: Instance, issuer: Issuer) -> None:
    token = transire.remember("OIDC token", issuer.token("repo:example-org@123456/app@456789:ref:refs/heads/main"))
    credential = Credential("role/builder", token, 0)
    assert exchange(transire.realm, instance, credential).status == 200
    assert log_in(transire, instance, credential).status == 200
    wrong = token[:-64] + invented() + invented()[:16]
    assert exchange(transire.realm, instance, Credential("role/builder", wrong, 0)).status == 401
    await_gone(transire, {"a job's token": ending(token), "a wrong one": ending(wrong)})


def test_operators_tokens_are_gone_when_they_were_used(transire: Transire, account: Account) -> None:
    token = transire.remember("operator token", transire.cli("operator", "create", "--name", "alice", "--role", "admin")["token"])
    wrong, at, given = token[:-48] + invented(), f"http://{transire.admin}", Secrets()
    json_body = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}

    def create(path: str, **body: Any) -> dict[str, Any]:
        answer = fetch(f"{at}/admin/v1/{path}", json_body, json.dumps(body).encode())
        assert answer.status == 201, answer.body
        return dict(answer.json())

    given["another operator's token"] = create("operators", name="bob", role="auditor")["token"][-48:]
    made = create("access-keys", account=account.id)
    given["an access key's secret"] = made["access_key_secret"]
    assert fetch(f"{at}/admin/v1/accounts", {"Authorization": f"Bearer {wrong}"}).status == 401
    form = [f"{at}/console/log-in", "--data-urlencode", "operator_token@-", "--header", f"Origin: {at}"]
    cookies = []
    for typed in (token, wrong):
        page = subprocess.run(["curl", "-sS", "--include", *form], input=typed, capture_output=True, text=True, check=True).stdout
        cookies += [line.split("=", 1)[1].split(";")[0] for line in page.split("\n") if line.lower().startswith("set-cookie: transire-console=")]
    [cookie] = cookies
    assert fetch(f"{at}/console/accounts", {"Cookie": f"transire-console={cookie}"}).status == 200
    for name, secret in (("an operator's token", token), ("a wrong one", wrong), ("a console session", cookie)):
        given[name] = secret[-48:]
    await_gone(transire, given)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_secrets_over_tls_are_gone_when_the_connection_ended(
    new_transire: Callable[..., Transire], authority: Authority, version: str
) -> None:
    transire = new_transire(authority=authority)
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    known = tencent.issue(transire, instance.account.key, instance.tcr_id)
    given: Secrets = {}
    for credential, status in ((known, "200"), (Credential(known.username, invented(), 0), "401")):
        given[status] = ending(credential.secret)[-48:]
        asked = ["--get", transire.realm, "--data-urlencode", f"service={instance.service}", "--config", "-"]
        command = ["curl", "-sS", "--noproxy", "*", version, "--cacert", str(authority.file), "-o", os.devnull, "-w", "%{http_code}", *asked]
        pair = f'user = "{credential.username}:{credential.secret}"\n'
        assert subprocess.run(command, input=pair, capture_output=True, text=True, check=True).stdout == status
        assert log_in(transire, instance, credential).status == int(status)
    await_gone(transire, given)
