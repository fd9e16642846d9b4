"""`transire mock`, as people who test their own tools use it: started by the fixture, called by the clouds' own SDKs."""

import base64
import json
import os
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest
from alibabacloud_cr20181201.client import Client as Cr2018
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import Config
from tencentcloud.common import credential as tencent_credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sts.v20180813 import models as sts_models
from tencentcloud.sts.v20180813.sts_client import StsClient
from tencentcloud.tcr.v20190924 import models
from tencentcloud.tcr.v20190924.tcr_client import TcrClient

import documents
from credential import Credential
from image import write_oci_layout
from processes import wait_until
from registry import docker_login, run, skopeo
from service import fetch
from transire_mock import TransireMock

HOUR = 3600
PAGE = "docs/mock.md"
INTRODUCTION = documents.take_one(PAGE, "Test against a mock", "console")
CLOCK = documents.take_one(PAGE, "The clock", "console")
SEED = documents.take_one(PAGE, "A seed", "toml")
PYTEST = documents.take_one(PAGE, "From pytest", "python")
NODE = documents.take_one(PAGE, "From Node", "js")
CONTRIB = Path(__file__).parents[2] / "contrib"


class Registry:
    """The registry beside a mock, as the helpers for docker and skopeo take one."""

    def __init__(self, mock: TransireMock) -> None:
        self.address = mock.registry


def tcr(mock: TransireMock, id: str = "", secret: str = "", token: str | None = None) -> TcrClient:
    key = tencent_credential.Credential(id or mock.tencent["secret_id"], secret or mock.tencent["secret_key"], token)
    return TcrClient(key, mock.tencent["region"], profile(mock))


def profile(mock: TransireMock) -> ClientProfile:
    return ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=mock.endpoint))


def issue_by_tencent(mock: TransireMock, client: TcrClient | None = None) -> Credential:
    request = models.CreateInstanceTokenRequest()
    request.RegistryId = mock.tencent["registry_id"]
    made = (client or tcr(mock)).CreateInstanceToken(request)
    return Credential(made.Username, made.Token, made.ExpTime)


def issue_by_alibaba(mock: TransireMock, id: str = "", secret: str = "") -> Credential:
    config = Config(
        access_key_id=id or mock.alibaba["access_key_id"],
        access_key_secret=secret or mock.alibaba["access_key_secret"],
        endpoint=mock.endpoint,
        protocol="http",
    )
    request = GetAuthorizationTokenRequest(instance_id=mock.alibaba["instance_id"])
    made = Cr2018(config).get_authorization_token(request).body
    return Credential(made.temp_username, made.authorization_token, made.expire_time)


ISSUERS = {"tencent": issue_by_tencent, "alibaba": issue_by_alibaba}


def log_in(mock: TransireMock, credential: Credential) -> int:
    """The status of a log-in at the token endpoint."""
    service = mock.info["service"]
    return fetch(f"http://{mock.endpoint}/token?service={service}", {"Authorization": credential.basic()}).status


@pytest.mark.parametrize("cloud", ISSUERS)
def test_a_credential_works_until_the_clock_is_moved_an_hour_and_a_new_one_is_made(transire_mock: TransireMock, cloud: str) -> None:
    first = ISSUERS[cloud](transire_mock)
    assert log_in(transire_mock, first) == 200
    transire_mock.advance(HOUR - 60)
    assert log_in(transire_mock, first) == 200
    transire_mock.advance(120)
    assert log_in(transire_mock, first) == 401
    # The SDK signs with the true time.
    second = ISSUERS[cloud](transire_mock)
    assert log_in(transire_mock, second) == 200
    assert second.expires_at / 1000 == pytest.approx(transire_mock.now() + HOUR, abs=60)


def test_a_client_whose_clock_is_moved_along_signs_in_time(transire_mock: TransireMock, monkeypatch: pytest.MonkeyPatch) -> None:
    transire_mock.advance(24 * HOUR)
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 24 * HOUR)
    assert log_in(transire_mock, issue_by_tencent(transire_mock)) == 200
    monkeypatch.setattr(time, "time", lambda: true_time() + 12 * HOUR)
    with pytest.raises(TencentCloudSDKException) as refused:
        issue_by_tencent(transire_mock)
    assert refused.value.code == "AuthFailure.SignatureExpire"


def test_a_session_ends_by_the_moved_clock(transire_mock: TransireMock) -> None:
    key = tencent_credential.Credential(transire_mock.tencent["secret_id"], transire_mock.tencent["secret_key"])
    request = sts_models.GetFederationTokenRequest()
    request.Name, request.DurationSeconds = "test", HOUR
    request.Policy = json.dumps({"version": "2.0", "statement": [{"effect": "allow", "action": "*", "resource": "*"}]})
    made = StsClient(key, transire_mock.tencent["region"], profile(transire_mock)).GetFederationToken(request)
    session = tcr(transire_mock, made.Credentials.TmpSecretId, made.Credentials.TmpSecretKey, made.Credentials.Token)
    assert log_in(transire_mock, issue_by_tencent(transire_mock, session)) == 200
    transire_mock.advance(HOUR + 60)
    with pytest.raises(TencentCloudSDKException) as refused:
        issue_by_tencent(transire_mock, session)
    assert refused.value.code == "AuthFailure.TokenFailure"


def test_by_default_other_keys_and_wrong_secrets_are_refused(transire_mock: TransireMock) -> None:
    for id, secret, code in (("AKIDmadeUp", "any", "AuthFailure.SecretIdNotFound"), ("", "wrong", "AuthFailure.SignatureFailure")):
        with pytest.raises(TencentCloudSDKException) as refused:
            issue_by_tencent(transire_mock, tcr(transire_mock, id, secret))
        assert refused.value.code == code


@pytest.mark.transire_mock("--any-key")
def test_any_key_and_any_signature_will_do_and_the_rest_is_checked(transire_mock: TransireMock) -> None:
    for id, secret in (("AKIDmadeUp", "any"), ("", "wrong"), ("another", "any")):
        assert log_in(transire_mock, issue_by_tencent(transire_mock, tcr(transire_mock, id, secret))) == 200
        assert log_in(transire_mock, issue_by_alibaba(transire_mock, id, secret)) == 200
    with pytest.raises(TencentCloudSDKException) as refused:
        issue_by_tencent(transire_mock, tcr(transire_mock, "AKIDmadeUp", "any", "madeUpToken"))
    assert refused.value.code == "AuthFailure.TokenFailure"
    with pytest.raises(TencentCloudSDKException) as missing:
        tcr(transire_mock, "AKIDmadeUp", "any").CreateInstanceToken(models.CreateInstanceTokenRequest())
    assert missing.value.code == "MissingParameter"


def test_a_seed_says_what_is_there(tmp_path: Path) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(SEED.text)
    mock = TransireMock("--seed", str(seed))
    try:
        alices = issue_by_tencent(mock, tcr(mock, "AKIDalice", "secretOfAlice"))
        scopes = "scope=repository:team/app:pull,push&scope=repository:other/app:pull"
        answer = fetch(f"http://{mock.endpoint}/token?service={mock.info['service']}&{scopes}", {"Authorization": alices.basic()})
        claims = json.loads(_decoded(answer.json()["token"].split(".")[1]))
        assert [(one["name"], one["actions"]) for one in claims["access"]] == [("team/app", ["pull"])]
        # Nobody needs a credential for the public namespace of the second account's instance.
        answer = fetch(f"http://{mock.endpoint}/token?service=second.example.com&scope=repository:open/app:pull")
        claims = json.loads(_decoded(answer.json()["token"].split(".")[1]))
        assert [(one["name"], one["actions"]) for one in claims["access"]] == [("open/app", ["pull"])]
    finally:
        mock.stop()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_registry_beside_it_takes_images_and_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    mock = TransireMock("--registry", "--registry-program", os.environ["TRANSIRE_TEST_REGISTRY"])
    layout = tmp_path / "image"
    write_oci_layout(layout, "v1")
    for number in range(2):
        credential = issue_by_tencent(mock)
        assert docker_login(Registry(mock), credential).returncode == 0
        pair = f"{credential.username}:{credential.secret}"
        done = skopeo(
            "copy", "--dest-tls-verify=false", "--dest-creds", pair, f"oci:{layout}:v1", f"docker://{mock.registry}/team/app:v{number}"
        )
        assert done.returncode == 0, done.stderr
        # Tokens are dated by the true time, which the registry has.
        mock.advance(2 * HOUR)
        assert docker_login(Registry(mock), credential).returncode != 0
    assert not list(temporary.iterdir()), "its files outlived its start"
    port = mock.registry.rpartition(":")[2]
    assert mock.stop() == 0
    assert not _listens(int(port)), "the registry outlived the mock"


def test_killed_it_takes_its_registry_along_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tmp", "cwd"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path / "cwd")
    mock = TransireMock("--registry", "--registry-program", os.environ["TRANSIRE_TEST_REGISTRY"])
    log_in(mock, issue_by_tencent(mock))
    port = int(mock.registry.rpartition(":")[2])
    assert _listens(port)
    mock._process.kill()
    wait_until("the registry to end", lambda: not _listens(port))
    assert not [*(tmp_path / "tmp").iterdir(), *(tmp_path / "cwd").iterdir()]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_registry_that_is_not_there_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="docker-registry.*--registry-program"):
        TransireMock("--registry")


@pytest.fixture
def _registry_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker-registry").symlink_to(os.environ["TRANSIRE_TEST_REGISTRY"])
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


@pytest.mark.usefixtures("_registry_on_the_path")
def test_a_mock_announces_what_the_page_shows() -> None:
    ((command, shown),) = INTRODUCTION.steps()
    mock = TransireMock(*command.split()[2:])
    try:
        assert {"account_id", "alibaba", "listening", "registry"} <= set(mock.info)
        assert all(f'"{name}"' in shown for name in ("account_id", "alibaba", "listening", "registry"))
        rows = [line.split("|")[1].strip(" `") for line in _table(PAGE, "| field | meaning |")]
        assert sorted(rows) == sorted(mock.info)
    finally:
        mock.stop()


def _table(page: str, head: str) -> list[str]:
    """The rows of the table with this head."""
    text = (CONTRIB.parent / page).read_text().split(head)[1].split("\n\n")[0]
    return text.splitlines()[2:]


def test_the_clock_is_moved_as_the_page_says(transire_mock: TransireMock) -> None:
    done = run("bash", "-ec", CLOCK.commands().replace("127.0.0.1:40123", transire_mock.endpoint))
    assert done.returncode == 0, done.stderr
    assert transire_mock.now() == pytest.approx(time.time() + HOUR, abs=60)


@pytest.mark.usefixtures("_registry_on_the_path")
def test_the_examples_for_pytest_and_node_run_as_they_are(tmp_path: Path) -> None:
    shutil.copy(CONTRIB / "pytest" / "transire_mock.py", tmp_path)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["transire_mock"]\n')
    (tmp_path / "test_it.py").write_text(PYTEST.text)
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path / "test_it.py")
    assert done.returncode == 0, done.stdout
    shutil.copy(CONTRIB / "node-test" / "transire-mock.mjs", tmp_path)
    (tmp_path / "it.test.mjs").write_text(NODE.text)
    done = run(os.environ["TRANSIRE_TEST_NODE"], "--test", tmp_path / "it.test.mjs")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_fixture_for_node_serves_both_clouds_sdks() -> None:
    node, file = os.environ["TRANSIRE_TEST_NODE"], Path(__file__).parent / "node" / "mock.test.mjs"
    done = run(node, "--test", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not os.environ.get("TRANSIRE_TEST_GO"), reason="Go is large: TRANSIRE_TEST_LONG=1 asks for it")
def test_the_package_for_go_compiles_and_serves_its_test(tmp_path: Path) -> None:
    folder = CONTRIB / "go" / "transiremock"
    environment = {"GOCACHE": str(tmp_path / "cache"), "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-count=1"}
    done = run(os.environ["TRANSIRE_TEST_GO"], "-C", folder, "test", ".", environment=environment, within=600)
    assert done.returncode == 0, done.stdout + done.stderr
