"""Every served action's answer has exactly the fields that the cloud's SDK knows of it: none lacks, none is more."""

import inspect
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_cr20181201 import models as cr_models
from alibabacloud_tea_openapi.client import Client as OpenApi
from alibabacloud_tea_openapi.exceptions import ClientException
from tencentcloud.common import credential as tencent_credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.sts.v20180813 import models as sts_models
from tencentcloud.sts.v20180813.sts_client import StsClient
from tencentcloud.tcr.v20190924 import models

import alibaba
import tencent
from processes import wait_until
from registry import run
from service import REGION, AccessKey, Transire
from stock import Stock

# A signature of the older method goes with one action; TC3's would be shared by two questions of one body.
OLDER = "HmacSHA256"


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    """A transire whose APIs can make instances."""
    transire = new_transire(settings={"TRANSIRE_BASE_DOMAIN": "cr.example.com"})
    transire.start()
    return transire


class Caller:
    """Calls actions, and holds each answer to the SDK's model of it."""

    def __init__(self, client: Any, module: Any) -> None:
        self._client = client
        self._module = module
        self.done: set[str] = set()

    def ask(self, action: str, parameters: dict[str, Any]) -> Any:
        return json.loads(self._client.call(action, parameters))["Response"]

    def __call__(self, action: str, **parameters: Any) -> Any:
        raw = self.ask(action, parameters)
        response = getattr(self._module, f"{action}Response")()
        response._deserialize(raw)
        tencent.assert_same_fields(raw, response, action)
        self.done.add(action)
        return response

    def served(self) -> set[str]:
        """The actions of the SDK that are served."""
        found = set()
        for name, request in inspect.getmembers(self._module, inspect.isclass):
            if name.endswith("Request") and request.__module__ == self._module.__name__:
                try:
                    self._client.call_json(name.removesuffix("Request"), {})
                except TencentCloudSDKException as refusal:
                    if "is not served by transire" in refusal.message:
                        continue
                found.add(name.removesuffix("Request"))
        return found


class CommandLine(Caller):
    """Calls through Tencent Cloud's command line."""

    def __init__(self, client: Any, module: Any, transire: Transire, key: AccessKey) -> None:
        super().__init__(client, module)
        self._endpoint, self._key = f"http://{transire.endpoint}", key

    def ask(self, action: str, parameters: dict[str, Any]) -> Any:
        arguments: list[str] = []
        for name, value in parameters.items():
            arguments += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        done = run(
            *(Path(sys.executable).with_name("tccli"), "tcr", action, *arguments, "--endpoint", self._endpoint, "--region", REGION),
            *("--secretId", self._key.id, "--secretKey", self._key.secret),
        )
        assert done.returncode == 0, f"{action}: {done.stdout}{done.stderr}"
        # Its TC3 signature covers no action: another call with the same body needs another second.
        second = int(time.time())
        wait_until("the next second", lambda: int(time.time()) > second)
        return json.loads(done.stdout)


@pytest.mark.parametrize("through", ["sdk", "tccli"])
def test_every_answer_of_tcr(transire: Transire, stock: Stock, through: str) -> None:  # noqa: F811 - the fixture
    for tag in ("v1", "v2"):
        stock.push("team/app", tag, author=tag)
    stock.import_all()
    key = stock.instance.account.key
    client = tencent.client(transire, key, signing=OLDER)
    call = Caller(client, models) if through == "sdk" else CommandLine(client, models, transire, key)
    of = {"RegistryId": stock.instance.tcr_id}

    call("DescribeInstances")
    call("DescribeRegions")
    call("DescribeInstanceStatus", RegistryIds=[stock.instance.tcr_id])
    call("CheckInstance", **of)
    call("CheckInstanceName", RegistryName="models")
    made = call("CreateInstance", RegistryName="models", RegistryType="basic").RegistryId
    call("ModifyInstance", **of, RegistryType="standard")

    token = call("CreateInstanceToken", **of, TokenType="longterm", Desc="d")
    transire.remember("longterm credential", token.Token)
    assert call("DescribeInstanceToken", **of).TotalCount == 1
    call("ModifyInstanceToken", **of, TokenId=token.TokenId, Enable=False)
    call("DeleteInstanceToken", **of, TokenId=token.TokenId)

    permissions = [{"Resource": "team", "Actions": ["tcr:PullRepository"]}]
    robot = call("CreateServiceAccount", **of, Name="robot", Permissions=permissions)
    transire.remember("service account's password", robot.Password)
    assert call("DescribeServiceAccounts", **of, EmbedPermission=True).TotalCount == 1
    call("ModifyServiceAccount", **of, Name="robot", Description="d")
    password = call("ModifyServiceAccountPassword", **of, Name="robot", Random=True).Password
    transire.remember("service account's password", password)
    call("DeleteServiceAccount", **of, Name="robot")

    call("CreateNamespace", **of, NamespaceName="fresh", IsPublic=False)
    assert call("DescribeNamespaces", **of).TotalCount == 2
    call("ModifyNamespace", **of, NamespaceName="fresh", IsPublic=True)
    fresh = {**of, "NamespaceName": "fresh", "RepositoryName": "app"}
    call("CreateRepository", **fresh)
    assert call("DescribeRepositories", **of).TotalCount == 2
    call("ModifyRepository", **fresh, BriefDescription="b", Description="d")
    call("DeleteRepository", **fresh)
    call("DeleteNamespace", **of, NamespaceName="fresh")

    images = {**of, "NamespaceName": "team", "RepositoryName": "app"}
    assert call("DescribeImages", **images).TotalCount == 2
    call("DescribeImageManifests", **images, ImageVersion="v1")
    call("DeleteImage", **images, ImageVersion="v1")
    call("DeleteRepositoryTags", **images, Tags=["v2"])

    call("ManageExternalEndpoint", **of, Operation="Create")
    call("DescribeExternalEndpointStatus", **of)
    call("CreateSecurityPolicy", **of, CidrBlock="192.0.2.0/24", Description="d")
    [policy] = call("DescribeSecurityPolicies", **of).SecurityPolicySet
    call("ModifySecurityPolicy", **of, PolicyIndex=policy.PolicyIndex, CidrBlock="192.0.2.0/25", Description="e")
    [policy] = call("DescribeSecurityPolicies", **of).SecurityPolicySet
    entry = {"PolicyIndex": policy.PolicyIndex, "CidrBlock": policy.CidrBlock, "PolicyVersion": policy.PolicyVersion}
    call("DeleteSecurityPolicy", **of, **entry)
    call("CreateMultipleSecurityPolicy", **of, SecurityGroupPolicySet=[{"CidrBlock": "198.51.100.0/24", "Description": "d"}])
    [policy] = call("DescribeSecurityPolicies", **of).SecurityPolicySet
    entry = {"PolicyIndex": policy.PolicyIndex, "CidrBlock": policy.CidrBlock, "PolicyVersion": policy.PolicyVersion}
    call("DeleteMultipleSecurityPolicy", **of, SecurityGroupPolicySet=[entry])
    for action in (
        "DescribeInternalEndpoints",
        "DescribeInstanceCustomizedDomain",
        "DescribeTagRetentionRules",
        "DescribeReplicationInstances",
        "DescribeReplicationPolicies",
        "DescribeWebhookTrigger",
    ):
        call(action, **of)
    assert call("DescribeImmutableTagRules", **of).EmptyNs == ["team"]
    vpc = {"InstanceId": stock.instance.tcr_id, "VpcId": "vpc-9iazgkcl", "EniLBIp": "192.0.2.69"}
    assert call("DescribeInternalEndpointDnsStatus", VpcSet=[vpc]).VpcSet[0].Status == "DISABLE"
    call("DeleteInstance", RegistryId=made)
    assert call.served() == call.done


def test_every_answer_of_sts(transire: Transire) -> None:
    account = transire.new_account("acme")
    key = account.key
    client = StsClient(tencent_credential.Credential(key.id, key.secret), REGION, tencent.profile(transire, signing=OLDER))
    call = Caller(client, sts_models)
    call("GetCallerIdentity")
    policy = json.dumps({"version": "2.0", "statement": [{"effect": "allow", "action": "tcr:*", "resource": "*"}]})
    made = call("GetFederationToken", Name="guest", Policy=policy)
    transire.remember("session token", made.Credentials.Token)
    transire.remember("session secret", made.Credentials.TmpSecretKey)
    # What assumes a role answers alike, and is held to its model in test_sts.py and test_oidc.py.
    assert call.served() == call.done | {"AssumeRole", "AssumeRoleWithWebIdentity"}


def wire_fields(model: Any) -> set[str]:
    """The fields of a model of Alibaba Cloud's at the wire."""
    return {part.split("'")[0] for part in inspect.getsource(model.to_map).split("result['")[1:]}


def assert_same_wire_fields(raw: Any, model: Any, place: str, unset: set[str]) -> None:
    """Fails where an answer lacks a field of the model, or has one more; `unset` may lack."""
    if isinstance(raw, list):
        for number, (item, of) in enumerate(zip(raw, model, strict=True)):
            assert_same_wire_fields(item, of, f"{place}[{number}]", unset)
    elif isinstance(raw, dict) and hasattr(model, "to_map"):
        assert set(raw) | unset == wire_fields(model) | unset, place
        for name, value in vars(model).items():
            wire = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
            if wire in raw and value is not None:
                assert_same_wire_fields(raw[wire], value, f"{place}.{wire}", unset)


def test_every_answer_of_cr(transire: Transire, stock: Stock) -> None:  # noqa: F811 - the fixture
    for tag in ("v1", "v2"):
        stock.push("team/app", tag, author=tag)
    repo_id = stock.import_all()["team/app"]
    client = OpenApi(alibaba.config(transire, stock.instance.account.key))
    done: set[str] = set()

    def call(action: str, **query: Any) -> Any:
        raw = alibaba.call(client, action, query)
        body = getattr(cr_models, f"{action}ResponseBody")()
        body.from_map(raw)
        # What stands for nothing here, and the SDK takes as absent.
        assert_same_wire_fields(raw, body, action, {"InstanceIssue", "NextToken", "MaxResults"})
        done.add(action)
        return body

    of = {"InstanceId": stock.instance.cri_id}
    for action in ("ListInstance", "GetInstanceCount", "ListInstanceRegion"):
        call(action)
    transire.remember("authorization token", call("GetAuthorizationToken", **of).authorization_token)
    for action in ("GetInstance", "GetInstanceUsage"):
        call(action, **of)
    call("ResetLoginPassword", **of, Password=transire.remember("fixed password", "correct-horse-7"))
    call("CreateNamespace", **of, NamespaceName="fresh")
    call("GetNamespace", **of, NamespaceName="fresh")
    call("ListNamespace", **of)
    call("UpdateNamespace", **of, NamespaceName="fresh", AutoCreateRepo="false", DefaultRepoType="PRIVATE")
    fresh = call("CreateRepository", **of, RepoNamespaceName="fresh", RepoName="app", RepoType="PRIVATE", Summary="s").repo_id
    call("GetRepository", **of, RepoId=fresh)
    call("ListRepository", **of)
    call("UpdateRepository", **of, RepoId=fresh, RepoType="PRIVATE", Summary="t")
    call("DeleteRepository", **of, RepoId=fresh)
    call("DeleteNamespace", **of, NamespaceName="fresh")
    call("ListRepoTag", **of, RepoId=repo_id)
    call("GetRepoTag", **of, RepoId=repo_id, Tag="v1")
    call("DeleteRepoTag", **of, RepoId=repo_id, Tag="v1")
    tags = {"ResourceType": "instance", "ResourceId.1": stock.instance.cri_id, "RegionId": REGION}
    call("TagResources", **tags, **{"Tag.1.Key": "team", "Tag.1.Value": "blue"})
    call("ListTagResources", **tags)
    call("UntagResources", **tags, **{"TagKey.1": "team"})
    endpoint = {**of, "EndpointType": "internet"}
    call("UpdateInstanceEndpointStatus", **endpoint, Enable="true")
    call("CreateInstanceEndpointAclPolicy", **endpoint, Entry="192.0.2.0/24", Comment="c")
    call("GetInstanceEndpoint", **endpoint)
    call("ListInstanceEndpoint", **of)
    call("DeleteInstanceEndpointAclPolicy", **endpoint, Entry="192.0.2.0/24")
    assert call("GetInstanceVpcEndpoint", **of).enable is False
    for action in ("ListRepoSyncRule", "ListChartNamespace", "ListChain", "ListArtifactLifecycleRule", "ListScanRule"):
        call(action, **of)
    # Of what there is none of, there is no answer to hold to its model.
    with pytest.raises(ClientException) as says:
        call("GetInstanceCustomizedDomain", **of, Domain="hub.example.com", ModuleName="Registry")
    assert (says.value.status_code, says.value.code) == (404, "CUSTOMIZED_DOMAIN_NOT_EXIST")
    assert len(done) == 34
