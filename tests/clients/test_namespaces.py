"""Namespaces and repositories by the clouds' own clients, and what they mean to a real registry."""

import base64
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_cr20181201 import models as cr
from alibabacloud_cr20181201.client import Client as Cr2018
from alibabacloud_tea_openapi.exceptions import ClientException
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.tcr.v20190924 import models as tcr
from tencentcloud.tcr.v20190924.tcr_client import TcrClient

import alibaba
import image
import tencent
from credential import Credential, exchange
from processes import wait_until
from registry import Registry, run, skopeo, skopeo_login
from service import REGION, Instance, Transire


class Tencent:
    """Calls about one instance by the Python SDK, from and to plain values.

    The SDK's signature covers neither action nor nonce: two actions with the same body in the same second have the same
    one, and the second action is refused unless it only reads. So no two actions of a test have the same body.
    """

    def __init__(self, transire: Transire, instance: Instance, **options: str) -> None:
        self._client: TcrClient = tencent.client(transire, instance.account.key, **options)
        self._instance = instance

    def __call__(self, action: str, **parameters: Any) -> dict[str, Any]:
        request = getattr(tcr, f"{action}Request")()
        request.from_json_string(json.dumps({"RegistryId": self._instance.tcr_id, **parameters}))
        response = getattr(self._client, action)(request)
        said: dict[str, Any] = json.loads(response.to_json_string())
        assert said.pop("RequestId")
        return said


class Alibaba:
    """Calls about one instance by the Python SDK."""

    def __init__(self, transire: Transire, instance: Instance, signing: str = alibaba.ACS3) -> None:
        self._client = Cr2018(alibaba.config(transire, instance.account.key, signing))
        self._instance = instance

    def __call__(self, action: str, **parameters: Any) -> dict[str, Any]:
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        request = getattr(cr, f"{action}Request")(instance_id=self._instance.cri_id, **parameters)
        said: dict[str, Any] = getattr(self._client, method)(request).body.to_map()
        assert said.pop("RequestId")
        assert (said.pop("Code"), said.pop("IsSuccess")) == ("success", True)
        return said


@pytest.fixture
def ask_tencent(transire: Transire, instance: Instance) -> Tencent:
    return Tencent(transire, instance)


@pytest.fixture
def ask_alibaba(transire: Transire, instance: Instance) -> Alibaba:
    return Alibaba(transire, instance)


def fields(model: Any) -> set[str]:
    """The fields of a model of Tencent Cloud's SDK."""
    return {name.removeprefix("_") for name in vars(model())} - {"RequestId"}


def refused(call: Callable[..., Any], *arguments: Any, **parameters: Any) -> str:
    """The code of the SDK's exception."""
    with pytest.raises((TencentCloudSDKException, ClientException)) as says:
        call(*arguments, **parameters)
    code: str = says.value.code
    return code


@pytest.mark.parametrize(
    "options", [{}, {"method": "GET"}, {"signing": "HmacSHA256"}, {"signing": "HmacSHA1", "method": "GET"}], ids=str
)
def test_tencents_sdk_manages_namespaces(transire: Transire, instance: Instance, options: dict[str, str]) -> None:
    ask = Tencent(transire, instance, **options)
    tags = {"ResourceType": "namespace", "Tags": [{"Key": "env", "Value": "ci"}]}
    cves = [{"CVEID": "CVE-2021-44228"}]
    assert ask("CreateNamespace", NamespaceName="team", IsPublic=True, Severity="low", CVEWhitelistItems=cves, TagSpecification=tags) == {}
    listed = ask("DescribeNamespaces", Limit=20, Offset=0, Filters=[{"Name": "Tags", "Values": ["env:ci", "env:cd"]}])
    (one,) = listed["NamespaceList"]
    assert set(listed) == fields(tcr.DescribeNamespacesResponse)
    assert set(one) == fields(tcr.TcrNamespaceInfo)
    assert (one["Name"], one["Public"], one["Severity"], one["CVEWhitelistItems"]) == ("team", True, "low", cves)
    assert (one["TagSpecification"], listed["TotalCount"], type(one["NamespaceId"])) == (tags, 1, int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["CreationTime"])
    assert ask("ModifyNamespace", NamespaceName="team", IsPublic=False, IsAutoScan=True) == {}
    (one,) = ask("DescribeNamespaces", NamespaceName="team", Limit=1)["NamespaceList"]
    assert (one["Public"], one["AutoScan"], one["TagSpecification"]) == (False, True, tags)
    assert refused(ask, "CreateNamespace", NamespaceName="team", IsPublic=True) == "InvalidParameter.ErrNamespaceExist"
    assert refused(ask, "CreateNamespace", NamespaceName="Team", IsPublic=True) == "InvalidParameterValue"
    assert refused(ask, "CreateNamespace", NamespaceName="other") == "MissingParameter"
    assert ask("DeleteNamespace", NamespaceName="team") == {}
    assert refused(ask, "ModifyNamespace", NamespaceName="team", IsAutoScan=False) == "ResourceNotFound"
    assert ask("DescribeNamespaces", All=True) == {"NamespaceList": [], "TotalCount": 0}


def test_tencents_sdk_manages_repositories(ask_tencent: Tencent) -> None:
    ask = ask_tencent
    ask("CreateNamespace", NamespaceName="team", IsPublic=False)
    assert ask("CreateRepository", NamespaceName="team", RepositoryName="app", BriefDescription="short", Description="long") == {}
    listed = ask("DescribeRepositories", Offset=0, Limit=200)
    (one,) = listed["RepositoryList"]
    assert set(listed) == fields(tcr.DescribeRepositoriesResponse)
    assert set(one) == fields(tcr.TcrRepositoryInfo)
    assert (one["Name"], one["Namespace"], one["Public"]) == ("team/app", "team", False)
    assert (one["BriefDescription"], one["Description"]) == ("short", "long")
    for time in ("CreationTime", "UpdateTime"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})? \+0000 UTC", one[time])
    assert ask("ModifyRepository", NamespaceName="team", RepositoryName="app", BriefDescription="", Description="new") == {}
    assert ask("DescribeRepositories", NamespaceName="team", RepositoryName="app", Limit=1)["RepositoryList"][0]["Description"] == "new"
    assert refused(ask, "CreateRepository", NamespaceName="team", RepositoryName="app", Description="") == "InvalidParameter.ErrRepoExist"
    assert refused(ask, "DeleteNamespace", NamespaceName="team") == "FailedOperation.PreconditionFailed"
    assert ask("DeleteRepository", NamespaceName="team", RepositoryName="app", ForceDelete=True) == {}
    assert refused(ask, "DeleteRepository", NamespaceName="team", RepositoryName="app") == "ResourceNotFound"


@pytest.mark.parametrize("signing", [alibaba.ACS3, alibaba.V1])
def test_alibabas_sdk_manages_namespaces_and_repositories(transire: Transire, instance: Instance, signing: str) -> None:
    ask = Alibaba(transire, instance, signing)
    parameters = cr.RepoConfigurationArtifactBuildRuleParameters(image_index_only=False)
    configuration = cr.RepoConfiguration(repo_type="PRIVATE", tag_immutability=True, artifact_build_rule_parameters=parameters)
    assert ask("CreateNamespace", namespace_name="team", auto_create_repo=False, default_repo_configuration=configuration) == {}
    made = ask("GetNamespace", namespace_name="team")
    assert made == {
        "InstanceId": instance.cri_id,
        "NamespaceId": made["NamespaceId"],
        "NamespaceName": "team",
        "NamespaceStatus": "NORMAL",
        "AutoCreateRepo": False,
        "DefaultRepoType": "PRIVATE",
        "DefaultRepoConfiguration": configuration.to_map(),
        "ResourceGroupId": "",
    }
    listed = ask("ListNamespace", page_no=1, page_size=30)
    assert listed == {"PageNo": 1, "PageSize": 30, "TotalCount": "1", "Namespaces": [made]}
    assert ask("UpdateNamespace", namespace_name="team", auto_create_repo=True, default_repo_type="PUBLIC") == {}
    assert ask("GetNamespace", namespace_id=made["NamespaceId"])["DefaultRepoType"] == "PUBLIC"

    names = {"repo_namespace_name": "team", "repo_name": "app"}
    repo_id = ask("CreateRepository", **names, repo_type="PRIVATE", summary="short", detail="long", tag_immutability=False)["RepoId"]
    got = ask("GetRepository", repo_id=repo_id)
    assert got == ask("GetRepository", **names)
    assert (got["RepoType"], got["Summary"], got["Detail"], got["TagImmutability"]) == ("PRIVATE", "short", "long", False)
    assert (type(got["CreateTime"]), type(got["ModifiedTime"])) == (int, int)
    del got["Detail"]
    repositories = ask("ListRepository", repo_status="ALL", max_results=10)
    assert repositories.pop("NextToken") == ""
    assert repositories == {"PageNo": 1, "PageSize": 10, "MaxResults": 10, "TotalCount": "1", "Repositories": [got]}
    assert ask("UpdateRepository", repo_id=repo_id, repo_type="PUBLIC", summary="other") == {}
    assert ask("GetRepository", **names)["Summary"] == "other"
    assert refused(ask, "DeleteNamespace", namespace_name="team") == "PreconditionFailed"
    assert ask("DeleteRepository", repo_id=repo_id) == {}
    assert refused(ask, "GetRepository", **names) == "REPO_NOT_EXIST"
    assert ask("DeleteNamespace", namespace_name="team") == {}
    assert refused(ask, "GetNamespace", namespace_name="team") == "NAMESPACE_NOT_EXIST"


def test_terraform_and_harbor_page_as_they_do(ask_tencent: Tencent, ask_alibaba: Alibaba) -> None:
    for number in range(21):
        ask_alibaba("CreateNamespace", namespace_name=f"team-{number:02}")
    for number in range(21):
        ask_tencent("CreateRepository", NamespaceName="team-00", RepositoryName=f"app-{number:02}")

    # Terraform stops at a page that isn't full.
    assert len(ask_tencent("DescribeNamespaces", Offset=0, Limit=200)["NamespaceList"]) == 21
    assert len(ask_tencent("DescribeRepositories", NamespaceName="team-00", Offset=0, Limit=200)["RepositoryList"]) == 21

    # Harbor counts namespaces from page 0 until a page has none, repositories from page 1 until it has as many as there are.
    namespaces, page = [], 0
    while found := ask_tencent("DescribeNamespaces", Offset=page, Limit=20)["NamespaceList"]:
        namespaces += [one["Name"] for one in found]
        page += 1
    assert (sorted(namespaces), page) == ([f"team-{number:02}" for number in range(21)], 2)
    repositories, page, total = [], 1, -1
    while len(repositories) != total:
        listed = ask_tencent("DescribeRepositories", Offset=page, Limit=20)
        repositories += [one["Name"] for one in listed["RepositoryList"]]
        page, total = page + 1, listed["TotalCount"]
    assert sorted(repositories) == [f"team-00/app-{number:02}" for number in range(21)]

    # Alibaba's provider goes by pages of 50, its SDK's users by tokens.
    assert len(ask_alibaba("ListNamespace", page_no=1, page_size=50)["Namespaces"]) == 21
    seen, token = [], None
    while token != "":
        listed = ask_alibaba("ListRepository", max_results=10, next_token=token)
        seen += [one["RepoName"] for one in listed["Repositories"]]
        token = listed["NextToken"]
    assert sorted(seen) == [f"app-{number:02}" for number in range(21)]


def test_tccli_manages_a_namespace(transire: Transire, instance: Instance) -> None:
    def tccli(action: str, *arguments: str) -> Any:
        done = run(
            Path(sys.executable).with_name("tccli"),
            *("tcr", action, "--RegistryId", instance.tcr_id, *arguments, "--endpoint", f"http://{transire.endpoint}"),
            *("--secretId", instance.account.key.id, "--secretKey", instance.account.key.secret, "--region", REGION),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    assert list(tccli("CreateNamespace", "--NamespaceName", "team", "--IsPublic", "True")) == ["RequestId"]
    listed = tccli("DescribeNamespaces", "--NamespaceName", "team")
    assert (listed["TotalCount"], listed["NamespaceList"][0]["Public"]) == (1, True)


def granted(transire: Transire, instance: Instance, credential: Credential | None, path: str) -> list[str]:
    """What a token may do in a repository, as the registry reads it."""
    answer = exchange(transire.realm, instance, credential, f"repository:{path}:push")
    assert answer.status == 200, answer.body
    payload = answer.json()["token"].split(".")[1]
    access = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["access"]
    return sorted(action for one in access for action in one["actions"])


def push(registry: Registry, layout: Path, name: str) -> bool:
    done = skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}:v1", registry.reference(name))
    assert done.returncode == 0 or "denied" in done.stderr or "unauthorized" in done.stderr, done.stderr
    return done.returncode == 0


def test_a_registry_takes_pushes_only_where_records_let_it(
    transire: Transire, instance: Instance, registry: Registry, ask_alibaba: Alibaba, tmp_path: Path
) -> None:
    image.write_oci_layout(tmp_path / "in", "v1")
    assert skopeo_login(registry, tencent.issue(transire, instance.account.key, instance.tcr_id)).returncode == 0
    assert push(registry, tmp_path / "in", "team/before:v1")
    ask_alibaba("CreateNamespace", namespace_name="team", auto_create_repo=False)
    assert not push(registry, tmp_path / "in", "team/app:v1")
    ask_alibaba("CreateRepository", repo_namespace_name="team", repo_name="app", repo_type="PRIVATE", summary="x")
    assert push(registry, tmp_path / "in", "team/app:v1")
    # What was there before is read as ever.
    assert skopeo("inspect", "--tls-verify=false", registry.reference("team/before:v1")).returncode == 0


def test_anyone_pulls_what_is_public(
    transire: Transire, instance: Instance, registry: Registry, ask_tencent: Tencent, tmp_path: Path
) -> None:
    image.write_oci_layout(tmp_path / "in", "v1")
    ask_tencent("CreateNamespace", NamespaceName="open", IsPublic=True)
    assert skopeo_login(registry, tencent.issue(transire, instance.account.key, instance.tcr_id)).returncode == 0
    for name in ("open/tool:v1", "team/tool:v1"):
        assert push(registry, tmp_path / "in", name)
    assert run("skopeo", "logout", "--all").returncode == 0

    def can_be_pulled(name: str) -> bool:
        return skopeo("inspect", "--tls-verify=false", registry.reference(name)).returncode == 0

    assert can_be_pulled("open/tool:v1")
    assert not can_be_pulled("team/tool:v1")
    assert not push(registry, tmp_path / "in", "open/tool:v2")
    ask_tencent("ModifyNamespace", NamespaceName="open", IsPublic=False)
    assert not can_be_pulled("open/tool:v1")


def test_the_operator_records_namespaces_and_repositories(transire: Transire, instance: Instance, ask_tencent: Tencent) -> None:
    of = ("--instance", instance.cri_id)
    made = transire.cli("namespace", "create", *of, "--name", "team", "--no-auto-create")
    assert (made["name"], made["visibility"], made["auto_create"]) == ("team", "private", False)
    assert transire.items("namespace", "list", *of) == [made]
    assert "choose another name" in transire.cli_refused("namespace", "create", *of, "--name", "team")
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)

    def grants(app: list[str], other: list[str]) -> None:
        # The service hears of a command a moment later.
        expected = {"team/app": app, "other/app": other}
        wait_until(str(expected), lambda: all(granted(transire, instance, credential, path) == actions for path, actions in expected.items()))

    both = ["pull", "push"]
    grants(["pull"], both)
    repository = transire.cli("repository", "create", *of, "--namespace", "team", "--name", "app")
    assert transire.items("repository", "list", *of, "--namespace", "team") == [repository]
    assert repository["name"] == "team/app"
    grants(both, both)
    assert transire.cli("namespace", "unrecorded", *of, "closed") == {"instance": instance.tcr_id, "unrecorded_namespaces": "closed"}
    grants(both, ["pull"])
    assert "delete them first" in transire.cli_refused("namespace", "delete", *of, "--name", "team")
    assert transire.cli("namespace", "delete", *of, "--name", "team", "--force") == {"name": "team", "state": "deleted"}
    assert transire.items("repository", "list", *of) == []
    assert ask_tencent("DescribeNamespaces")["TotalCount"] == 0


def test_nobody_gets_a_token_that_opens_what_is_private(transire: Transire, instance: Instance, ask_tencent: Tencent) -> None:
    ask_tencent("CreateNamespace", NamespaceName="team", IsPublic=False)
    assert granted(transire, instance, None, "team/app") == []
    ask_tencent("ModifyNamespace", NamespaceName="team", IsPublic=True)
    assert granted(transire, instance, None, "team/app") == ["pull"]
