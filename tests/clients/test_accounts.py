"""Instance tokens, service accounts and fixed passwords: the clouds' own clients make and change them, real tools log in."""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException
from aliyunsdkcr.request.v20181201.ResetLoginPasswordRequest import ResetLoginPasswordRequest as OldRequest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.tcr.v20190924 import models

import alibaba
import image
import tencent
from credential import Credential, exchange
from processes import wait_until
from registry import Registry, assert_logs_in, assert_refused, run, skopeo, skopeo_login
from service import REGION, AccessKey, Account, Instance, Transire

ISO_IN_BEIJING = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00"
PULL_TEAM = [{"Resource": "team", "Actions": ["tcr:PullRepository"]}]
PASSWORD = "Passw0rd-EXAMPLE"


class Calls:
    """Tencent's SDK for one instance: each call builds the SDK's own request from a dictionary."""

    def __init__(self, transire: Transire, instance: Instance, key: AccessKey | None = None, **options: str) -> None:
        self._transire = transire
        self._client = tencent.client(transire, key or instance.account.key, **options)
        self._registry_id = instance.tcr_id

    def __call__(self, action: str, **fields: Any) -> Any:
        request = getattr(models, f"{action}Request")()
        request.from_json_string(json.dumps({"RegistryId": self._registry_id, **fields}))
        answer = getattr(self._client, action)(request)
        # The SDK knows every field of its model, and sets those that came; none may lack.
        assert None not in json.loads(answer.to_json_string()).values(), answer
        return answer

    def refused(self, action: str, **fields: Any) -> str:
        with pytest.raises(TencentCloudSDKException) as caught:
            self(action, **fields)
        assert caught.value.get_request_id()
        return caught.value.get_code()

    def create_robot(self, **fields: Any) -> Credential:
        made = self("CreateServiceAccount", **{"Name": "robot", "Permissions": PULL_TEAM, **fields})
        return Credential(made.Name, self._transire.remember("service account password", made.Password), made.ExpiresAt)


@pytest.fixture
def tcr(transire: Transire, instance: Instance) -> Calls:
    return Calls(transire, instance)


# --- instance tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_tokens_are_listed_page_by_page_as_terraform_asks(transire: Transire, instance: Instance, method: str) -> None:
    tcr = Calls(transire, instance, method=method)
    assert tcr("DescribeInstanceToken", Offset=0, Limit=200).Tokens == []
    # Each with another text: of two changes with one body in one second the second is a repetition.
    descriptions = ["a", "b", "c"]
    made = [tcr("CreateInstanceToken", TokenType="longterm", Desc=text) for text in descriptions]
    for token in made:
        transire.remember("longterm credential", token.Token)
    listed = tcr("DescribeInstanceToken", Offset=0, Limit=200)
    assert listed.TotalCount == 3
    assert {token.Id for token in listed.Tokens} == {token.TokenId for token in made}
    for token in listed.Tokens:
        assert None not in vars(token).values()
        assert (token.RegistryId, token.Enabled) == (instance.tcr_id, True)
        assert token.Desc in descriptions
        assert re.fullmatch(ISO_IN_BEIJING, token.CreatedAt)
        assert token.ExpiredAt in {token.ExpTime for token in made}
    assert [token.Id for token in tcr("DescribeInstanceToken", Offset=1, Limit=1).Tokens] == [listed.Tokens[1].Id]


def test_a_token_is_disabled_described_and_deleted_and_the_registry_obeys_at_once(
    transire: Transire, instance: Instance, registry: Registry, tcr: Calls
) -> None:
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id, "longterm")
    # As Terraform does: no ModifyFlag.
    tcr("ModifyInstanceToken", TokenId=credential.id, Enable=False)
    assert_refused(registry, credential)
    tcr("ModifyInstanceToken", TokenId=credential.id, Enable=True, ModifyFlag=2)
    assert_logs_in(registry, credential)
    # As the vendor's own example does: the other field comes along.
    tcr("ModifyInstanceToken", TokenId=credential.id, Desc="for ci", Enable=False, ModifyFlag=1)
    [token] = tcr("DescribeInstanceToken", Limit=200).Tokens
    assert (token.Desc, token.Enabled) == ("for ci", True)
    tcr("DeleteInstanceToken", TokenId=credential.id)
    assert tcr("DescribeInstanceToken", Limit=100).Tokens == []
    assert_refused(registry, credential)
    assert tcr.refused("DeleteInstanceToken", TokenId=credential.id) == "InvalidParameter"
    assert tcr.refused("ModifyInstanceToken", TokenId=credential.id, ModifyFlag=3) == "InvalidParameterValue"


# --- service accounts ------------------------------------------------------------------------------------------------


def test_a_service_account_pulls_and_pushes_where_it_may(
    transire: Transire, instance: Instance, registry: Registry, tcr: Calls, tmp_path: Path
) -> None:
    image.write_oci_layout(tmp_path / "in", "v1")
    copy = ("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1")
    robot = tcr.create_robot(
        Permissions=[{"Resource": "build", "Actions": ["tcr:PullRepository", "tcr:PushRepository"]}, *PULL_TEAM], Duration=10
    )
    assert robot.username == "tcr$robot"
    assert re.fullmatch(r"[A-Za-z0-9]{32}", robot.secret)
    assert robot.expires_at / 1000 == pytest.approx(time.time() + 10 * 24 * 3600, abs=10)
    assert skopeo_login(registry, tencent.issue(transire, instance.account.key, instance.tcr_id)).returncode == 0
    for repository in ("team/tool", "other/tool"):
        assert skopeo(*copy, registry.reference(f"{repository}:v1")).returncode == 0

    assert_logs_in(registry, robot)
    assert_logs_in(registry, robot, "skopeo")
    assert skopeo("inspect", "--tls-verify=false", registry.reference("team/tool:v1")).returncode == 0
    assert skopeo(*copy, registry.reference("build/tool:v1")).returncode == 0
    for refused in (
        skopeo(*copy, registry.reference("team/tool:v2")),
        skopeo("inspect", "--tls-verify=false", registry.reference("other/tool:v1")),
        skopeo("delete", "--tls-verify=false", registry.reference("build/tool:v1")),
    ):
        assert refused.returncode != 0


def test_what_is_changed_of_a_service_account_is_obeyed_at_once(registry: Registry, tcr: Calls, transire: Transire) -> None:
    robot = tcr.create_robot(Disable=True)
    assert_refused(registry, robot)
    tcr("ModifyServiceAccount", Name="tcr$robot", Disable=False, Description="pulls")
    assert_logs_in(registry, robot)

    secrets = [robot.secret]
    for fields in ({"Random": True}, {"Random": False, "Password": "Ch0senEXAMPLE"}):
        changed = tcr("ModifyServiceAccountPassword", Name="robot", **fields)
        secrets.append(transire.remember("service account password", changed.Password))
        old, new = (Credential("tcr$robot", secret, 0) for secret in secrets[-2:])
        assert_refused(registry, old)
        assert_logs_in(registry, new)
    assert secrets[-1] == "Ch0senEXAMPLE"

    [listed] = tcr("DescribeServiceAccounts", EmbedPermission=True).ServiceAccounts
    assert (listed.Name, listed.Description, listed.Disable) == ("tcr$robot", "pulls", False)
    assert re.fullmatch(ISO_IN_BEIJING, listed.CreateTime) and re.fullmatch(ISO_IN_BEIJING, listed.UpdateTime)
    assert [(permission.Resource, permission.Actions) for permission in listed.Permissions] == [("team", ["tcr:PullRepository"])]
    tcr("DeleteServiceAccount", Name="tcr$robot")
    assert tcr("DescribeServiceAccounts", All=True).TotalCount == 0
    assert_refused(registry, Credential("tcr$robot", secrets[-1], 0))


def test_a_service_account_is_refused_once_it_has_expired(
    transire: Transire, instance: Instance, registry: Registry, tcr: Calls
) -> None:
    soon = int(time.time() * 1000) + 2000
    robot = tcr.create_robot(ExpiresAt=soon)
    assert robot.expires_at == soon
    wait_until("the account to expire", lambda: exchange(f"http://{transire.endpoint}/token", instance, robot).status == 401)
    assert_refused(registry, robot)


def test_service_accounts_are_found_by_name_and_refused_by_rule(tcr: Calls, transire: Transire, instance: Instance) -> None:
    for name in ("a", "b", "c"):
        tcr.create_robot(Name=name)
    found = tcr("DescribeServiceAccounts", Filters=[{"Name": "ServiceAccountName", "Values": ["tcr$b", "tcr$z"]}])
    assert (found.TotalCount, [account.Name for account in found.ServiceAccounts]) == (1, ["tcr$b"])
    flat = Calls(transire, instance, method="GET", signing="HmacSHA256")
    found = flat("DescribeServiceAccounts", Filters=[{"Name": "ServiceAccountName", "Values": ["tcr$c", "a"]}], Limit=1, Offset=1)
    assert (found.TotalCount, [account.Name for account in found.ServiceAccounts]) == (2, ["tcr$c"])
    flat("CreateServiceAccount", Name="d", Permissions=PULL_TEAM, Disable=True)
    assert tcr.refused("CreateServiceAccount", Name="tcr$a", Permissions=PULL_TEAM) == "InvalidParameter.ErrorNameExists"
    assert tcr.refused("CreateServiceAccount", Name="e", Permissions=[]) == "MissingParameter"
    assert tcr.refused("CreateServiceAccount", Name="A b", Permissions=PULL_TEAM) == "InvalidParameterValue"
    assert tcr.refused("DeleteServiceAccount", Name="nobody") == "InvalidParameter"
    assert tcr.refused("ModifyServiceAccountPassword", Name="a", Random=False, Password="simple") == "InvalidParameterValue"
    stranger = transire.new_account("stranger")
    assert Calls(transire, instance, stranger.key).refused("DescribeServiceAccounts") == "ResourceNotFound.TcrResourceNotFound"


def test_tccli_makes_a_service_account(transire: Transire, instance: Instance, registry: Registry) -> None:
    done = run(
        Path(sys.executable).with_name("tccli"),
        *("tcr", "CreateServiceAccount", "--RegistryId", instance.tcr_id, "--Name", "robot", "--Permissions", json.dumps(PULL_TEAM)),
        *("--secretId", instance.account.key.id, "--secretKey", instance.account.key.secret, "--region", REGION),
        *("--endpoint", f"http://{transire.endpoint}"),
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert list(made) == ["Name", "Password", "ExpiresAt", "CreateTime", "RequestId"]
    assert_logs_in(registry, Credential(made["Name"], transire.remember("service account password", made["Password"]), 0))


def test_the_operator_hears_what_a_service_account_may_do_and_did(
    transire: Transire, account: Account, instance: Instance, tcr: Calls
) -> None:
    robot = tcr.create_robot()
    name = f"{account.id}:service-account/{instance.tcr_id}/robot"

    path = f"{instance.tcr_id}/team/app"
    assert transire.explain(name, "pull", path)["decision"] == "allowed"
    denied = transire.explain(name, "push", path)
    assert (denied["decision"], denied["decided_by"]) == ("denied", "permissions")
    assert denied["reason"] == "its permissions in namespace team lack tcr:PushRepository"
    assert "ModifyServiceAccount" in transire.cli_refused("revoke", "--principal", name)
    assert exchange(f"http://{transire.endpoint}/token", instance, robot, "repository:team/app:pull").status == 200
    transire.stop()
    did = transire.items("audit", "list", "--since", "1h", "--principal", name)
    assert [line["action"] for line in did] == ["token.exchange"]
    transire.start()


def new_user(transire: Transire, instance: Instance, tmp_path: Path) -> AccessKey:
    """The key of a user that manages service accounts, assumes roles, and pulls from one namespace."""
    account = instance.account.id
    document = tmp_path / "manager.json"
    pull = {"effect": "allow", "action": "tcr:PullRepository", "resource": f"qcs::tcr:::repository/{instance.tcr_id}/team/*"}
    manage = {"effect": "allow", "action": ["tcr:*ServiceAccount*", "sts:AssumeRole"], "resource": "*"}
    document.write_text(json.dumps({"version": "2.0", "statement": [manage, pull]}))
    transire.cli("user", "create", "--account", account, "--name", "ci")
    transire.cli("policy", "create", "--account", account, "--name", "manager", "--document", document)
    transire.cli("policy", "attach", "--account", account, "--name", "manager", "--user", "ci")
    key = transire.cli("access-key", "create", "--account", account, "--user", "ci")
    return AccessKey(key["access_key_id"], transire.remember("access key secret", key["access_key_secret"]))


def test_a_user_gives_a_service_account_only_what_it_may_itself(
    transire: Transire, instance: Instance, registry: Registry, tcr: Calls, tmp_path: Path
) -> None:
    """The right to make a service account was every push and pull, and the right to set its password took it over."""
    ci = Calls(transire, instance, new_user(transire, instance, tmp_path))
    robot = ci.create_robot()
    assert_logs_in(registry, robot)
    more = [{"Resource": "team", "Actions": ["tcr:PushRepository"]}]
    for action, fields in (
        ("CreateServiceAccount", {"Name": "pusher", "Permissions": more}),
        ("ModifyServiceAccount", {"Name": "robot", "Permissions": [*PULL_TEAM, *more]}),
    ):
        with pytest.raises(TencentCloudSDKException) as denied:
            ci(action, **fields)
        assert denied.value.code == "AuthFailure.UnauthorizedOperation"
        assert "(tcr:PushRepository)" in denied.value.message
        assert 'service_accounts.grant = "own-rights"' in denied.value.message
    tcr.create_robot(Name="pusher", Permissions=[*PULL_TEAM, *more])
    assert ci.refused("ModifyServiceAccountPassword", Name="pusher", Random=True) == "AuthFailure.UnauthorizedOperation"
    changed = ci("ModifyServiceAccountPassword", Name="robot", Random=True)
    assert_logs_in(registry, Credential("tcr$robot", transire.remember("service account password", changed.Password), 0))


def test_an_assumed_role_makes_service_accounts_where_the_operator_lets_it(
    transire: Transire, instance: Instance, tmp_path: Path
) -> None:
    account, user = instance.account.id, new_user(transire, instance, tmp_path)
    trust = tmp_path / "trust.json"
    trusted = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"RAM": [f"acs:ram::{account}:user/ci"]}}
    trust.write_text(json.dumps({"Version": "1", "Statement": [trusted]}))
    role = transire.cli("role", "create", "--account", account, "--name", "builder", "--trust-policy", trust)
    transire.cli("policy", "attach", "--account", account, "--name", "QcloudTCRFullAccess", "--role", "builder")
    tccli = Path(sys.executable).with_name("tccli")
    run(tccli, "configure", "set", "sts.endpoint", f"http://{transire.endpoint}", "region", REGION)

    def create() -> str:
        made = run(
            tccli,
            *("tcr", "CreateServiceAccount", "--RegistryId", instance.tcr_id, "--Name", "robot"),
            *("--Permissions", json.dumps(PULL_TEAM), "--endpoint", f"http://{transire.endpoint}"),
            *("--secretId", user.id, "--secretKey", user.secret, "--region", REGION),
            *("--role-arn", role["tencent_arn"], "--role-session-name", "terraform"),
        )
        if made.returncode == 0:
            transire.remember("service account password", json.loads(made.stdout)["Password"])
        return made.stdout + made.stderr

    refused = create()
    assert "AuthFailure.UnauthorizedOperation" in refused
    assert "transire account update --service-account-grant vendor" in refused
    transire.cli("account", "update", "--id", account, "--service-account-grant", "vendor")
    wait_until("the setting to be obeyed", lambda: "AuthFailure" not in create(), within=10)
    [robot] = transire.items("service-account", "list", "--made-by", f"{account}:role/builder")
    assert robot["name"] == "tcr$robot"
    assert transire.cli("role", "delete", "--account", account, "--name", "builder")["service_accounts"] == [
        f"{account}:service-account/{instance.tcr_id}/robot"
    ]


def test_a_revoked_users_service_account_is_refused_at_the_registry(
    transire: Transire, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    account = instance.account.id
    ci = Calls(transire, instance, new_user(transire, instance, tmp_path))
    robot = ci.create_robot()
    assert_logs_in(registry, robot)
    name = f"{account}:service-account/{instance.tcr_id}/robot"
    assert transire.cli("revoke", "--principal", f"{account}:user/ci")["disabled_service_accounts"] == [name]

    def status() -> int:
        return exchange(f"http://{transire.endpoint}/token", instance, robot).status

    wait_until("the revocation to be obeyed", lambda: status() == 401)
    assert_refused(registry, robot)
    assert ci.refused("ModifyServiceAccount", Name="robot", Disable=False) == "AuthFailure.UnauthorizedOperation"
    one = ("--instance", instance.tcr_id, "--name", "robot")
    assert transire.cli("service-account", "enable", *one)["state"] == "active"
    wait_until("it to be enabled", lambda: status() == 200)
    assert transire.cli("user", "delete", "--account", account, "--name", "ci")["service_accounts"] == [name]
    transire.cli("service-account", "disable", *one)
    wait_until("it to be disabled", lambda: status() == 401)


# --- fixed passwords -------------------------------------------------------------------------------------------------


def reset(transire: Transire, key: AccessKey, instance: Instance, password: str, signing: str = alibaba.ACS3) -> Any:
    """The SDK's own response body."""
    return alibaba.reset_login_password(transire, key, instance.cri_id, password, signing)


@pytest.mark.parametrize("signing", [alibaba.ACS3, alibaba.V1], ids=["acs3", "v1"])
def test_a_fixed_password_logs_in_until_it_is_changed(
    transire: Transire, instance: Instance, registry: Registry, signing: str
) -> None:
    done = reset(transire, instance.account.key, instance, PASSWORD, signing)
    assert (done.code, done.is_success) == ("success", True)
    assert done.request_id
    root, by_id = (Credential(name, PASSWORD, 0) for name in ("acme", instance.account.id))
    for tool in ("docker", "skopeo"):
        assert_logs_in(registry, root, tool)
    assert_logs_in(registry, by_id)
    # What people choose may have a colon: Basic is divided at the first alone.
    reset(transire, instance.account.key, instance, "New:Passw0rd-&-EXAMPLE", signing)
    assert_refused(registry, root)
    assert_logs_in(registry, Credential("acme", "New:Passw0rd-&-EXAMPLE", 0))


# Quotes, what reads as encoded, what each signature encodes in its own way, and what divides parameters.
AWKWARD = ["qu\"o'te`A1$x", "%41%2B%25aZ1", "~tilde~.A1*_-", "A1&b=c&Sign=x", "Aa1+/?#;,:@!", "Aa1<>[]{}|^\\()"]


def reset_by_the_older_core(transire: Transire, key: AccessKey, instance: Instance, password: str, method: str) -> None:
    request = OldRequest()
    request.set_endpoint(transire.endpoint)
    request.set_method(method)
    request.set_InstanceId(instance.cri_id)
    request.set_Password(transire.remember("fixed password", password))
    alibaba.ask_old(key, request)


RESETS: dict[str, Callable[[Transire, AccessKey, Instance, str], object]] = {
    "acs3": reset,
    "rpc": lambda *asked: reset(*asked, signing=alibaba.V1),
    "older-rpc-get": lambda *asked: reset_by_the_older_core(*asked, method="GET"),
    "older-rpc-post": lambda *asked: reset_by_the_older_core(*asked, method="POST"),
}


@pytest.mark.parametrize("reset_by", RESETS.values(), ids=RESETS)
def test_a_fixed_password_of_any_characters_comes_through_alibabas_signatures(
    transire: Transire, instance: Instance, registry: Registry, reset_by: Callable[..., object]
) -> None:
    """docker/for-linux#1085: some characters of a password were lost on the way, and its owner was refused."""
    for password in AWKWARD:
        reset_by(transire, instance.account.key, instance, password)
        assert_logs_in(registry, Credential("acme", password, 0))


@pytest.mark.parametrize("signing", ["TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_chosen_password_of_any_characters_comes_through_tencents_signatures(
    transire: Transire, instance: Instance, registry: Registry, method: str, signing: str
) -> None:
    """docker/for-linux#1085, by each of Tencent's."""
    tcr = Calls(transire, instance, method=method, signing=signing)
    robot = tcr.create_robot()
    for password in AWKWARD:
        transire.remember("service account password", password)
        assert tcr("ModifyServiceAccountPassword", Name="robot", Random=False, Password=password).Password == password
        assert_logs_in(registry, Credential(robot.username, password, 0))


def test_a_users_password_stops_while_the_user_is_disabled(
    transire: Transire, account: Account, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    transire.cli("user", "create", "--account", account.id, "--name", "ci")
    made = transire.cli("access-key", "create", "--account", account.id, "--user", "ci")
    key = AccessKey(made["access_key_id"], transire.remember("access key secret", made["access_key_secret"]))
    with pytest.raises(ClientException) as denied:
        reset(transire, key, instance, PASSWORD)
    assert (denied.value.code, denied.value.status_code) == ("NoPrivilege", 403)
    document = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["cr:ResetLoginPassword"], "Resource": "*"}]}
    (tmp_path / "policy.json").write_text(json.dumps(document))
    transire.cli("policy", "create", "--account", account.id, "--name", "password", "--document", tmp_path / "policy.json")
    transire.cli("policy", "attach", "--account", account.id, "--name", "password", "--user", "ci")
    with pytest.raises(ClientException) as weak:
        reset(transire, key, instance, "tooweakword")
    assert weak.value.code == "InvalidPassword"

    def is_set() -> bool:
        try:
            reset(transire, key, instance, PASSWORD)
        except ClientException as refused:
            # A weak one is refused before the policies are asked, so that it doesn't tell whether the new one is heard of.
            assert refused.code == "NoPrivilege"
            return False
        return True

    wait_until("the policy to be obeyed", is_set)
    user = Credential(f"ci@{account.id}", PASSWORD, 0)
    assert_logs_in(registry, user)
    assert_refused(registry, Credential("acme", PASSWORD, 0))
    transire.cli("user", "disable", "--account", account.id, "--name", "ci")
    wait_until("the user to be refused", lambda: exchange(f"http://{transire.endpoint}/token", instance, user).status == 401)
    assert_refused(registry, user)
