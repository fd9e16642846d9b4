"""Every field of every served action with what doesn't belong there: a documented error, never a failure of ours."""

import inspect
from typing import Any

import pytest
from alibabacloud_cr20181201 import models as cr
from alibabacloud_tea_openapi.client import Client as OpenApi
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from tencentcloud.common import credential as tencent_credential
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.sts.v20180813 import models as sts
from tencentcloud.tcr.v20190924 import models as tcr

import alibaba
import tencent
from processes import wait_until
from service import REGION, Instance, Transire

TEXTS = ["", "x" * 5000, "'; DROP TABLE account; --", "a\r\nX-Injected: 1", "\x1b[2J\u202e", "%s%n{}${a}", "a\u0000\u0007b", "日本語", "../..", "-1", "99999999999999999999", "[", "{}"]
VALUES = [*TEXTS, 0, -1, 2**40, 1.5, True, [], {}, ["x"], [{}], [["x"]], {"x": {"y": []}}]

# The codes at Tencent's door for a value that can't be taken.
OF_A_VALUE = {
    "InvalidParameterValue",
    "InvalidParameter.ErrorRegistryName",
    "InvalidParameter.OverTimeError",
    "InvalidParameter.ParamError",
    "InvalidParameter.StrategyFormatError",
    "UnknownParameter",
}

PRODUCTS = {"tcr": (tcr, "2019-09-24"), "sts": (sts, "2018-08-13")}


def tencent_fields(product: str) -> dict[str, list[str]]:
    """The fields of every action's request, as the SDK's models have them."""
    module, _ = PRODUCTS[product]
    found = {}
    for name, request in inspect.getmembers(module, inspect.isclass):
        if name.endswith("Request") and request.__module__ == module.__name__:
            found[name.removesuffix("Request")] = [name for name, kind in vars(request).items() if isinstance(kind, property)]
    return found


def usual(instance: Instance) -> dict[str, Any]:
    """What a field holds when it isn't the one that is tried."""
    return {
        "RegistryId": instance.tcr_id,
        "NamespaceName": "team",
        "RepositoryName": "app",
        "Name": "robot",
        "TokenId": "0123456789abcdefghij",
        "ImageVersion": "v1",
        "RegistryName": "bad-input",
        "RegistryType": "basic",
        "IsPublic": False,
        "Random": True,
        "Permissions": [{"Resource": "team", "Actions": ["tcr:PullRepository"]}],
        "CidrBlock": "192.0.2.0/24",
        "Description": "d",
        "PolicyIndex": 0,
        "PolicyVersion": "1",
        "RoleArn": f"qcs::cam::uin/{instance.account.id}:roleName/none",
        "RoleSessionName": "test",
        "Policy": '{"version":"2.0","statement":[{"effect":"allow","action":"tcr:*","resource":"*"}]}',
        "ProviderId": "none",
        "WebIdentityToken": "a.b.c",
        "VpcSet": [{"InstanceId": instance.tcr_id, "VpcId": "vpc-9iazgkcl", "EniLBIp": "192.0.2.69"}],
    }


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_field_of_tencents_actions(transire: Transire, instance: Instance, product: str) -> None:
    _, version = PRODUCTS[product]
    served, tried = 0, 0
    for action, fields in tencent_fields(product).items():
        # A key for each action: two actions with one body in one second would have one signature.
        key = transire.new_access_key(instance.account.id)
        credential = tencent_credential.Credential(key.id, key.secret)
        client = CommonClient(product, version, credential, REGION, tencent.profile(transire))

        def answer(body: dict[str, Any], client: CommonClient = client, action: str = action) -> tuple[str, str]:
            """Code and message of the refusal; empty when there is none."""
            answers: list[tuple[str, str]] = []

            def is_answered() -> bool:
                try:
                    client.call_json(action, body)
                    answers.append(("", ""))
                except TencentCloudSDKException as refusal:
                    answers.append((refusal.code, refusal.message))
                return answers[-1][0] != "RequestLimitExceeded"

            wait_until(f"an answer to {action}", is_answered)
            return answers[-1]

        base = {name: value for name, value in usual(instance).items() if name in fields}
        try:
            client.call_json(action, base)
        except TencentCloudSDKException as refusal:
            if "is not served by transire" in refusal.message:
                continue
        served += 1
        usually = answer(base)
        for field in fields:
            for value in VALUES:
                code, message = answer({**base, field: value})
                what = f"{action} {field}={value!r}: {code} {message}"
                assert not code.startswith("InternalError"), what
                assert code not in ("ClientNetworkError", "ServerNetworkError"), what
                # A long BriefDescription of CreateRepository was refused without its name.
                assert code not in OF_A_VALUE or field in message or (code, message) == usually, what
                tried += 1
    assert served >= {"tcr": 43, "sts": 4}[product]
    assert tried > served * len(VALUES)
    assert " failed: " not in transire.log.read_text()


def alibaba_fields() -> dict[str, list[str]]:
    """The fields of every action's request at the wire, as the SDK's models have them."""
    found = {}
    for name, request in inspect.getmembers(cr, inspect.isclass):
        if name.endswith("Request") and not name.endswith("ShrinkRequest"):
            whole = inspect.getsource(request.to_map)
            found[name.removesuffix("Request")] = [part.split("'")[0] for part in whole.split("result['")[1:]]
    return found


def test_every_field_of_alibabas_actions(transire: Transire, instance: Instance) -> None:
    client = OpenApi(alibaba.config(transire, instance.account.key))
    values = {
        "InstanceId": instance.cri_id,
        "EndpointType": "internet",
        "NamespaceName": "team",
        "RepoNamespaceName": "team",
        "RepoName": "app",
        "RepoId": "crr-abcdefgh12345678",
        "RepoType": "PRIVATE",
        # A text of repositories, and a switch of ListInstanceEndpoint.
        "Summary": "true",
        "Tag": "v1",
        "Entry": "192.0.2.0/24",
        "Enable": "true",
        "ResourceType": "instance",
        "Domain": "hub.example.com",
        "ModuleName": "Registry",
    }

    def ask(action: str, query: dict[str, str]) -> tuple[int, str, str]:
        try:
            alibaba.call(client, action, query)
        except AlibabaCloudException as refusal:
            return refusal.status_code or 0, refusal.code or "", refusal.message or ""
        return 200, "", ""

    served = 0
    for action, fields in alibaba_fields().items():
        base = {name: value for name, value in values.items() if name in fields}
        if "is not served by transire" in ask(action, base)[2]:
            continue
        served += 1
        usually = ask(action, base)
        for field in fields:
            for value in TEXTS:

                def is_answered(action: str = action, query: dict[str, str] = {**base, field: value}, what: str = f"{field}={value!r}") -> bool:
                    status, code, message = ask(action, query)
                    assert 200 <= status < 500, f"{action} {what}: {status} {code} {message}"
                    of_a_value = code.startswith("Invalid") and not code.startswith("InvalidAccessKeyId")
                    assert not of_a_value or field in code + message or code == usually[1], f"{action} {what}: {code} {message}"
                    return not code.startswith("Throttling")

                wait_until(f"an answer to {action}", is_answered)
    assert served >= 34
    assert " failed: " not in transire.log.read_text()
