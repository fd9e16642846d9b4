"""GetAuthorizationToken by Alibaba Cloud's Python SDKs, in every form that they sign."""

import re
import time
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from alibabacloud_cr20160607.client import Client as Cr2016
from alibabacloud_cr20181201.client import Client as Cr2018
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.request import CommonRequest
from aliyunsdkcr.request.v20160607.GetAuthorizationTokenRequest import GetAuthorizationTokenRequest as OldRequest2016
from darabonba.policy.retry import RetryOptions
from darabonba.runtime import RuntimeOptions

from alibaba import ACS3, V1, ask_old, config, get_authorization_token, old_core, old_request
from credential import Credential
from registry import Registry, assert_logs_in
from relay import Relay
from service import AccessKey, Account, Instance, Transire

HOUR = 3600
SIGNINGS = [pytest.param(ACS3, id="acs3"), pytest.param(V1, id="v1")]
REQUEST_ID = r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"


def refusal(transire: Transire, key: AccessKey, instance_id: str | None, hours: int | None = None, signing: str = ACS3) -> ClientException:
    """The exception that the SDK raises from the service's answer."""
    with pytest.raises(ClientException) as caught:
        get_authorization_token(transire, key, instance_id, hours, signing)
    data = caught.value.data
    assert re.fullmatch(REQUEST_ID, data["RequestId"])
    assert data["HostId"]
    assert data["Recommend"].startswith("https://api.aliyun.com/troubleshoot?q=")
    return caught.value


@pytest.mark.parametrize("signing", SIGNINGS)
@pytest.mark.parametrize(("hours", "lasts"), [(None, HOUR), (3, 3 * HOUR), (24, 24 * HOUR)])
def test_a_token_lasts_as_long_as_asked(
    transire: Transire, instance: Instance, registry: Registry, signing: str, hours: int | None, lasts: int
) -> None:
    made = get_authorization_token(transire, instance.account.key, instance.cri_id, hours, signing)
    transire.remember("authorization token", made.authorization_token)
    assert (made.code, made.is_success, made.temp_username) == ("success", True, "cr_temp_user")
    assert type(made.expire_time) is int
    assert made.expire_time / 1000 == pytest.approx(time.time() + lasts, abs=10)
    assert re.fullmatch(REQUEST_ID, made.request_id)
    assert_logs_in(registry, Credential(made.temp_username, made.authorization_token, made.expire_time))


@pytest.mark.parametrize("signing", SIGNINGS)
@pytest.mark.parametrize("hours", [0, 25, -1])
def test_no_token_lasts_longer_than_a_day(transire: Transire, instance: Instance, signing: str, hours: int) -> None:
    refused = refusal(transire, instance.account.key, instance.cri_id, hours, signing)
    assert refused.status_code == 400
    assert refused.code.startswith("Invalid")
    assert "ExpiresInHours" in refused.message


def test_the_old_core_gets_a_token(transire: Transire, instance: Instance, registry: Registry) -> None:
    made = ask_old(instance.account.key, old_request(transire, instance.cri_id))
    transire.remember("authorization token", made["AuthorizationToken"])
    assert set(made) == {"RequestId", "ExpireTime", "Code", "IsSuccess", "TempUsername", "AuthorizationToken"}
    assert (made["Code"], made["IsSuccess"]) == ("success", True)
    assert made["ExpireTime"] / 1000 == pytest.approx(time.time() + HOUR, abs=10)
    assert_logs_in(registry, Credential(made["TempUsername"], made["AuthorizationToken"], made["ExpireTime"]))


@pytest.mark.parametrize(("method", "place"), [("GET", "query"), ("POST", "query"), ("POST", "body")])
def test_the_old_cores_common_request_gets_a_token(transire: Transire, instance: Instance, method: str, place: str) -> None:
    request = CommonRequest(domain=transire.endpoint, version="2018-12-01", action_name="GetAuthorizationToken")
    request.set_method(method)
    add = request.add_query_param if place == "query" else request.add_body_params
    add("InstanceId", instance.cri_id)
    made = ask_old(instance.account.key, request)
    transire.remember("authorization token", made["AuthorizationToken"])
    assert made["TempUsername"] == "cr_temp_user"


# The 2016 API knows no instance: it answers for the account's only one.


def check_2016(transire: Transire, registry: Registry, answer: dict[str, Any]) -> None:
    made = answer["data"]
    transire.remember("authorization token", made["authorizationToken"])
    assert answer["requestId"]
    assert made["expireDate"] / 1000 == pytest.approx(time.time() + HOUR, abs=10)
    assert_logs_in(registry, Credential(made["tempUserName"], made["authorizationToken"], made["expireDate"]))


def test_the_old_core_gets_a_token_from_the_2016_api(transire: Transire, instance: Instance, registry: Registry) -> None:
    request = OldRequest2016()
    request.set_endpoint(transire.endpoint)
    check_2016(transire, registry, ask_old(instance.account.key, request))


@pytest.mark.parametrize("signing", SIGNINGS)
def test_the_2016_sdk_gets_a_token(transire: Transire, instance: Instance, registry: Registry, signing: str) -> None:
    sdk = Cr2016(config(transire, instance.account.key, signing))
    # Its own method throws the answer's body away...
    assert sdk.get_authorization_token().headers
    # ... so the same is asked once more by its generic call, which keeps it.
    wanted = Params(
        action="GetAuthorizationToken",
        version="2016-06-07",
        protocol="HTTP",
        pathname="/tokens",
        method="GET",
        auth_type="AK",
        style="ROA",
        req_body_type="json",
        body_type="json",
    )
    answer = sdk.call_api(wanted, OpenApiRequest(headers={}), RuntimeOptions())
    check_2016(transire, registry, answer["body"])


def test_the_2016_api_needs_a_default_among_several_instances(transire: Transire, account: Account, instance: Instance) -> None:
    transire.new_instance(account, "second")
    request = OldRequest2016()
    request.set_endpoint(transire.endpoint)
    with pytest.raises(ServerException) as caught:
        ask_old(account.key, request)
    assert caught.value.get_error_msg()
    transire.new_instance(account, "third", "--default")
    transire.remember("authorization token", ask_old(account.key, request)["data"]["authorizationToken"])


@pytest.mark.parametrize("signing", SIGNINGS)
def test_a_wrong_secret_is_refused(transire: Transire, instance: Instance, signing: str) -> None:
    wrong = AccessKey(instance.account.key.id, "x" * 30)
    refused = refusal(transire, wrong, instance.cri_id, signing=signing)
    assert (refused.status_code, refused.code) == (400, "SignatureDoesNotMatch")
    assert "Specified signature is not matched with our calculation. server string to sign is:" in refused.message


def test_a_wrong_secret_does_not_crash_the_old_core(transire: Transire, instance: Instance) -> None:
    wrong = AccessKey(instance.account.key.id, "x" * 30)
    with pytest.raises(ServerException) as caught:
        ask_old(wrong, old_request(transire, instance.cri_id))
    # The core itself says so when the server's string to sign is, to the letter, its own.
    assert (caught.value.get_http_status(), caught.value.get_error_code()) == (400, "InvalidAccessKeySecret")


def test_a_wrong_secret_does_not_crash_the_old_core_at_the_2016_api(transire: Transire, instance: Instance) -> None:
    request = OldRequest2016()
    request.set_endpoint(transire.endpoint)
    with pytest.raises(ServerException) as caught:
        ask_old(AccessKey(instance.account.key.id, "x" * 30), request)
    assert (caught.value.get_http_status(), caught.value.get_error_code()) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize("signing", SIGNINGS)
def test_an_unknown_key_is_refused(transire: Transire, instance: Instance, signing: str) -> None:
    refused = refusal(transire, AccessKey("AKID" + "0" * 32, "x" * 30), instance.cri_id, signing=signing)
    assert (refused.status_code, refused.code) == (404, "InvalidAccessKeyId.NotFound")
    assert "Specified access key is not found." in refused.message


@pytest.mark.parametrize("signing", SIGNINGS)
def test_a_disabled_key_is_refused(transire: Transire, account: Account, instance: Instance, signing: str) -> None:
    transire.cli("access-key", "disable", "--id", account.key.id)
    refused = refusal(transire, account.key, instance.cri_id, signing=signing)
    assert (refused.status_code, refused.code) == (400, "InvalidAccessKeyId.Inactive")
    assert "Specified access key is disabled." in refused.message


@pytest.mark.parametrize("signing", SIGNINGS)
def test_an_unknown_instance_and_a_strangers_look_the_same(transire: Transire, instance: Instance, signing: str) -> None:
    stranger = transire.new_account("stranger")
    unknown = refusal(transire, stranger.key, "cri-zzzzzzzzzzzzzzzz", signing=signing)
    strangers = refusal(transire, stranger.key, instance.cri_id, signing=signing)
    assert unknown.code == "INSTANCE_NOT_EXIST"
    assert (strangers.status_code, strangers.code) == (unknown.status_code, unknown.code)


@pytest.mark.parametrize("signing", SIGNINGS)
def test_a_missing_instance_is_named(transire: Transire, account: Account, signing: str) -> None:
    refused = refusal(transire, account.key, None, signing=signing)
    assert refused.status_code == 400
    assert refused.code.startswith("Missing")
    assert "InstanceId" in refused.message


@pytest.mark.parametrize("algorithm", ["ACS3-HMAC-SM3"])
def test_an_algorithm_that_is_not_served_is_refused_by_name(transire: Transire, instance: Instance, algorithm: str) -> None:
    refused = refusal(transire, instance.account.key, instance.cri_id, signing=algorithm)
    assert (refused.status_code, refused.code) == (400, "InvalidSignatureMethod")


def ask_for_xml(key: AccessKey, request: Any) -> bytes:
    """The older core's call that leaves reading to the caller; its other one always asks for JSON."""
    request.set_accept_format("XML")
    return old_core(key).do_action(request)


def test_xml_is_for_who_asks_for_it(transire: Transire, instance: Instance) -> None:
    request = old_request(transire, instance.cri_id)
    root = ElementTree.fromstring(ask_for_xml(instance.account.key, request))
    assert root.tag == "GetAuthorizationTokenResponse"
    fields = {field.tag: field.text for field in root}
    transire.remember("authorization token", fields["AuthorizationToken"] or "")
    assert (fields["Code"], fields["IsSuccess"], fields["TempUsername"]) == ("success", "true", "cr_temp_user")


def test_a_refusal_is_xml_for_who_asks_for_it(transire: Transire, instance: Instance) -> None:
    request = old_request(transire, "cri-zzzzzzzzzzzzzzzz")
    root = ElementTree.fromstring(ask_for_xml(instance.account.key, request))
    assert root.tag == "Error"
    assert {"RequestId", "HostId", "Code", "Message"} <= {field.tag for field in root}
    assert root.findtext("Code") == "INSTANCE_NOT_EXIST"


@pytest.mark.parametrize("signing", SIGNINGS)
def test_a_call_whose_answer_was_lost_may_be_made_again_with_a_nonce_of_its_own(
    transire: Transire, instance: Instance, signing: str
) -> None:
    """After a time-out an SDK sent the same nonce again, which the first request had used (aliyun/alibaba-cloud-sdk-go#39)."""
    relay = Relay(transire.endpoint, lost=1)
    try:
        options = config(transire, instance.account.key, signing)
        options.endpoint, options.read_timeout = relay.endpoint, 2000
        options.retry_options = RetryOptions({"retryCondition": [{"maxAttempts": 2, "exception": ["RetryError"]}]})
        made = Cr2018(options).get_authorization_token(GetAuthorizationTokenRequest(instance_id=instance.cri_id)).body
        lost, answered = relay.answers
        for answer in (lost, answered):
            assert answer.status == 200, answer.body
            transire.remember("authorization token", answer.json()["AuthorizationToken"])
        assert made.authorization_token == answered.json()["AuthorizationToken"]
        # What that SDK did: both were served, and neither is served twice.
        for request in relay.requests:
            repeated = request.send(transire.endpoint)
            assert (repeated.status, repeated.json()["Code"]) == (400, "SignatureNonceUsed")
    finally:
        relay.stop()
