"""OpenID Connect: tokens of an issuer of another make."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_credentials.client import Client as Credentials
from alibabacloud_credentials.models import Config as CredentialsConfig
from tencentcloud.common import credential as tencent_credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import alibaba
import image
import tencent
from credential import Credential, exchange
from issuer import AUDIENCE, JOBS, LOOPBACK, Issuer, create_provider, job_token
from processes import wait_until
from registry import Registry, assert_logs_in, docker_login, podman_login, skopeo, skopeo_login
from service import REGION, AccessKey, Account, Instance, Transire

@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


@pytest.fixture
def check(transire: Transire, account: Account, tmp_path: Path) -> Callable[[str], list[str | Path]]:
    """The command that checks a token."""

    def command(token: str) -> list[str | Path]:
        file = tmp_path / "token"
        file.write_text(transire.remember("OIDC token", token) + "\n")
        return ["oidc-provider", "check", "--account", account.id, "--name", "ci", "--token", file]

    return command


def test_a_token_that_another_library_signed_is_believed(
    transire: Transire, account: Account, issuer: Issuer, check: Callable[[str], list[str | Path]]
) -> None:
    made = create_provider(transire, account, issuer.url, "--algorithm", "RS256")
    expected = {"name": "ci", "issuer": issuer.url, "audiences": [AUDIENCE], "algorithms": ["RS256"], "keys": "fetched"}
    assert made == expected
    [listed] = transire.items("oidc-provider", "list", "--account", account.id)
    assert listed.pop("created_at") and listed == expected

    subject = "repo:example-org/app:ref:refs/heads/main"
    believed = transire.cli(*check(issuer.token(subject, repository="example-org/app")))
    assert set(believed) == {"subject", "issuer", "audiences", "issued_at", "expires_at", "claims"}
    assert (believed["subject"], believed["issuer"], believed["audiences"]) == (subject, issuer.url, [AUDIENCE])

    assert "expired" in transire.cli_refused(*check(issuer.token(subject, exp=int(time.time()) - 120)))
    assert "audiences" in transire.cli_refused(*check(issuer.token(subject, aud="sts.example.org")))
    other = Issuer()
    assert "signed by no key" in transire.cli_refused(*check(other.token(subject, iss=issuer.url)))
    other.stop()

    transire.cli("oidc-provider", "delete", "--account", account.id, "--name", "ci")
    assert "no such OIDC provider" in transire.cli_refused(*check(issuer.token(subject)))


def test_an_issuer_may_end_with_a_slash(
    transire: Transire, account: Account, issuer: Issuer, check: Callable[[str], list[str | Path]]
) -> None:
    """element-hq/matrix-authentication-service#2352: such issuers were asked at `//.well-known`, or compared without the slash."""
    without = issuer.url
    issuer.url = f"{without}/"
    assert create_provider(transire, account, issuer.url)["issuer"] == issuer.url
    assert transire.cli(*check(issuer.token("builder")))["issuer"] == issuer.url
    assert "issuer" in transire.cli_refused(*check(issuer.token("builder", iss=without)))


def test_a_token_may_be_for_several_audiences(
    transire: Transire, account: Account, issuer: Issuer, check: Callable[[str], list[str | Path]]
) -> None:
    """minio/minio#8933: a list of audiences couldn't be read."""
    create_provider(transire, account, issuer.url)
    several = ["account", AUDIENCE, "other.example.com"]
    assert transire.cli(*check(issuer.token("builder", aud=several)))["audiences"] == several
    for others in (["account", "other.example.com"], []):
        assert "aud" in transire.cli_refused(*check(issuer.token("builder", aud=others)))


def test_an_operator_hears_why_keys_can_not_be_fetched(
    transire: Transire, account: Account, issuer: Issuer, check: Callable[[str], list[str | Path]]
) -> None:
    create_provider(transire, account, issuer.url)
    token = issuer.token("builder")
    issuer.stop()
    refusal = transire.cli_refused(*check(token))
    assert "keys can't be fetched" in refusal and "can't be connected to" in refusal


def test_given_keys_need_no_issuer(
    transire: Transire, account: Account, issuer: Issuer, check: Callable[[str], list[str | Path]], tmp_path: Path
) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(issuer.keys()))
    issuer.stop()
    place = "https://kubernetes.default.svc.cluster.local"
    assert create_provider(transire, account, place, "--jwks", file)["keys"] == "given"
    subject = "system:serviceaccount:ci:builder"
    assert transire.cli(*check(issuer.token(subject, iss=place, aud=[AUDIENCE])))["subject"] == subject


def test_a_cluster_rotates_its_keys_without_a_refusal(
    transire: Transire, account: Account, instance: Instance, issuer: Issuer, keyless: dict[str, Any], tmp_path: Path
) -> None:
    """Keys that were given couldn't be replaced: the provider had to be deleted and made again."""
    file = tmp_path / "jwks.json"
    named = ("--account", account.id, "--name", "ci")

    def give(*keys: dict[str, Any]) -> None:
        file.write_text(json.dumps({"keys": keys}))
        assert transire.cli("oidc-provider", "update", *named, "--jwks", file)["keys"] == "given"

    def status(token: str) -> int:
        return exchange(transire.realm, instance, Credential("jwt", transire.remember("OIDC token", token), expires_at=0)).status

    subject = "system:serviceaccount:ci:builder"
    successor = Issuer("two")
    old, new = issuer.token(subject), successor.token(subject, iss=issuer.url)
    [old_key], [new_key] = issuer.keys()["keys"], successor.keys()["keys"]
    issuer.stop()
    successor.stop()
    give(old_key)
    assert status(old) == 200
    give(old_key, new_key)
    wait_until("the new key to be known", lambda: status(new) == 200)
    assert status(old) == 200
    give(new_key)
    wait_until("the old key to be gone", lambda: status(old) == 401)
    assert status(new) == 200
    assert json.loads(transire.cli("oidc-provider", "show", *named)["jwks"]) == {"keys": [new_key]}


def test_an_issuer_inside_the_network_is_refused_unless_it_is_set(new_transire: Callable[..., Transire], issuer: Issuer) -> None:
    strict = new_transire("strict")
    strict.cli("init")
    account = strict.new_account("acme")
    command = ["oidc-provider", "create", "--account", account.id, "--name", "ci", "--audience", AUDIENCE, "--issuer"]
    assert "allow_http" in strict.cli_refused(*command, issuer.url, exit_code=2)
    assert "allow_private_addresses" in strict.cli_refused(*command, "https://169.254.169.254", exit_code=2)


def test_a_preset_fills_in_the_issuer_and_suggests_a_policy_that_a_role_takes(
    transire: Transire, account: Account, tmp_path: Path
) -> None:
    command = ("oidc-provider", "create", "--account", account.id, "--audience", AUDIENCE, "--preset")
    made = transire.cli(*command, "github", "--name", "actions")
    assert (made["issuer"], made["algorithms"]) == ("https://token.actions.githubusercontent.com", ["RS256"])
    policy = tmp_path / "trust.json"
    policy.write_text(made["trust_policy"])
    assert "repo:example-org@123456/app@456789:" in made["trust_policy"]
    role = transire.cli("role", "create", "--account", account.id, "--name", "ci", "--trust-policy", policy)
    assert role["warnings"] == []

    own = transire.cli(*command, "gitlab", "--name", "own", "--issuer", "https://gitlab.example.com", "--algorithm", "ES256")
    assert (own["issuer"], own["algorithms"]) == ("https://gitlab.example.com", ["ES256"])
    refused = transire.cli_refused(*command, "forgejo", "--name", "forge", exit_code=2)
    assert "--issuer" in refused and "https://forgejo.example.com/api/actions" in refused


@pytest.mark.parametrize("repository", ["example-org/app", "example-org@123456/app@456789"], ids=["named", "numbered"])
def test_a_job_pushes_without_an_access_key(
    transire: Transire,
    account: Account,
    instance: Instance,
    registry: Registry,
    issuer: Issuer,
    keyless: dict[str, Any],
    tmp_path: Path,
    repository: str,
) -> None:
    """A token as GitHub Actions gives it, of older and newer repositories, through Alibaba Cloud's own credential library."""
    file = tmp_path / "token"
    file.write_text(transire.remember("OIDC token", issuer.token(f"repo:{repository}:ref:refs/heads/main")))
    config = CredentialsConfig(
        type="oidc_role_arn",
        role_arn=keyless["alibaba_arn"],
        oidc_provider_arn=f"acs:ram::{account.id}:oidc-provider/ci",
        oidc_token_file_path=str(file),
        role_session_name="build-7",
        sts_endpoint=f"http://{transire.endpoint}",
    )
    session = Credentials(config).get_credential()
    key = AccessKey(session.access_key_id, session.access_key_secret, transire.remember("session token", session.security_token))
    assert skopeo_login(registry, alibaba.issue(transire, key, instance.cri_id)).returncode == 0
    image.write_oci_layout(tmp_path / "in", "v1")
    pushed = skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"))
    assert pushed.returncode == 0, pushed.stderr


def test_a_pod_pulls_without_an_access_key(
    transire: Transire, instance: Instance, registry: Registry, issuer: Issuer, keyless: dict[str, Any]
) -> None:
    """A token as Kubernetes gives it, through Tencent Cloud's own credential."""
    token = transire.remember("OIDC token", issuer.token("system:serviceaccount:ci:builder"))
    session = tencent_credential.OIDCRoleArnCredential(
        REGION, "ci", token, keyless["tencent_arn"], "build-7", endpoint=f"http://{transire.endpoint}"
    )
    key = AccessKey(session.secret_id, session.secret_key, transire.remember("session token", session.token))
    credential = tencent.issue(transire, key, instance.tcr_id)
    assert credential.username == keyless["role_id"]
    assert_logs_in(registry, credential)
    other = tencent_credential.OIDCRoleArnCredential(
        REGION,
        "ci",
        transire.remember("OIDC token", issuer.token("system:serviceaccount:ci:other")),
        keyless["tencent_arn"],
        "build-7",
        endpoint=f"http://{transire.endpoint}",
    )
    with pytest.raises(TencentCloudSDKException) as says:
        other.refresh()
    assert says.value.code == "AuthFailure.UnauthorizedOperation"


@pytest.mark.parametrize("platform", JOBS)
@pytest.mark.parametrize("username", ["role/builder", "jwt"])
def test_a_jobs_token_is_a_password(
    transire: Transire,
    registry: Registry,
    issuer: Issuer,
    keyless: dict[str, Any],
    tmp_path: Path,
    platform: str,
    username: str,
) -> None:
    """No key, no session and no tool of ours: stock clients log in with what the job holds, push, and pull."""
    credential = Credential(username, job_token(transire, issuer, platform), expires_at=0)
    for done in (docker_login(registry, credential), podman_login(registry, credential, tmp_path), skopeo_login(registry, credential)):
        assert done.returncode == 0, done.stderr
    image.write_oci_layout(tmp_path / "in", "v1")
    copy = ("copy", "--dest-tls-verify=false", "--src-tls-verify=false")
    pushed = skopeo(*copy, f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"))
    assert pushed.returncode == 0, pushed.stderr
    pulled = skopeo(*copy, registry.reference("team/tool:v1"), f"oci:{tmp_path / 'out'}:v1")
    assert pulled.returncode == 0, pulled.stderr


def test_the_rights_of_a_jobs_token_are_the_roles(
    transire: Transire, account: Account, registry: Registry, issuer: Issuer, keyless: dict[str, Any], tmp_path: Path
) -> None:
    for policy in ("QcloudTCRFullAccess", "AliyunContainerRegistryFullAccess"):
        transire.cli("policy", "detach", "--account", account.id, "--name", policy, "--role", "builder")
    credential = Credential("jwt", job_token(transire, issuer, "GitHub"), expires_at=0)
    assert_logs_in(registry, credential, "skopeo")
    image.write_oci_layout(tmp_path / "in", "v1")
    pushed = skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"))
    assert pushed.returncode == 1 and "denied" in pushed.stderr, pushed.stderr


def test_a_token_for_another_instance_is_refused(
    transire: Transire, registry: Registry, issuer: Issuer, keyless: dict[str, Any]
) -> None:
    """Stolen, and offered where another account's roles are asked."""
    credential = Credential("jwt", job_token(transire, issuer, "GitHub"), expires_at=0)
    other = transire.new_account("other")
    elsewhere = transire.new_instance(other, "elsewhere")
    assert exchange(transire.realm, elsewhere, credential).status == 401


def test_a_role_says_which_condition_a_token_does_not_meet(
    transire: Transire, account: Account, issuer: Issuer, keyless: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    command = ("role", "test", "--account", account.id, "--name", "builder", "--token", file)
    file.write_text(job_token(transire, issuer, "GitHub"))
    tested = transire.cli(*command)
    assert tested["accepted"] is True and tested["provider"] == "ci" and tested["unmet"] == []

    file.write_text(transire.remember("OIDC token", issuer.token("repo:example-org/other:ref:refs/heads/main")))
    done = transire.run(*command, "--output", "json")
    assert done.returncode == 1, done.stderr
    refused = json.loads(done.stdout)
    assert refused["accepted"] is False and refused["unmet"] == ["Statement[0].Condition.StringLike.oidc:sub"]

    file.write_text(transire.remember("OIDC token", issuer.token("builder", iss="https://other.example.com")))
    done = transire.run(*command)
    assert done.returncode == 2 and "web-identity-no-such-provider" in done.stderr


def test_a_decision_about_a_token_is_explained(
    transire: Transire, account: Account, instance: Instance, issuer: Issuer, keyless: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    question = ("policy", "explain", "--token", file, "--action", "push", "--resource", f"{instance.tcr_id}/team/app")
    file.write_text(job_token(transire, issuer, "Kubernetes"))
    explained = transire.cli(*question)
    assert explained["decision"] == "allowed", explained
    assert explained["steps"][:2] == [
        {"step": "provider", "result": "passes", "reason": "ci: the token is of system:serviceaccount:ci:builder", "statement": None},
        {"step": "role", "result": "passes", "reason": "builder: its trust policy accepts the token", "statement": None},
    ]

    file.write_text(transire.remember("OIDC token", issuer.token("system:serviceaccount:ci:other")))
    done = transire.run(*question, "--role", "builder", "--output", "json")
    assert done.returncode == 1, done.stderr
    refused = json.loads(done.stdout)
    assert refused["decision"] == "denied" and refused["decided_by"] == "role"
    assert "Statement[0].Condition.StringLike.oidc:sub" in refused["steps"][1]["reason"]


def test_a_subject_is_refused_until_that_is_taken_back(
    transire: Transire, account: Account, instance: Instance, issuer: Issuer, keyless: dict[str, Any], tmp_path: Path
) -> None:
    credential = Credential("jwt", job_token(transire, issuer, "GitHub"), expires_at=0)
    other = Credential("jwt", job_token(transire, issuer, "GitLab"), expires_at=0)
    subject, _ = JOBS["GitHub"]
    command = ("revoke", "--account", account.id, "--subject", subject)

    def status(of: Credential) -> int:
        return exchange(transire.realm, instance, of).status

    assert status(credential) == 200
    assert transire.cli(*command, "--oidc-provider", "ci")["state"] == "refused"
    # The service hears of the command by the change feed.
    wait_until("the refusal to be known", lambda: status(credential) == 401)
    assert status(other) == 200
    [refused] = transire.items("oidc-provider", "refused", "--account", account.id)
    assert (refused["issuer"], refused["subject"]) == (issuer.url, subject)

    file = tmp_path / "token"
    file.write_text(credential.secret)
    tested = transire.run(
        *("role", "test", "--account", account.id, "--name", "builder", "--token", file, "--output", "json")
    )
    assert tested.returncode == 1, tested.stderr
    said = json.loads(tested.stdout)
    assert said["accepted"] is False and said["refused"] == "subject-refused" and said["unmet"] == []

    assert transire.cli(*command, "--oidc-provider", "ci", "--take-back")["state"] == "accepted"
    wait_until("that to be known", lambda: status(credential) == 200)
    assert "no refused subject" in transire.cli_refused(*command, "--oidc-provider", "ci", "--take-back")


def test_a_changed_trust_policy_counts_at_the_next_log_in(
    transire: Transire, account: Account, registry: Registry, issuer: Issuer, keyless: dict[str, Any], tmp_path: Path
) -> None:
    credential = Credential("jwt", job_token(transire, issuer, "GitLab"), expires_at=0)
    assert_logs_in(registry, credential, "skopeo")
    named = ("--account", account.id, "--name", "builder")
    policy = transire.cli("role", "show", *named)["trust_policy"]
    file = tmp_path / "changed.json"
    file.write_text(policy.replace("project_path:example-group/app", "project_path:example-group/other"))
    transire.cli("role", "update", *named, "--trust-policy", file, "--max-session", "3600")
    assert transire.cli("role", "show", *named)["max_session"] == 3600
    # The service hears of the command by the change feed.
    wait_until("the change to be known", lambda: skopeo_login(registry, credential).returncode == 1)
