"""Images: both clouds' doors tell and delete what a real registry has."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_cr20181201 import models as cr
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from processes import wait_until
from registry import run
from service import REGION, AccessKey, Account, Transire
from stock import Stock

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
CREATED = "2022-08-06T07:31:01.207374Z"
CREATED_MS = 1659771061207


def sizes(manifest: bytes) -> int:
    read = json.loads(manifest)
    return sum(part["size"] for part in [read["config"], *read["layers"]])


def test_both_clouds_tell_the_same_of_what_was_pushed(stock: Stock) -> None:
    labels = {"org.example.team": "tools", "a": "1"}
    digest = stock.push("team/tool", "v1", created=CREATED, config={"Cmd": ["sh"], "Labels": labels})
    manifest = stock.manifest("team/tool", "v1", digest)
    stock.tag("team/tool", manifest, OCI_MANIFEST, "latest")
    other = stock.push("team/tool", "w2")
    repo_id = stock.import_all()["team/tool"]
    assert repo_id.startswith("crr-")

    listed = stock.tencent("DescribeImages", "team/tool")
    assert (listed.TotalCount, [one.ImageVersion for one in listed.ImageInfoList]) == (3, ["latest", "v1", "w2"])
    [_, first, unsaid] = listed.ImageInfoList
    assert vars(first) == {
        "_Digest": digest,
        "_Size": sizes(manifest),
        "_ImageVersion": "v1",
        "_UpdateTime": "2022-08-06T07:31:01.207Z",
        "_Kind": f"Artifact::{OCI_MANIFEST}",
        "_KmsSignature": "",
    }
    assert (unsaid.Digest, unsaid.UpdateTime) == (other, "1970-01-01T00:00:00Z")
    for filters, expected in [
        ({"ImageVersion": "2"}, ["w2"]),
        ({"ImageVersion": "v", "ExactMatch": True}, []),
        ({"ImageVersion": "v1", "ExactMatch": True}, ["v1"]),
        ({"ImageVersion": "a"}, ["latest"]),
        ({"Digest": digest}, ["latest", "v1"]),
        ({"Digest": digest, "ImageVersion": "v"}, ["v1"]),
        ({"Digest": digest, "Limit": 1, "Offset": 2}, ["v1"]),
        ({"Limit": 2, "Offset": 0}, ["latest", "v1"]),
        ({"Limit": 2, "Offset": 2}, ["w2"]),
        ({"Limit": 2, "Offset": 3}, []),
    ]:
        found = stock.tencent("DescribeImages", "team/tool", **filters)
        assert [one.ImageVersion for one in found.ImageInfoList] == expected, filters

    documents = stock.tencent("DescribeImageManifests", "team/tool", ImageVersion="v1")
    assert documents.Manifest.encode() == manifest
    assert json.loads(documents.Config)["created"] == CREATED
    assert {label.Key: label.Value for label in documents.Labels} == labels
    assert documents.Size == sizes(manifest)

    place = {"instance_id": stock.instance.cri_id, "repo_id": repo_id}
    body = stock.alibaba("list_repo_tag", cr.ListRepoTagRequest(**place)).to_map()
    described = {
        "Tag": "v1",
        "Digest": digest.removeprefix("sha256:"),
        "ImageId": json.loads(manifest)["config"]["digest"].removeprefix("sha256:"),
        "ImageSize": sizes(manifest),
        "ImageCreate": str(CREATED_MS),
        "ImageUpdate": str(CREATED_MS),
        "Status": "NORMAL",
    }
    assert body.pop("Images")[1] == described
    assert body.pop("RequestId")
    assert body == {
        **{"Code": "success", "IsSuccess": True, "PageNo": 1, "PageSize": 30, "MaxResults": 30, "NextToken": "", "TotalCount": "3"}
    }
    one = stock.alibaba("get_repo_tag", cr.GetRepoTagRequest(**place, tag="v1")).to_map()
    assert one.pop("RequestId")
    assert one == {**described, "ImageCreate": CREATED_MS, "ImageUpdate": CREATED_MS, "Code": "success", "IsSuccess": True}

    seen, token = [], None
    while token != "":
        page = stock.alibaba("list_repo_tag", cr.ListRepoTagRequest(**place, max_results=2, next_token=token))
        seen += [tag.tag for tag in page.images]
        token = page.next_token
    assert seen == ["latest", "v1", "w2"]
    last = stock.alibaba("list_repo_tag", cr.ListRepoTagRequest(**place, page_no=2, page_size=2))
    assert ([tag.tag for tag in last.images], last.page_no, last.total_count) == (["w2"], 2, "3")

    done = run(
        Path(sys.executable).with_name("tccli"),
        *("tcr", "DescribeImages", "--RegistryId", stock.instance.tcr_id, "--NamespaceName", "team", "--RepositoryName", "tool"),
        *("--Limit", "1", "--ExactMatch", "True", "--ImageVersion", "v1"),
        *("--secretId", stock.instance.account.key.id, "--secretKey", stock.instance.account.key.secret),
        *("--region", REGION, "--endpoint", f"http://{stock.transire.endpoint}"),
    )
    assert done.returncode == 0, done.stderr
    assert [one["Digest"] for one in json.loads(done.stdout)["ImageInfoList"]] == [digest]


def test_harbors_walk_ends_with_every_tag(stock: Stock) -> None:
    """It asks for pages of twenty until it has as many as TotalCount says, and for ever if it never has."""
    digest = stock.push("team/tool", "t00")
    names = [f"t{number:02}" for number in range(45)]
    stock.tag("team/tool", stock.manifest("team/tool", "t00", digest), OCI_MANIFEST, *names[1:])
    stock.import_all()
    collected: list[str] = []
    for page in range(1, 10):
        listed = stock.tencent("DescribeImages", "team/tool", Limit=20, Offset=page)
        collected += [one.ImageVersion for one in listed.ImageInfoList]
        if page == 1:
            # While the walk goes on, somebody pushes: its pages stay those of one list.
            stock.tag("team/tool", stock.manifest("team/tool", "t00", digest), OCI_MANIFEST, "a-new-one")
        if len(collected) == listed.TotalCount:
            break
    assert (page, collected) == (3, names)


def test_a_tag_is_deleted_only_when_nothing_else_needs_its_image(stock: Stock) -> None:
    digest = stock.push("team/tool", "v1", created=CREATED)
    manifest = stock.manifest("team/tool", "v1", digest)
    stock.tag("team/tool", manifest, OCI_MANIFEST, "latest", "stable")
    inner = stock.push("team/tool", "inner", author="somebody")
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {"mediaType": OCI_MANIFEST, "digest": inner, "size": len(stock.manifest("team/tool", "inner", inner))},
            {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(manifest)},
        ],
    }
    stock.tag("team/tool", json.dumps(index).encode(), OCI_INDEX, "both")
    repo_id = stock.import_all()["team/tool"]
    place = {"instance_id": stock.instance.cri_id, "repo_id": repo_id}

    both = stock.alibaba("get_repo_tag", cr.GetRepoTagRequest(**place, tag="both"))
    assert both.image_size == sizes(manifest) + sizes(stock.manifest("team/tool", "inner", inner))
    assert (both.image_id, both.image_create) == (both.digest, CREATED_MS)
    # By GET: the signature of a POST would be that of DeleteImage's below, if it is the same second (compatibility, T3).
    assert stock.tencent("DescribeImageManifests", "team/tool", method="GET", ImageVersion="both").Config == ""

    everything = ["both", "inner", "latest", "stable", "v1"]
    for tag, needed in [("v1", "both, latest, stable"), ("inner", "both")]:
        with pytest.raises(TencentCloudSDKException) as refused:
            stock.tencent("DeleteImage", "team/tool", ImageVersion=tag)
        assert (refused.value.code, f": {needed}. " in refused.value.message) == ("UnsupportedOperation", True), refused.value
        with pytest.raises(ClientException) as refused_there:
            stock.alibaba("delete_repo_tag", cr.DeleteRepoTagRequest(**place, tag=tag))
        assert refused_there.value.code == "UnsupportedOperation"
    with pytest.raises(TencentCloudSDKException, match="stable"):
        stock.tencent("DeleteRepositoryTags", "team/tool", Tags=["v1", "latest", "both"])
    assert stock.tags("team/tool") == everything

    # An index that is only itself goes, and its images stay.
    stock.tencent("DeleteImage", "team/tool", ImageVersion="both")
    assert stock.tags("team/tool") == ["inner", "latest", "stable", "v1"]
    stock.alibaba("delete_repo_tag", cr.DeleteRepoTagRequest(**place, tag="inner"))
    assert stock.tags("team/tool") == ["latest", "stable", "v1"]
    stock.tencent("DeleteRepositoryTags", "team/tool", Tags=["v1", "latest", "stable"])
    assert stock.tags("team/tool") == []

    for gone in ["v1", "../../../_catalog"]:
        with pytest.raises(TencentCloudSDKException) as missing:
            stock.tencent("DeleteImage", "team/tool", ImageVersion=gone)
        assert missing.value.code == "ResourceNotFound"
    with pytest.raises(ClientException) as missing_there:
        stock.alibaba("get_repo_tag", cr.GetRepoTagRequest(**place, tag="v1"))
    assert (missing_there.value.status_code, missing_there.value.code) == (404, "IMAGE_NOT_EXIST")
    lines = [line for line in stock.transire.items("audit", "list", "--since", "1h") if line["action"] == "image.delete"]
    assert [line["outcome"] for line in lines].count("refused") == 5
    # Nothing is left, so nothing comes back.
    assert stock.import_all() == {}


def test_a_repository_that_docker_pushed_is_recorded_once_when_it_is_asked_for(stock: Stock) -> None:
    stock.push("team/tool", "v1")
    with pytest.raises(TencentCloudSDKException) as missing:
        stock.tencent("DescribeImages", "team/tool")
    assert (missing.value.code, "namespace team" in missing.value.message) == ("ResourceNotFound", True)
    assert list(stock.import_all()) == ["team/tool"]
    assert stock.import_all() == {}
    stock.push("team/deep/er", "v1")
    for _ in range(2):
        assert stock.tags("team/deep/er") == ["v1"]
    with pytest.raises(TencentCloudSDKException) as missing:
        stock.tencent("DescribeImages", "team/no-such")
    assert (missing.value.code, "repository team/no-such" in missing.value.message) == ("ResourceNotFound", True)
    imports = [line for line in stock.transire.items("audit", "list", "--since", "1h") if line["action"] == "repository.import"]
    assert sorted(name for line in imports for name in line["detail"]["repositories"]) == ["team/deep/er", "team/tool"]


@pytest.fixture
def user(transire: Transire, account: Account) -> Iterator[AccessKey]:
    transire.cli("user", "create", "--account", account.id, "--name", "reader")
    key = transire.cli("access-key", "create", "--account", account.id, "--user", "reader")
    yield AccessKey(key["access_key_id"], transire.remember("access key secret", key["access_key_secret"]))


def test_policies_decide_who_lists_and_deletes(stock: Stock, user: AccessKey, tmp_path: Path) -> None:
    stock.push("team/tool", "v1")
    stock.push("other/tool", "v1")
    ids = stock.import_all()
    file = tmp_path / "reader.json"
    repository = f"acs:cr:*:*:repository/{stock.instance.cri_id}/team/*"
    statement = {"Effect": "Allow", "Action": ["cr:ListRepoTag", "cr:GetRepoTag"], "Resource": repository}
    file.write_text(json.dumps({"Version": "1", "Statement": [statement]}))
    account = ("--account", stock.instance.account.id, "--name", "reader")
    stock.transire.cli("policy", "create", *account, "--document", file)
    stock.transire.cli("policy", "attach", *account, "--user", "reader")

    def ask(repository: str) -> Any:
        return stock.alibaba("list_repo_tag", cr.ListRepoTagRequest(instance_id=stock.instance.cri_id, repo_id=ids[repository]), user)

    def is_allowed() -> bool:
        try:
            return ask("team/tool").total_count == "1"
        except ClientException:
            return False

    wait_until("the running service to see the policy", is_allowed)
    assert stock.tencent("DescribeImages", "team/tool", user).TotalCount == 1
    for refused in [
        lambda: ask("other/tool"),
        lambda: stock.alibaba(
            "delete_repo_tag",
            cr.DeleteRepoTagRequest(instance_id=stock.instance.cri_id, repo_id=ids["team/tool"], tag="v1"),
            user,
        ),
        # Whether there is such a repository is not for who may not list all of them.
        lambda: stock.alibaba(
            "list_repo_tag", cr.ListRepoTagRequest(instance_id=stock.instance.cri_id, repo_id="crr-0123456789abcdef"), user
        ),
    ]:
        with pytest.raises(ClientException) as denied:
            refused()
        assert (denied.value.code, denied.value.status_code) == ("NoPrivilege", 403)
    with pytest.raises(TencentCloudSDKException) as denied_there:
        stock.tencent("DeleteImage", "team/tool", user, ImageVersion="v1")
    assert denied_there.value.code == "AuthFailure.UnauthorizedOperation"
    assert stock.tags("team/tool") == ["v1"]


def test_a_registry_that_is_away_or_unknown_is_named_as_such(stock: Stock, account: Account) -> None:
    stock.push("team/tool", "v1")
    repo_id = stock.import_all()["team/tool"]
    stock.registry.stop()
    with pytest.raises(TencentCloudSDKException) as away:
        stock.tencent("DescribeImages", "team/tool")
    assert away.value.code == "InternalError.ErrorTcrInternal"
    assert away.value.message == "The registry behind the instance does not answer; try again later."
    with pytest.raises(ServerException) as away_there:
        stock.alibaba("list_repo_tag", cr.ListRepoTagRequest(instance_id=stock.instance.cri_id, repo_id=repo_id))
    assert (away_there.value.status_code, away_there.value.code) == (500, "SystemError")
    assert "does not answer" in stock.transire.cli_refused("repository", "import", "--instance", stock.instance.tcr_id)

    bare = Stock(stock.transire, stock.transire.new_instance(account, "bare"), stock.registry, stock.folder)
    with pytest.raises(TencentCloudSDKException) as unknown:
        bare.tencent("DescribeImages", "team/tool")
    assert (unknown.value.code, "transire instance update --instance" in unknown.value.message) == ("UnsupportedOperation", True)
    refused = stock.transire.cli_refused(
        "instance", "create", "--account", account.id, "--name", "bad", "--service", "bad.example.com", "--registry-url", "ftp://a", exit_code=2
    )
    assert "--registry-url" in refused and "https" in refused
