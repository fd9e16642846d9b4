"""STS: the clouds' own clients assume a role, sign with the session, and hold what it may do."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_cr20181201.client import Client as Cr2018
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_credentials import models as credential_models
from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_tea_openapi.utils_models import Config
from tencentcloud.common import credential as tencent_credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.sts.v20180813 import models
from tencentcloud.sts.v20180813.sts_client import StsClient

import tencent
from credential import Credential, exchange
from processes import wait_until
from registry import Registry, assert_logs_in, run
from service import REGION, AccessKey, Account, Instance, Transire

HOUR = 3600


@pytest.fixture
def user(transire: Transire, account: Account, tmp_path: Path) -> AccessKey:
    """The key of a user that may use STS, and nothing else."""
    transire.cli("user", "create", "--account", account.id, "--name", "ci")
    _policy(transire, account, tmp_path, "sts", ["sts:*"], "--user", "ci")
    key = transire.cli("access-key", "create", "--account", account.id, "--user", "ci")
    return AccessKey(key["access_key_id"], transire.remember("access key secret", key["access_key_secret"]))


@pytest.fixture
def role(transire: Transire, account: Account, tmp_path: Path) -> dict[str, Any]:
    """A role that everyone of the account may assume, and that may pull."""
    trust = {"effect": "allow", "action": "name/sts:AssumeRole", "principal": {"qcs": f"qcs::cam::uin/{account.id}:root"}}
    file = tmp_path / "trust.json"
    file.write_text(json.dumps({"version": "2.0", "statement": [trust]}))
    made = transire.cli("role", "create", "--account", account.id, "--name", "puller", "--trust-policy", file)
    _policy(transire, account, tmp_path, "pull", ["tcr:CreateInstanceToken", "tcr:PullRepository"], "--role", "puller")
    ram = {"Effect": "Allow", "Action": ["cr:GetAuthorizationToken"], "Resource": "*"}
    file = tmp_path / "ram.json"
    file.write_text(json.dumps({"Version": "1", "Statement": [ram]}))
    transire.cli("policy", "create", "--account", account.id, "--name", "issue", "--document", file)
    transire.cli("policy", "attach", "--account", account.id, "--name", "issue", "--role", "puller")
    return made


def _policy(transire: Transire, account: Account, folder: Path, name: str, actions: list[str], *target: str) -> None:
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"version": "2.0", "statement": [{"effect": "allow", "action": actions, "resource": "*"}]}))
    transire.cli("policy", "create", "--account", account.id, "--name", name, "--document", file)
    transire.cli("policy", "attach", "--account", account.id, "--name", name, *target)


def sts(transire: Transire, key: AccessKey, token: str | None = None, **options: str) -> StsClient:
    return StsClient(tencent_credential.Credential(key.id, key.secret, token), REGION, tencent.profile(transire, **options))


def assume(transire: Transire, key: AccessKey, role: dict[str, Any], policy: str | None = None, **options: str) -> Any:
    request = models.AssumeRoleRequest()
    request.RoleArn = role["tencent_arn"]
    request.RoleSessionName = "sdk"
    request.Policy = policy
    made = sts(transire, key, **options).AssumeRole(request)
    transire.remember("session token", made.Credentials.Token)
    transire.remember("session secret", made.Credentials.TmpSecretKey)
    return made


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("signing", [tencent.TC3, "HmacSHA1", "HmacSHA256"])
def test_tencents_sdk_signs_with_a_session(
    transire: Transire, instance: Instance, user: AccessKey, role: dict[str, Any], method: str, signing: str
) -> None:
    made = assume(transire, user, role, method=method, signing=signing)
    assert made.ExpiredTime == pytest.approx(time.time() + 2 * HOUR, abs=10)
    assert made.Expiration == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made.ExpiredTime))
    session = AccessKey(made.Credentials.TmpSecretId, made.Credentials.TmpSecretKey)
    signed_in = sts(transire, session, made.Credentials.Token, method=method, signing=signing)
    identity = signed_in.GetCallerIdentity(models.GetCallerIdentityRequest())
    assert (identity.Type, identity.UserId) == ("CAMRole", f"{role['role_id']}:sdk")
    tcr = tencent.TcrClient(
        tencent_credential.Credential(session.id, session.secret, made.Credentials.Token),
        REGION,
        tencent.profile(transire, method=method, signing=signing),
    )
    issued = tencent.create_instance_token(tcr, instance.tcr_id)
    assert issued.Username == role["role_id"]
    credential = Credential(issued.Username, transire.remember("credential", issued.Token), issued.ExpTime)
    assert exchange(transire.realm, instance, credential).status == 200
    with pytest.raises(TencentCloudSDKException) as refused:
        tencent.create_instance_token(tcr, instance.tcr_id, "longterm")
    assert refused.value.code == "UnsupportedOperation"


def test_tencents_sdk_assumes_a_role_by_itself(transire: Transire, instance: Instance, user: AccessKey, role: dict[str, Any]) -> None:
    # Its credential for roles has no way to say plain HTTP but the endpoint's own scheme.
    credential = tencent_credential.STSAssumeRoleCredential(
        user.id, user.secret, role["tencent_arn"], "sdk", endpoint=f"http://{transire.endpoint}"
    )
    issued = tencent.create_instance_token(tencent.TcrClient(credential, REGION, tencent.profile(transire)), instance.tcr_id)
    transire.remember("credential", issued.Token)
    assert issued.Username == role["role_id"]


def test_a_federation_token_is_narrowed_by_its_policy(transire: Transire, instance: Instance) -> None:
    request = models.GetFederationTokenRequest()
    request.Name = "guest"
    request.Policy = json.dumps({"version": "2.0", "statement": [{"effect": "allow", "action": "tcr:PullRepository", "resource": "*"}]})
    made = sts(transire, instance.account.key).GetFederationToken(request)
    transire.remember("session token", made.Credentials.Token)
    tcr = tencent.TcrClient(
        tencent_credential.Credential(made.Credentials.TmpSecretId, made.Credentials.TmpSecretKey, made.Credentials.Token),
        REGION,
        tencent.profile(transire),
    )
    with pytest.raises(TencentCloudSDKException) as refused:
        tencent.create_instance_token(tcr, instance.tcr_id)
    assert refused.value.code == "AuthFailure.UnauthorizedOperation"


def test_tccli_assumes_a_role(transire: Transire, instance: Instance, registry: Registry, user: AccessKey, role: dict[str, Any]) -> None:
    tccli = Path(sys.executable).with_name("tccli")
    endpoint = f"http://{transire.endpoint}"
    assert run(tccli, "configure", "set", "sts.endpoint", endpoint, "region", REGION, "output", "json").returncode == 0
    done = run(
        *(tccli, "tcr", "CreateInstanceToken", "--RegistryId", instance.tcr_id, "--endpoint", endpoint, "--region", REGION),
        *("--secretId", user.id, "--secretKey", user.secret, "--role-arn", role["tencent_arn"], "--role-session-name", "tccli"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads(done.stdout)
    transire.remember("credential", made["Token"])
    assert made["Username"] == role["role_id"]
    assert_logs_in(registry, Credential(made["Username"], made["Token"], made["ExpTime"]))


def test_alibabas_credential_library_assumes_a_role(
    transire: Transire, account: Account, instance: Instance, user: AccessKey, role: dict[str, Any]
) -> None:
    credential = CredentialClient(
        credential_models.Config(
            type="ram_role_arn",
            access_key_id=user.id,
            access_key_secret=user.secret,
            role_arn=role["alibaba_arn"],
            role_session_name="library",
            role_session_expiration=900,
            sts_endpoint=f"http://{transire.endpoint}",
        )
    )
    session = credential.get_credential()
    assert session.get_access_key_id().startswith("STS.")
    transire.remember("session token", session.get_security_token())
    client = Cr2018(Config(credential=credential, endpoint=transire.endpoint, protocol="http"))
    issued = client.get_authorization_token(GetAuthorizationTokenRequest(instance_id=instance.cri_id)).body
    transire.remember("credential", issued.authorization_token)
    # Exactly as long as the session, which lives a quarter of an hour.
    assert issued.expire_time / 1000 == pytest.approx(time.time() + 900, abs=10)
    granted = Credential(issued.temp_username, issued.authorization_token, issued.expire_time)
    assert exchange(transire.realm, instance, granted).status == 200
    transire.cli("revoke", "--principal", f"{account.id}:role/puller")
    # Two seconds: the promised one, and a busy machine's.
    wait_until("it to be refused", lambda: exchange(transire.realm, instance, granted).status == 401, within=2)
