"""GetAuthorizationToken and GetCallerIdentity by Amazon Web Services' own SDK and command line."""

import base64
import json
import re
import time
import urllib.request
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import aws
import image
from credential import Credential
from issuer import LOOPBACK, Issuer, job_token
from registry import Registry, assert_logs_in, assert_refused, docker_login, skopeo, skopeo_login
from service import AccessKey, Account, Instance, Transire
from stock import Stock

TWELVE_HOURS = 12 * 3600
REQUEST_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    """A service that asks issuers on loopback."""
    transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


@pytest.fixture
def user(transire: Transire, account: Account) -> AccessKey:
    """The key of a user that may do nothing yet."""
    transire.cli("user", "create", "--account", account.id, "--name", "ci")
    key = transire.cli("access-key", "create", "--account", account.id, "--user", "ci")
    return AccessKey(key["access_key_id"], transire.remember("access key secret", key["access_key_secret"]))


@pytest.fixture
def allow(transire: Transire, account: Account, tmp_path: Path) -> Callable[..., None]:
    """Gives the user a policy."""

    def attach(name: str, *statements: dict[str, Any]) -> None:
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"version": "2.0", "statement": list(statements)}))
        transire.cli("policy", "create", "--account", account.id, "--name", name, "--document", file)
        transire.cli("policy", "attach", "--account", account.id, "--name", name, "--user", "ci")

    return attach


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[int, str, str]:
    """Status, code and message of the exception that the SDK raises."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    assert re.fullmatch(REQUEST_ID, answer["ResponseMetadata"]["RequestId"])
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_boto3_gets_a_log_in(transire: Transire, instance: Instance, registry: Registry) -> None:
    ecr = aws.client(transire, instance.account.key, "ecr")
    for parameters in ({}, {"registryIds": [instance.account.id]}):
        answer = ecr.get_authorization_token(**parameters)
        made = aws.log_in_of(transire, answer)
        assert made.username == "AWS"
        assert made.expires_at / 1000 == pytest.approx(time.time() + TWELVE_HOURS, abs=60)
        assert answer["authorizationData"][0]["proxyEndpoint"] == f"https://{instance.service}"
        assert re.fullmatch(REQUEST_ID, answer["ResponseMetadata"]["RequestId"])
        for tool in ("docker", "skopeo"):
            assert_logs_in(registry, made, tool)
    assert_refused(registry, Credential(instance.account.id, made.secret, 0))


def test_the_command_line_logs_docker_in(transire: Transire, instance: Instance, registry: Registry) -> None:
    done = aws.aws(transire, instance.account.key, "ecr", "get-login-password")
    assert done.returncode == 0, done.stderr
    password = transire.remember("authorization token", done.stdout.strip())
    logged_in = docker_login(registry, Credential("AWS", password, 0))
    assert logged_in.returncode == 0, logged_in.stderr
    done = aws.aws(transire, instance.account.key, "ecr", "get-authorization-token", "--output", "json")
    [data] = json.loads(done.stdout)["authorizationData"]
    token = base64.b64decode(data["authorizationToken"]).decode()
    assert_logs_in(registry, Credential("AWS", transire.remember("authorization token", token.removeprefix("AWS:")), 0))
    done = aws.aws(transire, instance.account.key, "sts", "get-caller-identity", "--output", "json")
    assert json.loads(done.stdout) == {
        "UserId": instance.account.id.zfill(12),
        "Account": instance.account.id.zfill(12),
        "Arn": f"arn:aws:iam::{instance.account.id.zfill(12)}:root",
    }


def test_a_log_in_pulls_and_pushes_what_its_user_may(
    transire: Transire, instance: Instance, registry: Registry, user: AccessKey, allow: Callable[..., None], tmp_path: Path
) -> None:
    image.write_oci_layout(tmp_path / "in", "v1")
    skopeo_login(registry, aws.issue(transire, instance.account.key))
    pushed = skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path}/in:v1", registry.reference("team/app:v1"))
    assert pushed.returncode == 0, pushed.stderr
    status, code, message = refusal(aws.client(transire, user, "ecr").get_authorization_token)
    assert (status, code) == (400, "AccessDeniedException")
    assert "is not authorized to perform: ecr:GetAuthorizationToken on resource: *" in message
    assert "tcr:CreateInstanceToken" in message
    allow(
        "reader",
        {"effect": "allow", "action": "tcr:CreateInstanceToken", "resource": "*"},
        {"effect": "allow", "action": "tcr:PullRepository", "resource": f"qcs::tcr:::repository/{instance.tcr_id}/team/*"},
    )
    reader = aws.await_issue(transire, user)
    assert skopeo_login(registry, reader).returncode == 0
    pulled = skopeo("copy", "--src-tls-verify=false", registry.reference("team/app:v1"), f"oci:{tmp_path}/out:v1")
    assert pulled.returncode == 0, pulled.stderr
    assert image.manifest_digest(tmp_path / "out") == image.manifest_digest(tmp_path / "in")
    pushed = skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path}/in:v1", registry.reference("team/app:v2"))
    assert pushed.returncode != 0
    assert "requested access to the resource is denied" in pushed.stderr or "unauthorized" in pushed.stderr


def test_refusals_have_the_codes_that_the_sdk_knows(transire: Transire, instance: Instance) -> None:
    key = instance.account.key
    wrong = aws.client(transire, AccessKey(key.id, "x" * 40), "ecr")
    assert refusal(wrong.get_authorization_token)[:2] == (400, "InvalidSignatureException")
    unknown = aws.client(transire, AccessKey("AKIAEXAMPLEEXAMPLE00", key.secret), "ecr")
    assert refusal(unknown.get_authorization_token)[:2] == (400, "UnrecognizedClientException")
    ecr = aws.client(transire, key, "ecr")
    status, code, message = refusal(ecr.get_authorization_token, registryIds=["999999999999"])
    assert (status, code) == (400, "InvalidParameterException")
    with pytest.raises(ecr.exceptions.InvalidParameterException):
        ecr.get_authorization_token(registryIds=["999999999999"])
    status, code, message = refusal(ecr.start_image_scan, repositoryName="team/app", imageId={"imageTag": "v1"})
    assert (status, code) == (400, "UnsupportedOperationException")
    assert "docs/compatibility.md" in message
    assert refusal(aws.client(transire, None, "ecr").get_authorization_token)[1] == "MissingAuthenticationTokenException"
    sts = aws.client(transire, AccessKey(key.id, "x" * 40), "sts")
    assert refusal(sts.get_caller_identity)[:2] == (403, "SignatureDoesNotMatch")
    sts = aws.client(transire, key, "sts")
    assert refusal(sts.decode_authorization_message, EncodedMessage="x")[:2] == (400, "UnsupportedOperation")
    done = aws.aws(transire, AccessKey(key.id, "x" * 40), "ecr", "get-login-password")
    assert done.returncode != 0
    assert "InvalidSignatureException" in done.stderr
    assert done.stdout == ""


def test_a_user_hears_its_own_name(transire: Transire, account: Account, user: AccessKey) -> None:
    identity = aws.client(transire, user, "sts").get_caller_identity()
    number = account.id.zfill(12)
    assert (identity["Account"], identity["Arn"]) == (number, f"arn:aws:iam::{number}:user/ci")
    assert re.fullmatch(r"AIDA[A-Z2-7]{17}", identity["UserId"])


def test_a_signed_url_tells_the_identity_and_nothing_else(transire: Transire, account: Account) -> None:
    sts = aws.client(transire, account.key, "sts")
    url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    with urllib.request.urlopen(url) as answer:
        assert f"<Account>{account.id.zfill(12)}</Account>" in answer.read().decode()
        # Clients correct their clocks by it.
        assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) < 60


def test_the_clients_stop_at_a_throttled_answer_that_they_know(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings={"TRANSIRE_LIMITS__ACTIONS": '{ "ecr:GetAuthorizationToken" = 1 }'})
    transire.start()
    account = transire.new_account("acme")
    transire.new_instance(account, "demo")
    ecr = aws.client(transire, account.key, "ecr")
    codes = set()
    for _ in range(10):
        try:
            aws.log_in_of(transire, ecr.get_authorization_token())
        except ClientError as error:
            codes.add(error.response["Error"]["Code"])
    assert codes == {"ThrottlingException"}


def trusting(transire: Transire, account: Account, tmp_path: Path, principal: dict[str, Any], condition: dict[str, Any]) -> None:
    """Makes the role `builder`, which pushes and pulls everywhere."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **condition}
    trust = tmp_path / "trust.json"
    trust.write_text(json.dumps({"Version": "1", "Statement": [statement]}))
    transire.cli("role", "create", "--account", account.id, "--name", "builder", "--trust-policy", trust)
    transire.cli("policy", "attach", "--account", account.id, "--name", "QcloudTCRFullAccess", "--role", "builder")


def test_a_session_of_a_role_logs_in(
    transire: Transire, instance: Instance, registry: Registry, user: AccessKey, allow: Callable[..., None], tmp_path: Path
) -> None:
    account = instance.account
    trusting(transire, account, tmp_path, {"RAM": [f"acs:ram::{account.id}:user/ci"]}, {})
    allow("assume", {"effect": "allow", "action": "sts:AssumeRole", "resource": "*"})
    role = f"arn:aws:iam::{account.id.zfill(12)}:role/builder"
    answer = aws.client(transire, user, "sts").assume_role(RoleArn=role, RoleSessionName="build-7", DurationSeconds=900)
    made = answer["Credentials"]
    assert made["AccessKeyId"].startswith("ASIA")
    assert made["Expiration"].timestamp() == pytest.approx(time.time() + 900, abs=60)
    session = AccessKey(
        made["AccessKeyId"],
        transire.remember("session secret", made["SecretAccessKey"]),
        transire.remember("session token", made["SessionToken"]),
    )
    log_in = aws.issue(transire, session)
    assert log_in.expires_at / 1000 == pytest.approx(made["Expiration"].timestamp(), abs=1)
    assert_logs_in(registry, log_in)
    identity = aws.client(transire, session, "sts").get_caller_identity()
    assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert identity["Arn"].endswith(":assumed-role/builder/build-7")
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    # The command line assumes it of its own accord, by a profile.
    config = tmp_path / "config"
    config.write_text(
        f"[profile build]\nrole_arn = {role}\nsource_profile = user\nregion = {aws.REGION}\n"
        f"[profile user]\naws_access_key_id = {user.id}\naws_secret_access_key = {user.secret}\nregion = {aws.REGION}\n"
    )
    done = aws.aws(transire, None, "--profile", "build", "ecr", "get-login-password", AWS_CONFIG_FILE=str(config))
    assert done.returncode == 0, done.stderr
    assert_logs_in(registry, Credential("AWS", transire.remember("authorization token", done.stdout.strip()), 0))


@pytest.mark.usefixtures("keyless")
def test_the_sdk_assumes_a_role_with_a_token_of_its_own_accord(
    transire: Transire, instance: Instance, registry: Registry, issuer: Issuer, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(job_token(transire, issuer, "GitHub"))
    number = instance.account.id.zfill(12)
    role = f"arn:aws:iam::{number}:role/builder"
    web = {"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_SESSION_NAME": "build-7"}
    done = aws.aws(transire, None, "ecr", "get-login-password", **web)
    assert done.returncode == 0, done.stderr
    assert_logs_in(registry, Credential("AWS", transire.remember("authorization token", done.stdout.strip()), 0))
    done = aws.aws(transire, None, "sts", "get-caller-identity", "--output", "json", **web)
    assert json.loads(done.stdout)["Arn"] == f"arn:aws:sts::{number}:assumed-role/builder/build-7"
    refused = refusal(
        aws.client(transire, None, "sts").assume_role_with_web_identity,
        RoleArn=role,
        RoleSessionName="build-7",
        WebIdentityToken="a.b.c",
    )
    assert refused[:2] == (400, "InvalidIdentityToken")


def test_repositories_come_and_go(transire: Transire, stock: Stock) -> None:
    transire.cli("namespace", "create", "--instance", stock.instance.tcr_id, "--name", "team")
    key = stock.instance.account.key
    ecr = aws.client(transire, key, "ecr")
    made = ecr.create_repository(repositoryName="team/app", imageTagMutability="IMMUTABLE")["repository"]
    assert made["repositoryUri"] == f"{stock.instance.service}/team/app"
    assert made["createdAt"].timestamp() == pytest.approx(time.time(), abs=60)
    assert ecr.describe_repositories(repositoryNames=["team/app"])["repositories"] == [made]
    paginator = ecr.get_paginator("describe_repositories")
    assert [one["repositoryName"] for page in paginator.paginate(PaginationConfig={"PageSize": 1}) for one in page["repositories"]] == ["team/app"]
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == []
    assert ecr.describe_registry()["registryId"] == stock.instance.account.id.zfill(12)
    with pytest.raises(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName="team/app")
    stock.push("team/app", "v1")
    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName="team/app")
    assert ecr.delete_repository(repositoryName="team/app", force=True)["repository"] == made
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.describe_repositories(repositoryNames=["team/app"])
    done = aws.aws(transire, key, "ecr", "describe-repositories", "--repository-names", "team/app")
    assert done.returncode != 0
    assert "RepositoryNotFoundException" in done.stderr


def test_a_federated_user_logs_in(transire: Transire, instance: Instance, registry: Registry) -> None:
    policy = {"version": "2.0", "statement": [{"effect": "allow", "action": ["tcr:CreateInstanceToken", "tcr:PullRepository"], "resource": "*"}]}
    sts = aws.client(transire, instance.account.key, "sts")
    answer = sts.get_federation_token(Name="deploy", Policy=json.dumps(policy), DurationSeconds=900)
    assert answer["FederatedUser"]["Arn"].endswith(":federated-user/deploy")
    made = answer["Credentials"]
    session = AccessKey(
        made["AccessKeyId"],
        transire.remember("session secret", made["SecretAccessKey"]),
        transire.remember("session token", made["SessionToken"]),
    )
    assert_logs_in(registry, aws.issue(transire, session))
