"""Behind a reverse proxy: nginx, with the lines that docs/operations.md shows."""

import http.client
import json
import os
import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import alibaba
import tencent
from authority import Authority
from credential import Credential
from processes import Daemon, free_port, wait_until
from service import AccessKey, Account, Instance, Transire, fetch

_OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def documented_lines() -> str:
    """The lines for nginx, as operators read them."""
    text = _OPERATIONS.read_text()
    found = re.search(r"```nginx\n(.*?)```", text, re.DOTALL)
    assert found, f"{_OPERATIONS.name} shows no lines for nginx"
    return found[1]


class Nginx:
    """A proxy that speaks TLS, in front of one transire."""

    def __init__(self, folder: Path, transire: Transire, authority: Authority) -> None:
        folder.mkdir()
        for _ in range(5):
            self.address = f"127.0.0.1:{free_port()}"
            lines = documented_lines()
            for documented, here in {
                "127.0.0.1:8480": transire.endpoint,
                "listen 443 ": f"listen {self.address} ",
                "/etc/nginx/tls.crt": str(authority.certificate_file),
                "/etc/nginx/tls.key": str(authority.key_file),
                "credentials.example.com": "localhost",
            }.items():
                assert documented in lines, f"the documented lines have no {documented!r} any more"
                lines = lines.replace(documented, here)
            folders = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            (folder / "nginx.conf").write_text(
                f"daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{lines}}}\n"
            )
            log = folder / "nginx.log"
            program = os.environ["TRANSIRE_TEST_NGINX"]
            self._daemon = Daemon([program, "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"], folder, log)
            wait_until("nginx to answer or end", lambda: not self._daemon.is_running() or self._answers(authority))
            if self._daemon.is_running():
                return
            assert "Address already in use" in log.read_text(), log.read_text()

    def _answers(self, authority: Authority) -> bool:
        try:
            return fetch(f"https://{self.address}/readyz", authority=authority).status == 200
        except OSError:
            return False

    def stop(self) -> None:
        self._daemon.stop()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path / "authority")
    authority.issue("localhost", "127.0.0.1")
    return authority


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    """A running transire that believes the proxy."""
    transire = new_transire(settings={"TRANSIRE_TRUSTED_PROXIES": "['127.0.0.1']", "TRANSIRE_ALLOW_PLAIN_HTTP": "true"})
    transire.start()
    return transire


@pytest.fixture
def nginx(transire: Transire, authority: Authority, tmp_path: Path) -> Iterator[Nginx]:
    nginx = Nginx(tmp_path / "nginx", transire, authority)
    yield nginx
    nginx.stop()


@pytest.fixture
def proxied(transire: Transire, nginx: Nginx, authority: Authority) -> Iterator[Transire]:
    """The same transire, as clients of the proxy see it."""
    direct = transire.endpoint
    transire.endpoint, transire.authority = nginx.address, authority
    yield transire
    transire.endpoint, transire.authority = direct, None


def test_the_signatures_of_both_clouds_survive_it(proxied: Transire, instance: Instance) -> None:
    for credential in (
        tencent.issue(proxied, instance.account.key, instance.tcr_id),
        tencent.issue(proxied, instance.account.key, instance.tcr_id, method="GET", signing="HmacSHA256"),
        alibaba.issue(proxied, instance.account.key, instance.cri_id),
        alibaba.issue(proxied, instance.account.key, instance.cri_id, signing=alibaba.V1),
    ):
        assert proxied.fetch(f"/token?service={instance.service}", {"Authorization": credential.basic()}).status == 200


def test_a_client_is_known_by_its_own_address_and_can_not_choose_another(
    proxied: Transire, instance: Instance, authority: Authority
) -> None:
    host, _, port = proxied.endpoint.rpartition(":")
    context = ssl.create_default_context(cafile=authority.file)
    connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=context, source_address=("127.0.0.2", 0))
    headers = {"Authorization": Credential("nobody", "trst_wrong", 0).basic(), "X-Forwarded-For": "203.0.113.9"}
    connection.request("GET", f"/token?service={instance.service}", headers=headers)
    assert connection.getresponse().status == 401
    connection.close()
    wait_until("the refusal in the log", lambda: "BadCredentials" in proxied.log.read_text())
    line = next(line for line in proxied.log.read_text().splitlines() if "BadCredentials" in line)
    assert "127.0.0.2" in line and "203.0.113.9" not in line


def test_what_comes_to_the_proxy_by_tls_is_secure_transport(
    proxied: Transire, account: Account, instance: Instance, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.json"
    secure = {"Bool": {"acs:SecureTransport": "true"}}
    statement = {"Effect": "Allow", "Action": "cr:GetAuthorizationToken", "Resource": "*", "Condition": secure}
    policy.write_text(json.dumps({"Version": "1", "Statement": [statement]}))
    proxied.cli("user", "create", "--account", account.id, "--name", "ci")
    proxied.cli("policy", "create", "--account", account.id, "--name", "by-tls", "--document", policy)
    proxied.cli("policy", "attach", "--account", account.id, "--name", "by-tls", "--user", "ci")
    made = proxied.cli("access-key", "create", "--account", account.id, "--user", "ci")
    key = AccessKey(made["access_key_id"], proxied.remember("access key secret", made["access_key_secret"]))
    assert alibaba.issue(proxied, key, instance.cri_id).secret
