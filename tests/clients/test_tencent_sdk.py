"""CreateInstanceToken by Tencent Cloud's Python SDK, in every form that it signs."""

import re
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
import requests
from tencentcloud.common import credential as tencent_credential
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from service import REGION, AccessKey, Account, Instance, Transire
from tencent import TC3, client, create_instance_token, issue, profile

HOUR = 3600
TEN_YEARS = 3650 * 24 * HOUR
FORMS = [
    pytest.param("POST", TC3, id="tc3-post"),
    pytest.param("GET", TC3, id="tc3-get"),
    pytest.param("POST", "HmacSHA1", id="sha1-post"),
    pytest.param("GET", "HmacSHA1", id="sha1-get"),
    pytest.param("POST", "HmacSHA256", id="sha256-post"),
    pytest.param("GET", "HmacSHA256", id="sha256-get"),
]


def refusal(
    transire: Transire, key: AccessKey, registry_id: str, token_type: str | None = "temp", **options: str
) -> TencentCloudSDKException:
    """The exception that the SDK raises from the service's answer."""
    with pytest.raises(TencentCloudSDKException) as caught:
        create_instance_token(client(transire, key, **options), registry_id, token_type)
    assert caught.value.get_request_id(), "a refusal carries a request id"
    return caught.value


@pytest.mark.parametrize(("method", "signing"), FORMS)
def test_a_temporary_credential_lasts_an_hour(transire: Transire, instance: Instance, method: str, signing: str) -> None:
    tcr = client(transire, instance.account.key, method=method, signing=signing)
    made = create_instance_token(tcr, instance.tcr_id, "temp")
    transire.remember("temp credential", made.Token)
    assert made.Username == instance.account.id
    assert re.fullmatch(r"[0-9]+", made.Username)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", made.Token)
    assert type(made.ExpTime) is int
    assert made.ExpTime / 1000 == pytest.approx(time.time() + HOUR, abs=10)
    assert made.TokenId == ""
    assert made.RequestId


@pytest.mark.parametrize(("method", "signing"), FORMS)
def test_a_long_term_credential_lasts_ten_years(transire: Transire, instance: Instance, method: str, signing: str) -> None:
    tcr = client(transire, instance.account.key, method=method, signing=signing)
    # A description with everything that the two ways of escaping treat differently.
    made = create_instance_token(tcr, instance.tcr_id, "longterm", desc="构建 a+b ~*(')! &=/?")
    transire.remember("longterm credential", made.Token)
    assert made.Username == instance.account.id
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", made.Token)
    assert type(made.ExpTime) is int
    assert made.ExpTime / 1000 == pytest.approx(time.time() + TEN_YEARS, abs=10)
    assert re.fullmatch(r"[0-9a-v]{20}", made.TokenId)


def test_without_a_token_type_the_credential_is_temporary(transire: Transire, instance: Instance) -> None:
    made = create_instance_token(client(transire, instance.account.key), instance.tcr_id)
    transire.remember("temp credential", made.Token)
    assert made.TokenId == ""
    assert made.ExpTime / 1000 == pytest.approx(time.time() + HOUR, abs=10)


def test_each_credential_is_a_new_one(transire: Transire, instance: Instance) -> None:
    made = [issue(transire, instance.account.key, instance.tcr_id, "longterm") for _ in range(2)]
    assert made[0].secret != made[1].secret
    assert made[0].id != made[1].id


def test_any_region_reaches_an_instance_by_its_id(transire: Transire, instance: Instance) -> None:
    issue(transire, instance.account.key, instance.tcr_id, region="eu-frankfurt")


@pytest.mark.parametrize(("method", "signing"), FORMS)
@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en-US", "The provided credentials could not be validated. Please check your signature is correct."),
        ("zh-CN", "请求签名验证失败，请检查您的签名计算是否正确。"),
    ],
    ids=["english", "chinese"],
)
def test_a_wrong_secret_is_refused_in_the_callers_language(
    transire: Transire, instance: Instance, method: str, signing: str, language: str, message: str
) -> None:
    wrong = AccessKey(instance.account.key.id, "x" * 32)
    refused = refusal(transire, wrong, instance.tcr_id, method=method, signing=signing, language=language)
    assert (refused.get_code(), refused.get_message()) == ("AuthFailure.SignatureFailure", message)


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en-US", "The SecretId is not found, please ensure that your SecretId is correct."),
        ("zh-CN", "SecretId不存在，请输入正确的密钥。"),
    ],
    ids=["english", "chinese"],
)
def test_an_unknown_key_is_refused(transire: Transire, instance: Instance, language: str, message: str) -> None:
    unknown = AccessKey("AKID" + "0" * 32, "x" * 32)
    refused = refusal(transire, unknown, instance.tcr_id, language=language)
    assert (refused.get_code(), refused.get_message()) == ("AuthFailure.SecretIdNotFound", message)


def test_a_disabled_key_is_refused_until_it_is_enabled(transire: Transire, account: Account, instance: Instance) -> None:
    second = transire.new_access_key(account.id)
    transire.cli("access-key", "disable", "--id", second.id)
    assert refusal(transire, second, instance.tcr_id).get_code() == "AuthFailure.SecretIdNotFound"
    issue(transire, account.key, instance.tcr_id)


def test_an_unknown_instance_and_a_strangers_look_the_same(transire: Transire, instance: Instance) -> None:
    stranger = transire.new_account("stranger")
    unknown = refusal(transire, stranger.key, "tcr-zzzzzzzz")
    strangers = refusal(transire, stranger.key, instance.tcr_id)
    assert unknown.get_code() == "ResourceNotFound.TcrResourceNotFound"
    assert strangers.get_code() == unknown.get_code()
    assert strangers.get_message().replace(instance.tcr_id, "ID") == unknown.get_message().replace("tcr-zzzzzzzz", "ID")


def test_a_token_type_that_does_not_exist_is_refused(transire: Transire, instance: Instance) -> None:
    assert refusal(transire, instance.account.key, instance.tcr_id, "forever").get_code() == "InvalidParameterValue"


def test_a_token_type_that_is_no_text_is_refused(transire: Transire, instance: Instance) -> None:
    refused = refusal(transire, instance.account.key, instance.tcr_id, token_type=5)  # type: ignore[arg-type]
    assert refused.get_code() == "InvalidParameter"


def test_a_missing_region_is_named(transire: Transire, instance: Instance) -> None:
    refused = refusal(transire, instance.account.key, instance.tcr_id, region="")
    assert refused.get_code() == "MissingParameter"
    assert "`Region`" in refused.get_message()


def test_a_missing_instance_is_named(transire: Transire, account: Account) -> None:
    refused = refusal(transire, account.key, None)  # type: ignore[arg-type]
    assert refused.get_code() == "MissingParameter"
    assert "`RegistryId`" in refused.get_message()


@pytest.mark.parametrize(
    ("version", "action", "parameters", "code"),
    [
        ("2019-09-24", "CreateInstanceTokens", {}, "InvalidAction"),
        ("2018-01-01", "CreateInstanceToken", {}, "NoSuchVersion"),
        ("2019-09-24", "CreateInstanceToken", {"RegistryId": "tcr-zzzzzzzz", "Colour": "red"}, "UnknownParameter"),
    ],
    ids=["action", "version", "parameter"],
)
def test_what_the_api_does_not_have_is_refused(
    transire: Transire, account: Account, version: str, action: str, parameters: dict[str, str], code: str
) -> None:
    credential = tencent_credential.Credential(account.key.id, account.key.secret)
    with pytest.raises(TencentCloudSDKException) as caught:
        CommonClient("tcr", version, credential, REGION, profile(transire)).call_json(action, parameters)
    assert caught.value.get_code() == code


@pytest.mark.parametrize(("method", "signing"), FORMS)
def test_a_captured_request_makes_no_second_credential(
    new_transire: Callable[..., Transire], monkeypatch: pytest.MonkeyPatch, method: str, signing: str
) -> None:
    """One captured request made as many long-term credentials as it was sent."""
    transire = new_transire()
    transire.cli("init")
    transire.start()
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    captured: list[requests.PreparedRequest] = []
    send = requests.Session.send

    def capture(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        captured.append(request)
        return send(session, request, **options)

    with monkeypatch.context() as patched:
        patched.setattr(requests.Session, "send", capture)
        made = issue(transire, instance.account.key, instance.tcr_id, "longterm", method=method, signing=signing)
    [request] = captured

    def again() -> dict[str, str]:
        # The port is another one after a restart; the host that was signed stays in the header.
        url = urllib.parse.urlsplit(str(request.url))
        request.url = url._replace(netloc=transire.endpoint).geturl()
        with requests.Session() as session:
            answer: dict[str, str] = session.send(request, timeout=10).json()["Response"]["Error"]
        return answer

    errors = [again()]
    transire.stop()
    transire.start()
    errors.append(again())
    for error in errors:
        assert error["Code"] == "AuthFailure.SignatureFailure"
        assert made.id in error["Message"]
        assert made.secret not in str(error)
    assert [item["id"] for item in transire.items("credential", "list", "--instance", instance.tcr_id)] == [made.id]
