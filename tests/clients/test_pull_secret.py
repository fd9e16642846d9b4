"""Pull secrets of Kubernetes that are written and renewed, by the examples of docs/kubernetes.md."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import cluster
from authority import Authority
from client import Client, keys, where
from cluster import NAMESPACE, REGISTRY, SERVICE_ACCOUNT, documented
from credential import Credential, exchange
from issuer import LOOPBACK, Issuer
from kube import ApiServer, Refusal
from processes import Daemon, wait_until
from service import Account, Instance, Transire

SECRET = "registry"


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "kube-ca")


@pytest.fixture
def kube(transire: Transire, issuer: Issuer, authority: Authority) -> Iterator[ApiServer]:
    """A cluster whose account has the documented rights."""

    def issue(name: str, audience: str, life: timedelta) -> str:
        return transire.remember("OIDC token", cluster.token(issuer, name, audience, life))

    kube = ApiServer(authority, NAMESPACE, issue)
    kube.account.rules = documented("Role")["rules"]
    kube.put("serviceaccounts", apiVersion="v1", kind="ServiceAccount", metadata={"name": SERVICE_ACCOUNT}, imagePullSecrets=[{"name": "other"}])
    yield kube
    kube.stop()


@pytest.fixture
def trusted(transire: Transire, account: Account, issuer: Issuer, tmp_path: Path) -> None:
    """The cluster's tokens are trusted, as the document says."""
    cluster.trust(transire, account, issuer, tmp_path / "operator")


class Refresher:
    """The documented container, with the account that the kubelet would have mounted."""

    def __init__(self, client: Client, kube: ApiServer, authority: Authority) -> None:
        self._client, self._kube = client, kube
        token = client.home / "kube-token"
        token.write_text(kube.account.token + "\n")
        self.pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(kube.port)}
        self.account = ("--kube-token-file", str(token), "--kube-ca-file", str(authority.file))
        container = documented("Deployment")["spec"]["template"]["spec"]["containers"][0]
        self.command = [*container["command"], *container["args"]]
        self.once = [part for part in self.command[1:] if part != "--watch"]

    def run(self, *more: str, expect: int = 0, without: tuple[str, ...] = (), **variables: str) -> Any:
        """One round: the JSON document, or what is said on standard error."""
        arguments = [part for part in self.once if not part.startswith(without or ("-none",))]
        done = self._client.run(*arguments, *self.account, "--output", "json", *more, **self.pod, **variables)
        assert done.returncode == expect, done.stderr
        return json.loads(done.stdout) if expect == 0 else done.stderr

    def watch(self, log: Path) -> Daemon:
        program = self._client.programs / self.command[0]
        return Daemon([program, *self.command[1:], *self.account], self._client.home, log, {"HOME": str(self._client.home), **self.pod})

    def secret(self) -> dict[str, Any] | None:
        return self._kube.objects.get(("secrets", SECRET))

    def log_in(self) -> Credential:
        """What the kubelet reads out of the Secret."""
        secret = self.secret()
        assert secret and secret["type"] == "kubernetes.io/dockerconfigjson"
        entry = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"][REGISTRY]
        assert base64.b64decode(entry["auth"]).decode() == f"{entry['username']}:{entry['password']}"
        return Credential(entry["username"], entry["password"], 0)


@pytest.fixture
def refresher(client: Client, kube: ApiServer, authority: Authority) -> Refresher:
    return Refresher(client, kube, authority)


@pytest.fixture
def watching(refresher: Refresher, tmp_path: Path) -> Iterator[Callable[[], Daemon]]:
    started: list[Daemon] = []

    def start() -> Daemon:
        started.append(refresher.watch(tmp_path / "refresher.log"))
        return started[-1]

    yield start
    for daemon in started:
        daemon.stop()


def reasons(kube: ApiServer) -> list[str]:
    return [event["reason"] for event in kube.events()]


@pytest.mark.usefixtures("trusted")
def test_the_documented_deployment_writes_a_secret_that_logs_in(
    kube: ApiServer, refresher: Refresher, watching: Callable[[], Daemon], transire: Transire, instance: Instance
) -> None:
    daemon = watching()
    wait_until("the event of the first Secret", kube.events)
    assert exchange(transire.realm, instance, refresher.log_in()).status == 200
    secret = refresher.secret()
    assert secret and secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "transire"}
    (event,) = kube.events()
    account = kube.objects["serviceaccounts", SERVICE_ACCOUNT]
    assert account["imagePullSecrets"] == [{"name": "other"}, {"name": SECRET}]
    assert event["reason"] == "PullSecretRenewed" and event["involvedObject"]["uid"] == account["metadata"]["uid"]
    # The log comes after the event.
    wait_until("the log", lambda: "renewed: the Secret team/registry logs in to registry.example.com until" in daemon.read_log())
    assert daemon.stop() == 143 and kube.refusals == []


def test_a_secret_is_renewed_at_half_of_its_life(kube: ApiServer, refresher: Refresher, watching: Callable[[], Daemon]) -> None:
    kube.token_life = timedelta(seconds=4)
    daemon = watching()
    wait_until("a second renewal", lambda: kube.requests.count(f"update secrets {SECRET}") == 2)
    assert kube.refusals == [] and reasons(kube).count("PullSecretRenewed") >= 2
    assert refresher.log_in().secret not in daemon.read_log() and kube.account.token not in daemon.read_log()


def test_a_fresh_secret_is_not_written_again(kube: ApiServer, refresher: Refresher) -> None:
    first = refresher.run()
    assert first["written"] is True and first["expires_at"] > first["renew_at"]
    kube.requests.clear()
    assert refresher.run() == first | {"written": False}
    assert kube.requests == [f"get serviceaccounts {SERVICE_ACCOUNT}", f"get secrets {SECRET}"]


@pytest.mark.parametrize("how", ["edited", "deleted", "other options"])
def test_a_secret_that_is_not_as_it_was_written_is_written_anew(kube: ApiServer, refresher: Refresher, how: str) -> None:
    refresher.run()
    if how == "edited":
        secret = refresher.secret()
        assert secret
        kube.put("secrets", **(secret | {"data": {".dockerconfigjson": base64.b64encode(b'{"auths": {}}').decode()}}))
    elif how == "deleted":
        del kube.objects["secrets", SECRET]
    more = ("--role=role/other",) if how == "other options" else ()
    without = ("--role",) if how == "other options" else ()
    assert refresher.run(*more, without=without)["written"] is True
    assert refresher.log_in().username == ("role/other" if more else "role/ci")


@pytest.mark.parametrize("change", [{"type": "Opaque"}, {"labels": {"app.kubernetes.io/managed-by": "Helm"}}, {"labels": {}}])
def test_a_secret_of_another_maker_or_type_is_left_as_it_is(kube: ApiServer, refresher: Refresher, change: Mapping[str, Any]) -> None:
    labels = change.get("labels", {"app.kubernetes.io/managed-by": "transire"})
    type_ = change.get("type", "kubernetes.io/dockerconfigjson")
    data = {".dockerconfigjson": base64.b64encode(b"{}").decode()}
    theirs = kube.put("secrets", apiVersion="v1", kind="Secret", metadata={"name": SECRET, "labels": labels}, type=type_, data=data)
    said = refresher.run(expect=1)
    assert "is left as it is" in said and refresher.secret() == theirs
    assert reasons(kube) == ["PullSecretRenewalFailed"]


def test_a_change_by_another_in_the_meantime_is_kept(kube: ApiServer, refresher: Refresher) -> None:
    refresher.run()
    metadata = {"annotations": {"example.com/owner": "team"}}

    def interfere(words: str) -> None:
        secret = refresher.secret()
        if words == f"update secrets {SECRET}" and secret and "example.com/owner" not in secret["metadata"]["annotations"]:
            annotations = secret["metadata"]["annotations"] | metadata["annotations"]
            kube.put("secrets", **(secret | {"metadata": secret["metadata"] | {"annotations": annotations}}))

    with kube.before(interfere):
        assert refresher.run("--role=role/other", without=("--role",))["written"] is True
    secret = refresher.secret()
    assert secret and secret["metadata"]["annotations"]["example.com/owner"] == "team"
    assert [refusal for refusal in kube.refusals if "has been modified" in refusal]
    assert kube.requests.count(f"create serviceaccounts/token {SERVICE_ACCOUNT}") == 2


def test_a_failure_is_told_and_tried_again(kube: ApiServer, watching: Callable[[], Daemon]) -> None:
    failures = iter((True, True))

    def fail(words: str) -> None:
        if words.startswith("create serviceaccounts/token") and next(failures, False):
            raise Refusal(503, "ServiceUnavailable", "etcdserver: request timed out")

    with kube.before(fail):
        daemon = watching()
        wait_until("the Secret", lambda: "renewed" in daemon.read_log())
    assert reasons(kube) == ["PullSecretRenewalFailed", "PullSecretRenewalFailed", "PullSecretRenewed"]
    log = daemon.read_log()
    assert "etcdserver: request timed out; the next try is in 1 s" in log and "the next try is in 2 s" in log
    assert log.index("failed") < log.index("renewed")


def test_a_missing_right_is_named(kube: ApiServer, refresher: Refresher) -> None:
    kube.account.rules = [rule for rule in kube.account.rules if rule["resources"] not in (["serviceaccounts/token"], ["events"])]
    said = refresher.run(expect=1)
    assert "User cannot create resource" in said and "serviceaccounts/token" in said and "docs/kubernetes.md" in said
    assert "no event is written" in said and refresher.secret() is None


def test_an_api_server_that_proves_nothing_gets_no_token(kube: ApiServer, refresher: Refresher, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other-ca")
    token = refresher.account[:2]
    refresher.account = (*token, "--kube-ca-file", str(other.file))
    assert "TLS with 127.0.0.1 failed" in refresher.run(expect=1)
    assert kube.requests == kube.refusals == []


def test_a_key_fills_a_secret_without_a_service_account(
    kube: ApiServer, refresher: Refresher, transire: Transire, account: Account, instance: Instance
) -> None:
    kube.account.rules = [rule for rule in kube.account.rules if rule["resources"] in (["secrets"], ["events"])]
    by_key = ("--service-account", "--add-to", "--audience", "--role")
    made = refresher.run(*where(transire, instance.tcr_id), without=by_key, **keys(account.key))
    assert made["written"] is True
    log_in = refresher.log_in()
    assert transire.remember("secret of the client", log_in.secret).startswith("trst_")
    assert exchange(transire.realm, instance, log_in).status == 200
    (event,) = kube.events()
    assert event["involvedObject"]["kind"] == "Secret" and kube.refusals == []


def test_a_service_accounts_token_is_for_an_audience(refresher: Refresher) -> None:
    assert "--audience" in refresher.run(expect=2, without=("--audience",))


def test_a_documented_account_has_the_documented_role() -> None:
    role, binding, deployment = documented("Role"), documented("RoleBinding"), documented("Deployment")
    account = documented("ServiceAccount")["metadata"]["name"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [account]
    spec = deployment["spec"]
    assert spec["template"]["spec"]["serviceAccountName"] == account and spec["replicas"] == 1
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert {object_["metadata"]["namespace"] for object_ in (role, binding, deployment)} == {NAMESPACE}
