"""CreateInstanceToken by Tencent Cloud's command line."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from credential import Credential
from registry import Registry, assert_logs_in, run
from service import REGION, AccessKey, Instance, Transire


def tccli(transire: Transire, key: AccessKey, *arguments: str, region: str = REGION) -> subprocess.CompletedProcess[str]:
    """It speaks plain HTTP only when the endpoint has a scheme, and then signs that scheme as part of the host."""
    return run(
        Path(sys.executable).with_name("tccli"),
        *("tcr", "CreateInstanceToken", *arguments),
        *("--secretId", key.id, "--secretKey", key.secret, "--region", region, "--endpoint", f"http://{transire.endpoint}"),
    )


@pytest.mark.parametrize(
    ("token_type", "lasts", "token_id"), [("temp", 3600, r""), ("longterm", 3650 * 24 * 3600, r"[0-9a-v]{20}")], ids=["temp", "longterm"]
)
def test_tccli_gets_a_credential_that_logs_in(
    transire: Transire, instance: Instance, registry: Registry, token_type: str, lasts: int, token_id: str
) -> None:
    done = tccli(transire, instance.account.key, "--RegistryId", instance.tcr_id, "--TokenType", token_type)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    transire.remember(f"{token_type} credential", made["Token"])
    assert list(made) == ["Username", "Token", "ExpTime", "TokenId", "RequestId"]
    assert made["Username"] == instance.account.id
    assert made["ExpTime"] / 1000 == pytest.approx(time.time() + lasts, abs=10)
    assert re.fullmatch(token_id, made["TokenId"])
    assert_logs_in(registry, Credential(made["Username"], made["Token"], made["ExpTime"], made["TokenId"]))


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en-US", "The provided credentials could not be validated. Please check your signature is correct."),
        ("zh-CN", "请求签名验证失败，请检查您的签名计算是否正确。"),
    ],
    ids=["english", "chinese"],
)
def test_tccli_prints_the_refusal(transire: Transire, instance: Instance, language: str, message: str) -> None:
    wrong = AccessKey(instance.account.key.id, "x" * 32)
    done = tccli(transire, wrong, "--RegistryId", instance.tcr_id, "--language", language)
    assert done.returncode == 255
    assert f"code:AuthFailure.SignatureFailure message:{message} requestId:" in done.stdout + done.stderr


def test_tccli_names_an_instance_that_is_not_there(transire: Transire, instance: Instance) -> None:
    done = tccli(transire, instance.account.key, "--RegistryId", "tcr-zzzzzzzz")
    assert done.returncode == 255
    assert "code:ResourceNotFound.TcrResourceNotFound" in done.stdout + done.stderr
