"""Instances, who may reach them, and their tags, by the clouds' own clients: what one door makes, the other lists."""

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_cr20181201 import models as cr_models
from alibabacloud_cr20181201.client import Client as Cr
from alibabacloud_tea_openapi.exceptions import ClientException
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.tcr.v20190924 import models
from tencentcloud.tcr.v20190924.tcr_client import TcrClient

import alibaba
import tencent
from credential import Credential
from registry import run
from service import REGION, Account, Answer, Instance, Transire, fetch

DOMAIN = "registry.example.com"


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    """A transire whose APIs can make instances."""
    transire = new_transire(settings={"TRANSIRE_BASE_DOMAIN": DOMAIN})
    transire.start()
    return transire


def call(tcr: TcrClient, action: str, **parameters: Any) -> Any:
    """The SDK's own response object, whose raw answer has exactly the fields of the SDK's model."""
    request = getattr(models, f"{action}Request")()
    request._deserialize(parameters)
    raw = json.loads(tcr.call(action, parameters))["Response"]
    response = getattr(models, f"{action}Response")()
    response._deserialize(raw)
    tencent.assert_same_fields(raw, response, action)
    return response


def refusal(tcr: TcrClient, action: str, **parameters: Any) -> str:
    with pytest.raises(TencentCloudSDKException) as caught:
        tcr.call_json(action, parameters)
    return caught.value.get_code()


def make(tcr: TcrClient, name: str, **parameters: Any) -> str:
    return call(tcr, "CreateInstance", RegistryName=name, RegistryType="basic", **parameters).RegistryId


def ask_for_a_token(transire: Transire, service: str, credential: Credential) -> Answer:
    pair = base64.b64encode(f"{credential.username}:{credential.secret}".encode()).decode()
    return fetch(f"http://{transire.endpoint}/token?service={service}", headers={"Authorization": f"Basic {pair}"})


def test_terraforms_sequence_makes_opens_and_deletes_an_instance(transire: Transire, account: Account) -> None:
    """The calls of the tencentcloud provider's resources, in its order and with its paging."""
    tcr = tencent.client(transire, account.key)
    tags = {"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "blue"}]}
    made = make(tcr, "team-registry", TagSpecification=tags, DeletionProtection=False)
    [shown] = call(tcr, "DescribeInstances", Registryids=[made], Offset=0, Limit=200).Registries
    assert (shown.RegistryName, shown.RegistryType, shown.Status, shown.RegionName) == ("team-registry", "basic", "Running", REGION)
    assert shown.PublicDomain == f"team-registry.{DOMAIN}"
    assert (shown.TagSpecification.Tags[0].Key, shown.TagSpecification.Tags[0].Value) == ("team", "blue")
    credential = tencent.issue(transire, account.key, made)
    service = shown.PublicDomain
    closed = ask_for_a_token(transire, service, credential)
    assert closed.status == 403, "an instance of an API is closed at first"
    assert closed.json()["errors"][0]["code"] == "DENIED"

    assert call(tcr, "DescribeExternalEndpointStatus", RegistryId=made).Status == "Closed"
    assert call(tcr, "ManageExternalEndpoint", RegistryId=made, Operation="Create").RegistryId == made
    assert call(tcr, "DescribeExternalEndpointStatus", RegistryId=made).Status == "Opened"
    refused = ask_for_a_token(transire, service, credential)
    assert refused.status == 403
    assert "127.0.0.1" in refused.json()["errors"][0]["message"], "who is sent away hears its address"
    entries = [{"CidrBlock": "127.0.0.0/8", "Description": "here"}, {"CidrBlock": "192.0.2.1", "Description": "office"}]
    call(tcr, "CreateMultipleSecurityPolicy", RegistryId=made, SecurityGroupPolicySet=entries)
    assert ask_for_a_token(transire, service, credential).status == 200
    listed = call(tcr, "DescribeSecurityPolicies", RegistryId=made).SecurityPolicySet
    assert [(one.PolicyIndex, one.CidrBlock, one.Description) for one in listed] == [(0, "127.0.0.0/8", "here"), (1, "192.0.2.1", "office")]
    call(tcr, "ModifySecurityPolicy", RegistryId=made, PolicyIndex=1, CidrBlock="192.0.2.2", Description="lab")
    call(tcr, "DeleteSecurityPolicy", RegistryId=made, CidrBlock="192.0.2.2")
    call(tcr, "CreateSecurityPolicy", RegistryId=made, CidrBlock="2001:db8::/32", Description="")
    call(tcr, "DeleteMultipleSecurityPolicy", RegistryId=made, SecurityGroupPolicySet=entries[:1])
    assert ask_for_a_token(transire, service, credential).status == 403

    call(tcr, "ModifyInstance", RegistryId=made, RegistryType="premium", DeletionProtection=True)
    assert refusal(tcr, "DeleteInstance", RegistryId=made, DeleteBucket=True) == "OperationDenied"
    call(tcr, "ModifyInstance", RegistryId=made, DeletionProtection=False)
    assert call(tcr, "DescribeInstanceStatus", RegistryIds=[made]).RegistryStatusSet[0].Status == "Running"
    call(tcr, "DeleteInstance", RegistryId=made, DeleteBucket=True)
    assert call(tcr, "DescribeInstances", Registryids=[made], Offset=0, Limit=200).TotalCount == 0
    assert ask_for_a_token(transire, service, credential).status == 401


def test_harbor_finds_its_instance_by_name(transire: Transire, account: Account, instance: Instance) -> None:
    tcr = tencent.client(transire, account.key)
    make(tcr, "team-registry")
    filters = [{"Name": "RegistryName", "Values": ["team-registry"]}]
    found = call(tcr, "DescribeInstances", AllRegion=True, Filters=filters)
    assert (found.TotalCount, found.Registries[0].RegistryName) == (1, "team-registry")


@pytest.mark.parametrize(("method", "signing"), [("GET", tencent.TC3), ("POST", "HmacSHA1"), ("GET", "HmacSHA256")])
def test_flattened_parameters_say_the_same(transire: Transire, account: Account, instance: Instance, method: str, signing: str) -> None:
    tcr = tencent.client(transire, account.key, method=method, signing=signing)
    request = models.DescribeInstancesRequest()
    request._deserialize({"AllRegion": True, "Limit": 5, "Filters": [{"Name": "RegistryName", "Values": ["nobody", "demo"]}]})
    assert [one.RegistryId for one in tcr.DescribeInstances(request).Registries] == [instance.tcr_id]


def test_names_and_ids_are_checked(transire: Transire, account: Account, instance: Instance) -> None:
    tcr = tencent.client(transire, account.key)
    made = make(tcr, "team-registry")
    checked = {name: call(tcr, "CheckInstanceName", RegistryName=name).DetailCode for name in ("new-registry", "-bad-", "team-registry")}
    assert checked == {"new-registry": 0, "-bad-": 1, "team-registry": 3}
    assert call(tcr, "CheckInstance", RegistryId=made).IsValidated is True
    assert call(tcr, "CheckInstance", RegistryId="tcr-zzzzzzzz").IsValidated is False
    assert call(tcr, "DescribeRegions").Regions[0].RegionName == REGION
    assert refusal(tcr, "CreateInstance", RegistryName="team-registry", RegistryType="standard") == "InvalidParameter.ErrorNameExists"
    assert refusal(tcr, "CreateInstance", RegistryName="x", RegistryType="basic") == "InvalidParameter.ErrorRegistryName"
    assert refusal(tcr, "CreateInstance", RegistryName="newer-registry") == "MissingParameter"
    assert refusal(tcr, "CreateInstance", RegistryName="newer-registry", RegistryType=1) == "InvalidParameter"
    assert refusal(tcr, "DescribeInstances", Colour="red") == "UnknownParameter"
    assert refusal(tcr, "DeleteInstance", RegistryId="tcr-zzzzzzzz", DeleteBucket=False) == "ResourceNotFound.TcrResourceNotFound"


def test_tccli_makes_and_lists_instances(transire: Transire, account: Account) -> None:
    def tccli(*arguments: str) -> Any:
        done = run(
            Path(sys.executable).with_name("tccli"),
            *("tcr", *arguments),
            *("--secretId", account.key.id, "--secretKey", account.key.secret, "--region", REGION),
            *("--endpoint", f"http://{transire.endpoint}"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    made = tccli("CreateInstance", "--RegistryName", "team-registry", "--RegistryType", "basic")["RegistryId"]
    listed = tccli("DescribeInstances", "--AllRegion", "True", "--Filters", json.dumps([{"Name": "RegistryId", "Values": [made]}]))
    assert [one["RegistryName"] for one in listed["Registries"]] == ["team-registry"]
    tccli("CreateSecurityPolicy", "--RegistryId", made, "--CidrBlock", "192.0.2.0/24", "--Description", "office")
    assert tccli("DescribeSecurityPolicies", "--RegistryId", made)["SecurityPolicySet"][0]["CidrBlock"] == "192.0.2.0/24"


@pytest.mark.parametrize("signing", [alibaba.ACS3, alibaba.V1], ids=["acs3", "v1"])
def test_alibabas_sdk_opens_an_instance_and_tags_it(transire: Transire, account: Account, signing: str) -> None:
    """The calls of the alicloud provider's resources for endpoints and their lists, and of the tag service's clients."""
    tcr_id = make(tencent.client(transire, account.key), "team-registry")
    cr = Cr(alibaba.config(transire, account.key, signing))
    listed = cr.list_instance(cr_models.ListInstanceRequest(instance_name="team-registry")).body
    assert (type(listed.total_count), listed.total_count, listed.code, listed.is_success) == (int, 1, "success", True)
    [shown] = listed.instances
    assert (shown.instance_specification, shown.instance_status, shown.region_id) == ("Enterprise_Basic", "RUNNING", REGION)
    assert type(shown.create_time) is str
    cri_id = shown.instance_id
    got = cr.get_instance(cr_models.GetInstanceRequest(instance_id=cri_id)).body
    assert (got.instance_name, type(got.create_time), str(got.create_time)) == ("team-registry", int, shown.create_time)
    assert cr.get_instance_count().body.count == 1
    usage = cr.get_instance_usage(cr_models.GetInstanceUsageRequest(instance_id=cri_id)).body
    assert (usage.namespace_quota, usage.namespace_usage, usage.repo_quota, usage.repo_usage) == ("50", "0", "1000", "0")
    assert cr.list_instance_region(cr_models.ListInstanceRegionRequest()).body.regions[0].region_id == REGION

    endpoint = {"instance_id": cri_id, "endpoint_type": "internet", "module_name": "Registry"}
    cr.update_instance_endpoint_status(cr_models.UpdateInstanceEndpointStatusRequest(**endpoint, enable=True))
    add = cr_models.CreateInstanceEndpointAclPolicyRequest(**endpoint, entry="192.0.2.0/24", comment="office")
    cr.create_instance_endpoint_acl_policy(add)
    more = [cr_models.AccessControlEntry(entry="198.51.100.0/24", comment="lab"), cr_models.AccessControlEntry(entry="2001:db8::1")]
    cr.create_instance_endpoint_acl_policy(cr_models.CreateInstanceEndpointAclPolicyRequest(**endpoint, entries=more))
    opened = cr.get_instance_endpoint(cr_models.GetInstanceEndpointRequest(**endpoint)).body
    assert (opened.enable, opened.acl_enable, opened.status) == (True, True, "RUNNING")
    assert [one.entry for one in opened.acl_entries] == ["127.0.0.1/32", "192.0.2.0/24", "198.51.100.0/24", "2001:db8::1"]
    assert (opened.domains[0].type, opened.domains[0].domain) == ("SYSTEM", f"team-registry.{DOMAIN}")
    credential = alibaba.issue(transire, account.key, cri_id)
    assert ask_for_a_token(transire, f"team-registry.{DOMAIN}", credential).status == 200
    for entry in ("127.0.0.1/32", "192.0.2.0/24"):
        cr.delete_instance_endpoint_acl_policy(cr_models.DeleteInstanceEndpointAclPolicyRequest(**endpoint, entry=entry))
    assert ask_for_a_token(transire, f"team-registry.{DOMAIN}", credential).status == 403
    summary = cr.list_instance_endpoint(cr_models.ListInstanceEndpointRequest(instance_id=cri_id, summary=True)).body
    assert (summary.endpoints[0].endpoint_type, summary.endpoints[0].acl_entries) == ("internet", [])

    tag = cr_models.TagResourcesRequestTag(key="team", value="blue")
    resources = {"region_id": REGION, "resource_type": "instance", "resource_id": [cri_id]}
    cr.tag_resources(cr_models.TagResourcesRequest(**resources, tag=[tag]))
    found = cr.list_tag_resources(cr_models.ListTagResourcesRequest(**resources)).body.tag_resources.tag_resource
    assert [(one.resource_id, one.tag_key, one.tag_value) for one in found] == [(cri_id, "team", "blue")]
    [at_tencent] = call(tencent.client(transire, account.key), "DescribeInstances", Registryids=[tcr_id]).Registries
    assert at_tencent.TagSpecification.Tags[0].Value == "blue"
    cr.untag_resources(cr_models.UntagResourcesRequest(**resources, tag_key=["team"]))
    assert cr.get_instance(cr_models.GetInstanceRequest(instance_id=cri_id)).body.tags == []

    with pytest.raises(ClientException) as caught:
        cr.get_instance(cr_models.GetInstanceRequest(instance_id="cri-zzzzzzzzzzzzzzzz"))
    assert (caught.value.code, caught.value.status_code) == ("INSTANCE_NOT_EXIST", 404)


def test_the_operator_says_who_comes_in_and_deletes(transire: Transire, account: Account, instance: Instance) -> None:
    which = ("--instance", instance.tcr_id)
    assert transire.cli("instance", "update", *which, "--registry-url", "http://127.0.0.1:5000", "--specification", "basic") == {
        "tcr_id": instance.tcr_id,
        "issuer": "http://localhost:8480",
        "next_issuer": None,
        "state": "updated",
    }
    [shown] = transire.items("instance", "list")
    assert (shown["registry_url"], shown["specification"]) == ("http://127.0.0.1:5000", "basic")
    assert (shown["public_endpoint"], shown["allow_list"]) == ("open", "disabled")
    transire.cli("instance", "update", *which, "--no-registry-url")
    transire.cli_refused("instance", "update", *which, exit_code=2)
    transire.cli_refused("instance", "update", *which, "--no-registry-url", "--registry-url", "http://x", exit_code=2)

    assert transire.cli("allow-list", "add", *which, "--cidr", "192.0.2.0/24", "--comment", "office") == {
        "cidr": "192.0.2.0/24",
        "state": "added",
    }
    assert transire.items("allow-list", "list", *which) == [{"cidr": "192.0.2.0/24", "comment": "office"}]
    transire.cli_refused("allow-list", "add", *which, "--cidr", "192.0.2.7/24")
    credential = tencent.issue(transire, account.key, instance.tcr_id)
    assert ask_for_a_token(transire, instance.service, credential).status == 403
    assert transire.cli("allow-list", "disable", *which)["state"] == "disabled"
    transire.cli("instance", "update", *which, "--public-endpoint", "closed", "--deletion-protection", "on")
    transire.cli_refused("instance", "delete", *which)
    transire.cli("instance", "update", *which, "--public-endpoint", "open", "--deletion-protection", "off")
    assert transire.cli("allow-list", "enable", *which)["state"] == "enabled"
    assert transire.cli("allow-list", "remove", *which, "--cidr", "192.0.2.0/24")["state"] == "removed"
    tencent.issue(transire, account.key, instance.tcr_id, "longterm")
    transire.cli_refused("instance", "delete", *which)
    assert transire.cli("instance", "delete", *which, "--with-contents") == {"tcr_id": instance.tcr_id, "state": "deleted"}
    assert transire.items("instance", "list") == []
