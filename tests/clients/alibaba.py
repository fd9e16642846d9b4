"""Alibaba Cloud's own Python SDKs, of today and of yesterday, with nothing but their endpoint changed."""

import json
from typing import Any

from alibabacloud_cr20181201.client import Client as Cr2018
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest, ResetLoginPasswordRequest
from alibabacloud_tea_openapi.client import Client as OpenApi
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
from aliyunsdkcore.client import AcsClient
from aliyunsdkcr.request.v20181201.GetAuthorizationTokenRequest import GetAuthorizationTokenRequest as OldRequest

from credential import Credential
from service import AccessKey, Transire

ACS3 = "ACS3-HMAC-SHA256"
# The SDK's name for the older signatures: V1.0 of RPC and of ROA.
V1 = "v2"


def config(transire: Transire, key: AccessKey, signing: str = ACS3) -> Config:
    return Config(
        access_key_id=key.id,
        access_key_secret=key.secret,
        security_token=key.token,
        endpoint=transire.endpoint,
        protocol=transire.scheme,
        ca=str(transire.authority.file) if transire.authority else None,
        signature_algorithm=signing,
    )


def call(client: OpenApi, action: str, query: dict[str, Any]) -> Any:
    """The parsed body of any action's answer, through the SDK's core: what its typed methods would not send, too."""
    params = Params(
        action=action,
        version="2018-12-01",
        protocol="HTTP",
        method="POST",
        auth_type="AK",
        style="RPC",
        pathname="/",
        req_body_type="formData",
        body_type="json",
    )
    return client.call_api(params, OpenApiRequest(query=query), RuntimeOptions(autoretry=False))["body"]


def get_authorization_token(
    transire: Transire, key: AccessKey, instance_id: str | None, hours: int | None = None, signing: str = ACS3
) -> Any:
    """The SDK's own response body."""
    request = GetAuthorizationTokenRequest(instance_id=instance_id, expires_in_hours=hours)
    return Cr2018(config(transire, key, signing)).get_authorization_token(request).body


def issue(transire: Transire, key: AccessKey, instance_id: str, hours: int | None = None, signing: str = ACS3) -> Credential:
    """A credential by GetAuthorizationToken."""
    made = get_authorization_token(transire, key, instance_id, hours, signing)
    return Credential(made.temp_username, transire.remember("authorization token", made.authorization_token), made.expire_time)


def reset_login_password(transire: Transire, key: AccessKey, instance_id: str, password: str, signing: str = ACS3) -> Any:
    """Sets the fixed password of the key's owner; returns the SDK's own response body."""
    transire.remember("fixed password", password)
    request = ResetLoginPasswordRequest(instance_id=instance_id, password=password)
    return Cr2018(config(transire, key, signing)).reset_login_password(request).body


def old_core(key: AccessKey) -> AcsClient:
    return AcsClient(key.id, key.secret, "cn-hangzhou")


def old_request(transire: Transire, instance_id: str) -> OldRequest:
    request = OldRequest()
    request.set_endpoint(transire.endpoint)
    request.set_InstanceId(instance_id)
    return request


def ask_old(key: AccessKey, request: Any) -> Any:
    """What the older core's request brings, parsed."""
    return json.loads(old_core(key).do_action_with_exception(request))
