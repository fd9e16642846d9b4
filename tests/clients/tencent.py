"""Tencent Cloud's own Python SDK, with nothing but its endpoint changed."""

import itertools
from typing import Any

from tencentcloud.common import credential as tencent_credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.tcr.v20190924 import models
from tencentcloud.tcr.v20190924.tcr_client import TcrClient

from credential import Credential
from service import REGION, AccessKey, Transire

TC3 = "TC3-HMAC-SHA256"
_numbers = itertools.count()


def profile(transire: Transire, method: str = "POST", signing: str = TC3, language: str = "en-US") -> ClientProfile:
    certification = str(transire.authority.file) if transire.authority else None
    http = HttpProfile(protocol=transire.scheme, endpoint=transire.endpoint, reqMethod=method, certification=certification)
    return ClientProfile(signMethod=signing, httpProfile=http, language=language)


def client(transire: Transire, key: AccessKey, region: str = REGION, **options: str) -> TcrClient:
    return TcrClient(tencent_credential.Credential(key.id, key.secret, key.token), region, profile(transire, **options))


def create_instance_token(tcr: TcrClient, registry_id: str, token_type: str | None = None, desc: str | None = None) -> Any:
    """The SDK's own response object."""
    request = models.CreateInstanceTokenRequest()
    request.RegistryId = registry_id
    request.TokenType = token_type
    request.Desc = desc
    return tcr.CreateInstanceToken(request)


def issue(transire: Transire, key: AccessKey, registry_id: str, token_type: str = "temp", **options: str) -> Credential:
    """A credential by CreateInstanceToken."""
    # A signature makes one long-term credential, and TC3 signs alike what has one body within a second.
    desc = f"number {next(_numbers)}" if token_type == "longterm" else None
    made = create_instance_token(client(transire, key, **options), registry_id, token_type, desc)
    return Credential(made.Username, transire.remember(f"{token_type} credential", made.Token), made.ExpTime, made.TokenId)


def disable(transire: Transire, key: AccessKey, registry_id: str, credential: Credential) -> None:
    """Disables a long-term credential by ModifyInstanceToken."""
    request = models.ModifyInstanceTokenRequest()
    request.TokenId = credential.id
    request.RegistryId = registry_id
    request.Enable = False
    client(transire, key).ModifyInstanceToken(request)


def assert_same_fields(raw: Any, model: Any, place: str) -> None:
    """Fails where an answer lacks a field of the model, or has one more."""
    if isinstance(raw, list):
        for number, (item, of) in enumerate(zip(raw, model, strict=True)):
            assert_same_fields(item, of, f"{place}[{number}]")
    elif isinstance(raw, dict):
        fields = {name for name, kind in vars(type(model)).items() if isinstance(kind, property)}
        assert set(raw) == fields, place
        for name, value in raw.items():
            assert_same_fields(value, getattr(model, name), f"{place}.{name}")


def create_service_account(transire: Transire, key: AccessKey, registry_id: str, name: str) -> None:
    """Makes a service account that pulls from the namespace `team`."""
    request = models.CreateServiceAccountRequest()
    permissions = [{"Resource": "team", "Actions": ["tcr:PullRepository"]}]
    request._deserialize({"RegistryId": registry_id, "Name": name, "Permissions": permissions})
    transire.remember("service account password", client(transire, key).CreateServiceAccount(request).Password)
