//! The steps that a reader of the quickstart can try next.

use std::path::Path;

use super::{REGION, say};
use crate::domain::instance::Instance;
use crate::service::NewAccessKey;

/// Prints what to try next, with the key's secret, which is shown this once.
///
/// Nothing is indented, because Python refuses pasted lines that begin with spaces.
pub(super) fn next_steps(
    username: &str,
    instance: &Instance,
    key: &NewAccessKey,
    endpoint: &str,
    registry: Option<&str>,
    data_dir: &Path,
) {
    let registry = registry.unwrap_or("REGISTRY");
    // The quickstart isn't installed, so its name alone isn't found.
    let program = std::env::current_exe()
        .map_or_else(|_| "transire".to_owned(), |path| path.display().to_string());
    let (id, secret) = (&key.id, key.secret.expose());
    say(&format!(
        "
Try it yourself. The access key, shown this once:

export TENCENTCLOUD_SECRET_ID={id} TENCENTCLOUD_SECRET_KEY={secret} TENCENTCLOUD_REGION={REGION}
export ALIBABA_CLOUD_ACCESS_KEY_ID={id} ALIBABA_CLOUD_ACCESS_KEY_SECRET={secret}

Look at it in a browser, at http://{endpoint}/console, with an operator's token:

{program} --data-dir {data_dir} operator create --name me --role admin

{sdks}
Log in with the Token that Tencent Cloud's SDK printed:

docker login -u {username} --password-stdin {registry}

Tencent Cloud's command line does the same, and takes 665 MB:

venv/bin/pip install tccli
venv/bin/tccli tcr CreateInstanceToken --RegistryId {tcr} --endpoint http://{endpoint}

Or without anything to install: this program gets a credential, and docker logs in with it:

{program} get-login-password --endpoint http://{endpoint} --instance {tcr} | \
docker login -u {username} --password-stdin {registry}
",
        tcr = instance.id,
        data_dir = data_dir.display(),
        sdks = sdk_steps(instance, endpoint),
    ));
}

/// Returns the calls by both clouds' own SDKs.
fn sdk_steps(instance: &Instance, endpoint: &str) -> String {
    format!(
        "\
Both clouds' SDKs, 70 MB in a virtual environment (on Debian, apt-get install python3-venv first):

python3 -m venv venv
venv/bin/pip install tencentcloud-sdk-python-tcr alibabacloud-cr20181201

Tencent Cloud's SDK:

venv/bin/python - <<'END'
from tencentcloud.common.credential import EnvironmentVariableCredential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.tcr.v20190924 import models, tcr_client
profile = ClientProfile(httpProfile=HttpProfile(protocol=\"http\", endpoint=\"{endpoint}\"))
client = tcr_client.TcrClient(\
EnvironmentVariableCredential().get_credential(), \"{REGION}\", profile)
request = models.CreateInstanceTokenRequest()
request.RegistryId = \"{tcr}\"
print(client.CreateInstanceToken(request))
END

Alibaba Cloud's SDK:

venv/bin/python - <<'END'
import os
from alibabacloud_cr20181201.client import Client
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_tea_openapi.models import Config
config = Config(\
os.environ[\"ALIBABA_CLOUD_ACCESS_KEY_ID\"], os.environ[\"ALIBABA_CLOUD_ACCESS_KEY_SECRET\"])
config.endpoint, config.protocol = \"{endpoint}\", \"http\"
print(Client(config).get_authorization_token(\
GetAuthorizationTokenRequest(instance_id=\"{cri}\")).body)
END
",
        tcr = instance.id,
        cri = instance.cri_id,
    )
}
