"""The vendors' own host names, by a host table and a certificate of one's own: clients with no endpoint changed at all."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import certifi
import pytest

from authority import Authority
from documents import Shell, take_one
from namespace import Namespace
from service import REGION, Account, Instance, Transire

CERTIFICATE = take_one("docs/own-names.md", "Set it up")
NAMES = [
    "tcr.tencentcloudapi.com",
    "sts.tencentcloudapi.com",
    "cr.cn-hangzhou.aliyuncs.com",
    "cr.aliyuncs.com",
    "sts.aliyuncs.com",
    "sts.cn-hangzhou.aliyuncs.com",
]

TENCENT = """
import json, os
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sts.v20180813 import models as sts_models
from tencentcloud.sts.v20180813.sts_client import StsClient
from tencentcloud.tcr.v20190924 import models
from tencentcloud.tcr.v20190924.tcr_client import TcrClient

profile = ClientProfile(httpProfile=HttpProfile(certification=os.environ["AUTHORITY"]))
credential = Credential(os.environ["KEY_ID"], os.environ["KEY_SECRET"])
request = models.CreateInstanceTokenRequest()
request.RegistryId = os.environ["INSTANCE"]
token = TcrClient(credential, os.environ["REGION"], profile).CreateInstanceToken(request)
who = StsClient(credential, os.environ["REGION"], profile).GetCallerIdentity(sts_models.GetCallerIdentityRequest())
print(json.dumps({"username": token.Username, "secret": token.Token, "account": who.AccountId}))
"""

ALIBABA = """
import json, os
from alibabacloud_cr20181201.client import Client
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_tea_openapi.utils_models import Config

config = Config(
    access_key_id=os.environ["KEY_ID"],
    access_key_secret=os.environ["KEY_SECRET"],
    region_id="cn-hangzhou",
    ca=os.environ["AUTHORITY"],
)
made = Client(config).get_authorization_token(GetAuthorizationTokenRequest(instance_id=os.environ["INSTANCE"])).body
print(json.dumps({"username": made.temp_username, "secret": made.authorization_token}))
"""

# The older core: the authority by a variable; HTTPS has to be asked for.
ALIBABA_OLD = """
import json, os
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkcr.request.v20181201.GetAuthorizationTokenRequest import GetAuthorizationTokenRequest

client = AcsClient(os.environ["KEY_ID"], os.environ["KEY_SECRET"], "cn-hangzhou")
request = GetAuthorizationTokenRequest()
request.set_protocol_type("https")
request.set_InstanceId(os.environ["INSTANCE"])
made = json.loads(client.do_action_with_exception(request))
who = CommonRequest(domain="sts.aliyuncs.com", version="2015-04-01", action_name="GetCallerIdentity")
who.set_protocol_type("https")
who.set_method("POST")
account = json.loads(client.do_action_with_exception(who))["AccountId"]
print(json.dumps({"username": made["TempUsername"], "secret": made["AuthorizationToken"], "account": account}))
"""


# A request without the product's list of regions, as the aliyun CLI in a region that it doesn't know.
ALIBABA_WITHOUT_A_REGION = """
import json, os
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

request = CommonRequest(product="cr", version="2018-12-01", action_name="GetAuthorizationToken")
request.set_protocol_type("https")
request.set_method("POST")
request.add_query_param("InstanceId", os.environ["INSTANCE"])
client = AcsClient(os.environ["KEY_ID"], os.environ["KEY_SECRET"], "cn-hangzhou")
assert client._resolve_endpoint(request) == "cr.aliyuncs.com"
made = json.loads(client.do_action_with_exception(request))
print(json.dumps({"username": made["TempUsername"], "secret": made["AuthorizationToken"]}))
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path / "authority")
    authority.issue(*NAMES, "localhost")
    return authority


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Namespace]:
    namespace = Namespace(tmp_path / "namespace", NAMES)
    yield namespace
    namespace.end()


@pytest.fixture
def transire(new_transire: Callable[..., Transire], namespace: Namespace, authority: Authority) -> Transire:
    """A transire at the port that the vendors have, under their names."""
    transire = new_transire(authority=authority)
    transire.start_inside(namespace, "127.0.0.1:443")
    return transire


def environment(account: Account, instance_id: str, authority: Authority) -> dict[str, str]:
    return {
        "KEY_ID": account.key.id,
        "KEY_SECRET": account.key.secret,
        "INSTANCE": instance_id,
        "REGION": REGION,
        "AUTHORITY": str(authority.file),
    }


@pytest.mark.parametrize(
    "script",
    [TENCENT, ALIBABA, ALIBABA_OLD, ALIBABA_WITHOUT_A_REGION],
    ids=["tencent", "alibaba", "alibaba-old", "alibaba-without-a-region"],
)
def test_the_python_sdks_reach_it_with_no_endpoint_changed(
    transire: Transire, instance: Instance, namespace: Namespace, authority: Authority, script: str
) -> None:
    instance_id = instance.tcr_id if script is TENCENT else instance.cri_id
    variables = {**environment(instance.account, instance_id, authority), "ALIBABA_CLOUD_CA_BUNDLE": str(authority.file)}
    done = namespace.python(script, variables)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    transire.remember("credential", made["secret"])
    assert made.get("account", instance.account.id) == instance.account.id
    # And it is a credential: the token endpoint takes it.
    log_in = "import base64, os, ssl, urllib.request as u; r = u.Request(os.environ['URL'], headers={'Authorization': 'Basic ' + " \
        "base64.b64encode(os.environ['PAIR'].encode()).decode()}); print(u.urlopen(r, context=ssl.create_default_context(" \
        "cafile=os.environ['AUTHORITY'])).status)"
    url = f"https://localhost/token?service={instance.service}"
    done = namespace.python(log_in, {**variables, "URL": url, "PAIR": f"{made['username']}:{made['secret']}"})
    assert done.stdout == "200\n", done.stderr


def test_tccli_reaches_it_once_its_bundle_has_the_authority(
    transire: Transire, instance: Instance, namespace: Namespace, authority: Authority, tmp_path: Path
) -> None:
    """It takes certifi's bundle and no other: the bundle is replaced, inside the namespace alone."""
    tccli = Path(sys.executable).with_name("tccli")
    variables = {
        "TENCENTCLOUD_SECRET_ID": instance.account.key.id,
        "TENCENTCLOUD_SECRET_KEY": instance.account.key.secret,
        "TENCENTCLOUD_REGION": REGION,
    }
    call = (tccli, "tcr", "CreateInstanceToken", "--RegistryId", instance.tcr_id)
    refused = namespace.run(*call, environment={**variables, "SSL_CERT_FILE": str(authority.file), "REQUESTS_CA_BUNDLE": str(authority.file)})
    assert refused.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stdout + refused.stderr

    bundle = tmp_path / "bundle.pem"
    bundle.write_text(Path(certifi.where()).read_text() + authority.file.read_text())
    assert namespace.run("mount", "--bind", bundle, certifi.where()).returncode == 0
    done = namespace.run(*call, environment=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads(done.stdout)
    transire.remember("credential", made["Token"])
    assert made["Username"] == instance.account.id


def test_the_documented_commands_make_the_certificate(
    new_transire: Callable[..., Transire], namespace: Namespace, authority: Authority, tmp_path: Path
) -> None:
    shell = Shell(tmp_path / "names", {})
    shell.does(CERTIFICATE.commands(), {}, {})
    files = {"TRANSIRE_TLS__CERTIFICATE_FILE": "tls.crt", "TRANSIRE_TLS__KEY_FILE": "tls.key"}
    transire = new_transire(settings={name: str(shell.folder / file) for name, file in files.items()})
    transire.start_inside(namespace, "127.0.0.1:443")
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    for script, instance_id in ((TENCENT, instance.tcr_id), (ALIBABA, instance.cri_id)):
        variables = environment(instance.account, instance_id, authority) | {"AUTHORITY": str(shell.folder / "names-ca.pem")}
        done = namespace.python(script, variables)
        assert done.returncode == 0, done.stderr
        transire.remember("credential", json.loads(done.stdout)["secret"])
