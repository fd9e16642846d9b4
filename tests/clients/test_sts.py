"""Roles and sessions, by the clouds' own SDKs, command line and credential libraries."""

import base64
import hashlib
import json
import shutil
import sys
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_cr20181201.client import Client as Cr2018
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_credentials.client import Client as AlibabaCredentials
from alibabacloud_credentials.models import Config as AlibabaCredentialsConfig
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import Config
from aliyunsdkcore.request import CommonRequest
from tencentcloud.common import credential as tencent_credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.sts.v20180813 import models
from tencentcloud.sts.v20180813.sts_client import StsClient

import alibaba
import image
import tencent
from credential import exchange
from processes import wait_until
from registry import Registry, run, skopeo, skopeo_login
from service import REGION, AccessKey, Account, Clock, Instance, Transire

BOTH = "repository:team/tool:pull,push"


def cam(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"version": "2.0", "statement": list(statements)}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, dict[str, Any]], Path]:
    """Writes a document to a file."""

    def to_file(name: str, document: dict[str, Any]) -> Path:
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(document))
        return file

    return to_file


@pytest.fixture
def user(transire: Transire, account: Account, write: Callable[[str, dict[str, Any]], Path]) -> AccessKey:
    """The key of a user that may assume roles, and nothing else."""
    transire.cli("user", "create", "--account", account.id, "--name", "ci")
    document = write("assume", cam({"effect": "allow", "action": "sts:AssumeRole", "resource": "*"}))
    transire.cli("policy", "create", "--account", account.id, "--name", "assume", "--document", document)
    transire.cli("policy", "attach", "--account", account.id, "--name", "assume", "--user", "ci")
    key = transire.cli("access-key", "create", "--account", account.id, "--user", "ci")
    return AccessKey(key["access_key_id"], transire.remember("access key secret", key["access_key_secret"]))


@pytest.fixture
def role(transire: Transire, account: Account, write: Callable[[str, dict[str, Any]], Path]) -> dict[str, Any]:
    """A role that the user may assume; it may push and pull everywhere."""
    trust = {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"RAM": [f"acs:ram::{account.id}:user/ci"]}}],
    }
    made = transire.cli("role", "create", "--account", account.id, "--name", "builder", "--trust-policy", write("trust", trust))
    for policy in ("QcloudTCRFullAccess", "AliyunContainerRegistryFullAccess"):
        transire.cli("policy", "attach", "--account", account.id, "--name", policy, "--role", "builder")
    return made


def sts(transire: Transire, key: AccessKey) -> StsClient:
    return StsClient(tencent_credential.Credential(key.id, key.secret, key.token), REGION, tencent.profile(transire))


def assume(transire: Transire, key: AccessKey, arn: str, **options: Any) -> AccessKey:
    """A session by Tencent Cloud's SDK."""
    request = models.AssumeRoleRequest()
    request.RoleArn, request.RoleSessionName = arn, "build-7"
    for name, value in options.items():
        setattr(request, name, value)
    made = sts(transire, key).AssumeRole(request)
    assert made.ExpiredTime == pytest.approx(time.time() + (request.DurationSeconds or 7200), abs=10)
    return keep(transire, made.Credentials.TmpSecretId, made.Credentials.TmpSecretKey, made.Credentials.Token)


def federate(transire: Transire, key: AccessKey, policy: dict[str, Any], seconds: int | None = None) -> AccessKey:
    """A federated session by Tencent Cloud's SDK."""
    request = models.GetFederationTokenRequest()
    request.Name, request.DurationSeconds, request.Policy = "guest", seconds, urllib.parse.quote(json.dumps(policy))
    made = sts(transire, key).GetFederationToken(request).Credentials
    return keep(transire, made.TmpSecretId, made.TmpSecretKey, made.Token)


def keep(transire: Transire, access_key_id: str, secret: str, token: str) -> AccessKey:
    return AccessKey(access_key_id, transire.remember("session secret", secret), transire.remember("session token", token))


def ram_role(transire: Transire, key: AccessKey, arn: str, policy: str | None = None) -> AccessKey:
    """A session by Alibaba Cloud's credential library."""
    config = AlibabaCredentialsConfig(
        type="ram_role_arn",
        access_key_id=key.id,
        access_key_secret=key.secret,
        role_arn=arn,
        role_session_name="build-7",
        policy=policy,
        sts_endpoint=f"http://{transire.endpoint}",
    )
    made = AlibabaCredentials(config).get_credential()
    return keep(transire, made.access_key_id, made.access_key_secret, made.security_token)


def granted(transire: Transire, instance: Instance, credential: Any, scope: str) -> list[str]:
    """What of a scope's actions the token allows."""
    answer = exchange(transire.realm, instance, credential, scope)
    assert answer.status == 200, answer.body
    claims = answer.json()["token"].split(".")[1]
    access = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["access"]
    return access[0]["actions"] if access else []


def test_a_session_pushes_and_pulls_with_its_roles_rights(
    transire: Transire, instance: Instance, registry: Registry, user: AccessKey, role: dict[str, Any], tmp_path: Path
) -> None:
    image.write_oci_layout(tmp_path / "in", "v1")
    copy = ("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1")
    by_tencent = tencent.issue(transire, assume(transire, user, role["tencent_arn"]), instance.tcr_id)
    assert by_tencent.username == role["role_id"]
    by_alibaba = alibaba.issue(transire, ram_role(transire, user, role["alibaba_arn"]), instance.cri_id)
    for number, credential in enumerate((by_tencent, by_alibaba)):
        assert skopeo_login(registry, credential).returncode == 0
        pushed = skopeo(*copy, registry.reference(f"team/tool:v{number}"))
        assert pushed.returncode == 0, pushed.stderr
        assert skopeo("inspect", "--tls-verify=false", registry.reference(f"team/tool:v{number}")).returncode == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("signing", [tencent.TC3, "HmacSHA1", "HmacSHA256"])
def test_tencents_sdk_signs_with_a_session(
    transire: Transire, instance: Instance, user: AccessKey, role: dict[str, Any], method: str, signing: str
) -> None:
    session = assume(transire, user, role["tencent_arn"])
    assert tencent.issue(transire, session, instance.tcr_id, method=method, signing=signing).username == role["role_id"]


def test_a_federation_token_is_narrowed_by_its_policy(transire: Transire, instance: Instance) -> None:
    pulling = federate(transire, instance.account.key, cam({"effect": "allow", "action": "tcr:PullRepository", "resource": "*"}))
    with pytest.raises(TencentCloudSDKException) as says:
        tencent.issue(transire, pulling, instance.tcr_id)
    assert says.value.code == "AuthFailure.UnauthorizedOperation"


def test_a_long_session_policy_outlives_a_restore(
    transire: Transire,
    instance: Instance,
    user: AccessKey,
    role: dict[str, Any],
    new_transire: Callable[..., Transire],
    tmp_path: Path,
) -> None:
    """A log-in secret had up to 3,026 characters; Windows' credential store takes 2,560 bytes, and other tools 1,000."""
    places = [f"qcs::tcr:::repository/{instance.tcr_id}/{hashlib.sha256(bytes([n])).hexdigest()[:30]}" for n in range(26)]
    policy = cam(
        {"effect": "allow", "action": ["tcr:CreateInstanceToken", "tcr:PullRepository"], "resource": "*"},
        {"effect": "allow", "action": "tcr:PushRepository", "resource": places},
    )
    assert 1700 < len(json.dumps(policy)) <= 2048
    session = assume(transire, user, role["tencent_arn"], Policy=urllib.parse.quote(json.dumps(policy)))
    credential = tencent.issue(transire, session, instance.tcr_id)
    assert (len(credential.secret) <= 1000, len(session.token or "") <= 1040) == (True, True)
    assert granted(transire, instance, credential, BOTH) == ["pull"]

    backup, key = tmp_path / "backup", tmp_path / "kept" / "master.key"
    assert transire.run("backup", backup).returncode == 0
    key.parent.mkdir()
    shutil.copy(transire.data_dir / "master.key", key)
    restored = new_transire("restored", settings={"TRANSIRE_MASTER_KEY_FILE": str(key)})
    restored.cli("restore", backup)
    restored.start()
    assert granted(restored, instance, credential, BOTH) == ["pull"]
    assert granted(restored, instance, tencent.issue(restored, session, instance.tcr_id), BOTH) == ["pull"]


def test_alibabas_credential_library_assumes_a_role(
    transire: Transire, instance: Instance, user: AccessKey, role: dict[str, Any]
) -> None:
    """The SDK asks the library for a session by itself, and signs with it."""
    config = AlibabaCredentialsConfig(
        type="ram_role_arn",
        access_key_id=user.id,
        access_key_secret=user.secret,
        role_arn=role["alibaba_arn"],
        role_session_name="build-7",
        role_session_expiration=900,
        sts_endpoint=f"http://{transire.endpoint}",
    )
    client = Cr2018(Config(credential=AlibabaCredentials(config), endpoint=transire.endpoint, protocol="http"))
    made = client.get_authorization_token(GetAuthorizationTokenRequest(instance_id=instance.cri_id)).body
    transire.remember("authorization token", made.authorization_token)
    # Exactly as long as the session, which lives a quarter of an hour.
    assert made.expire_time / 1000 == pytest.approx(time.time() + 900, abs=10)


def test_tccli_assumes_a_role(
    transire: Transire, instance: Instance, user: AccessKey, role: dict[str, Any]
) -> None:
    tccli = Path(sys.executable).with_name("tccli")
    configured = run(tccli, "configure", "set", "sts.endpoint", f"http://{transire.endpoint}", "region", REGION)
    assert configured.returncode == 0, configured.stderr
    done = run(
        tccli,
        *("tcr", "CreateInstanceToken", "--RegistryId", instance.tcr_id, "--endpoint", f"http://{transire.endpoint}"),
        *("--secretId", user.id, "--secretKey", user.secret, "--region", REGION),
        *("--role-arn", role["tencent_arn"], "--role-session-name", "build-7"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads(done.stdout)
    transire.remember("temp credential", made["Token"])
    assert made["Username"] == role["role_id"]


def test_tencents_sdk_assumes_a_role_by_itself(transire: Transire, instance: Instance, user: AccessKey, role: dict[str, Any]) -> None:
    session = tencent_credential.STSAssumeRoleCredential(
        user.id, user.secret, role["tencent_arn"], "build-7", endpoint=f"http://{transire.endpoint}"
    )
    key = keep(transire, *session.get_credential_info())
    assert tencent.issue(transire, key, instance.tcr_id).username == role["role_id"]


def test_a_session_is_narrower_than_its_role(transire: Transire, instance: Instance, user: AccessKey, role: dict[str, Any]) -> None:
    policy = cam(
        {"effect": "allow", "action": "tcr:CreateInstanceToken", "resource": "*"},
        {"effect": "allow", "action": "tcr:PullRepository", "resource": f"qcs::tcr:::repository/{instance.tcr_id}/team/*"},
    )
    narrow = assume(transire, user, role["tencent_arn"], Policy=urllib.parse.quote(json.dumps(policy)))
    credential = tencent.issue(transire, narrow, instance.tcr_id)
    assert granted(transire, instance, credential, BOTH) == ["pull"]
    assert granted(transire, instance, credential, "repository:other/tool:pull") == []
    reading = {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": ["cr:GetAuthorizationToken", "cr:PullRepository"], "Resource": "*"}],
    }
    # Without spaces: the library signs one as `+` and sends it so, which no server takes for the same.
    narrow = ram_role(transire, user, role["alibaba_arn"], json.dumps(reading, separators=(",", ":")))
    assert granted(transire, instance, alibaba.issue(transire, narrow, instance.cri_id), BOTH) == ["pull"]


def test_a_role_that_may_not_be_assumed_says_so(
    transire: Transire, account: Account, user: AccessKey, write: Callable[[str, dict[str, Any]], Path]
) -> None:
    trust = cam({"effect": "allow", "action": "name/sts:AssumeRole", "principal": {"qcs": [f"qcs::cam::uin/{account.id}:uin/1"]}})
    made = transire.cli("role", "create", "--account", account.id, "--name", "others", "--trust-policy", write("others", trust))
    with pytest.raises(TencentCloudSDKException) as tencent_says:
        assume(transire, user, made["tencent_arn"])
    assert tencent_says.value.code == "AuthFailure.UnauthorizedOperation"
    assert "(sts:AssumeRole)" in tencent_says.value.message
    with pytest.raises(Exception, match="NoPermission"):
        ram_role(transire, user, made["alibaba_arn"])


def test_a_session_gets_no_credential_that_outlives_it(
    transire: Transire, instance: Instance, user: AccessKey, role: dict[str, Any]
) -> None:
    session = assume(transire, user, role["tencent_arn"], DurationSeconds=900)
    credential = tencent.issue(transire, session, instance.tcr_id)
    assert credential.expires_at / 1000 == pytest.approx(time.time() + 900, abs=10)
    with pytest.raises(TencentCloudSDKException) as says:
        tencent.issue(transire, session, instance.tcr_id, "longterm")
    assert says.value.code == "UnsupportedOperation"
    hours = alibaba.issue(transire, ram_role(transire, user, role["alibaba_arn"]), instance.cri_id, 24)
    assert hours.expires_at / 1000 == pytest.approx(time.time() + 3600, abs=10)


def test_an_expired_session_signs_no_more(new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    transire = new_transire(clock=clock)
    transire.start()
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    # Shorter than the five minutes that a request's time may be off: the SDK signs with the true time.
    session = federate(transire, account.key, cam({"effect": "allow", "action": "tcr:*", "resource": "*"}), seconds=120)
    credential = tencent.issue(transire, session, instance.tcr_id)
    clock.move("+1m")
    assert exchange(transire.realm, instance, credential).status == 200
    clock.move("+3m")
    assert exchange(transire.realm, instance, credential).status == 401
    with pytest.raises(TencentCloudSDKException) as says:
        tencent.issue(transire, session, instance.tcr_id)
    assert says.value.code == "AuthFailure.TokenFailure"


def test_a_sessions_key_is_useless_without_its_token(
    transire: Transire, instance: Instance, user: AccessKey, role: dict[str, Any]
) -> None:
    session = ram_role(transire, user, role["alibaba_arn"])
    with pytest.raises(ClientException) as says:
        alibaba.issue(transire, AccessKey(session.id, session.secret), instance.cri_id)
    assert says.value.code == "MissingSecurityToken"
    other = ram_role(transire, user, role["alibaba_arn"])
    with pytest.raises(ClientException) as says:
        alibaba.issue(transire, AccessKey(session.id, session.secret, other.token), instance.cri_id)
    assert says.value.code == "InvalidSecurityToken.MismatchWithAccessKey"
    with pytest.raises(TencentCloudSDKException) as tencent_says:
        tencent.issue(transire, session, instance.tcr_id)
    assert tencent_says.value.code == "AuthFailure.TokenFailure"


def test_everyone_can_ask_who_they_are(transire: Transire, account: Account, user: AccessKey, role: dict[str, Any]) -> None:
    def who(key: AccessKey) -> Any:
        return sts(transire, key).GetCallerIdentity(models.GetCallerIdentityRequest())

    session = assume(transire, user, role["tencent_arn"])
    assert who(account.key).AccountId == account.id
    assert who(user).Type == "CAMUser"
    assert who(session).Arn == f"qcs::sts:{account.id}:assumed-role/{role['role_id']}"
    assert who(session).UserId == f"{role['role_id']}:build-7"
    request = CommonRequest(domain=transire.endpoint, version="2015-04-01", action_name="GetCallerIdentity", product="Sts")
    request.set_protocol_type("http")
    said = alibaba.ask_old(user, request)
    assert (said["IdentityType"], said["Arn"]) == ("RAMUser", f"acs:ram::{account.id}:user/ci")


def test_the_kill_switch_stops_a_role_or_one_session(
    transire: Transire, account: Account, instance: Instance, user: AccessKey, role: dict[str, Any]
) -> None:
    sessions = [assume(transire, user, role["tencent_arn"]) for _ in range(2)]
    credentials = [tencent.issue(transire, session, instance.tcr_id) for session in sessions]

    def statuses() -> list[int]:
        return [exchange(transire.realm, instance, credential).status for credential in credentials]

    assert statuses() == [200, 200]

    def opened() -> dict[str, str]:
        lines = transire.items("audit", "list", "--since", "1h", "--principal", f"{account.id}:user/ci")
        return {line["detail"]["access_key_id"]: line["credential_id"] for line in lines if line["action"] == "session.assume-role"}

    # Lines of what changes nothing are written a moment later.
    wait_until("the sessions to be in the audit", lambda: len(opened()) == 2)
    principal = ("revoke", "--principal", f"{account.id}:role/builder")
    transire.cli(*principal, "--credential", opened()[sessions[0].id])
    # Two seconds: the promised one, and a busy machine's.
    wait_until("one to be refused", lambda: statuses() == [401, 200], within=2)
    with pytest.raises(TencentCloudSDKException) as says:
        tencent.issue(transire, sessions[0], instance.tcr_id)
    assert says.value.code == "AuthFailure.TokenFailure"
    transire.cli(*principal)
    wait_until("both to be refused", lambda: statuses() == [401, 401], within=2)


@pytest.mark.parametrize(("method", "signing"), [("POST", tencent.TC3), ("GET", tencent.TC3), ("POST", "HmacSHA1"), ("GET", "HmacSHA256")])
def test_a_client_without_a_region_hears_who_it_is(transire: Transire, account: Account, method: str, signing: str) -> None:
    """Clients without a region send it empty, or not at all (TencentCloud/tencentcloud-sdk-ruby#9): STS has none."""
    credential = tencent_credential.Credential(account.key.id, account.key.secret)
    for region in ("", None):
        client = StsClient(credential, region, tencent.profile(transire, method=method, signing=signing))
        assert client.GetCallerIdentity(models.GetCallerIdentityRequest()).AccountId == account.id
