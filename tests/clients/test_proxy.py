"""Behind a reverse proxy: nginx, with the lines that docs/proxies.md shows."""

import http.client
import json
import os
import re
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import certifi
import pytest

import alibaba
import tencent
from authority import Authority
from credential import Credential, exchange
from documents import take_one
from namespace import Namespace
from processes import Daemon, free_port, wait_until
from registry import Registry
from service import REGION, AccessKey, Account, Instance, Transire, fetch

_PROXIES = Path(__file__).parents[2] / "docs" / "proxies.md"
LINES = take_one("docs/proxies.md", "Run behind a proxy", "nginx").text


def start_nginx(folder: Path, changes: dict[str, str], authority: Authority, namespace: Namespace | None = None) -> Daemon:
    """Starts nginx by the documented lines, with these changes and this certificate; in a network of its own if one is given."""
    lines = LINES
    certificate = {"/etc/nginx/tls.crt": str(authority.certificate_file), "/etc/nginx/tls.key": str(authority.key_file)}
    for documented, here in {**changes, **certificate}.items():
        assert documented in lines, f"the documented lines have no {documented!r} any more"
        lines = lines.replace(documented, here)
    folders = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{lines}}}\n"
    )
    command: list[str | os.PathLike[str]] = [os.environ["TRANSIRE_TEST_NGINX"], "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]
    return Daemon(namespace.command(*command) if namespace else command, folder, folder / "nginx.log")


def documented_line_for_registries() -> str:
    """The line that a registry's own nginx needs for long tokens."""
    found = re.search(r"`(large_client_header_buffers [^`]*;)` in the registry's `server`", _PROXIES.read_text())
    assert found, f"{_PROXIES.name} shows no line for a registry's nginx"
    return found[1]


class Nginx:
    """A proxy that speaks TLS, in front of one service."""

    def __init__(self, folder: Path, service: str, authority: Authority, changes: Mapping[str, str] | None = None) -> None:
        folder.mkdir()
        for _ in range(5):
            self.address = f"127.0.0.1:{free_port()}"
            here = {"127.0.0.1:8480": service, "listen 443 ": f"listen {self.address} ", "credentials.example.com": "localhost"}
            self._daemon = start_nginx(folder, {**here, **(changes or {})}, authority)
            wait_until("nginx to answer or end", lambda: not self._daemon.is_running() or self._answers(authority))
            if self._daemon.is_running():
                return
            assert "Address already in use" in self._daemon.read_log(), self._daemon.read_log()

    def _answers(self, authority: Authority) -> bool:
        try:
            return fetch(f"https://{self.address}/readyz", authority=authority).status != 502
        except OSError:
            return False

    def stop(self) -> None:
        self._daemon.stop()


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    """A running transire that believes the proxy."""
    transire = new_transire(settings={"TRANSIRE_TRUSTED_PROXIES": "['127.0.0.1']", "TRANSIRE_ALLOW_PLAIN_HTTP": "true"})
    transire.start()
    return transire


@pytest.fixture
def nginx(transire: Transire, authority: Authority, tmp_path: Path) -> Iterator[Nginx]:
    nginx = Nginx(tmp_path / "nginx", transire.endpoint, authority)
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


def test_hundreds_of_scopes_pass_it(proxied: Transire, instance: Instance) -> None:
    credential = tencent.issue(proxied, instance.account.key, instance.tcr_id)
    scopes = "&".join(f"scope=repository:catalog/image-{number:04}:pull" for number in range(500))
    answer = proxied.fetch(f"/token?service={instance.service}&{scopes}", {"Authorization": credential.basic()})
    assert answer.status == 200
    assert len(proxied.remember("token", answer.json()["token"])) > 32 << 10


@pytest.mark.parametrize(("with_line", "status"), [(True, 404), (False, 400)], ids=["with-the-line", "by-default"])
def test_a_registrys_proxy_takes_long_tokens_with_the_documented_line(
    transire: Transire, instance: Instance, registry: Registry, authority: Authority, tmp_path: Path, with_line: bool, status: int
) -> None:
    """404: the token was accepted, and the repository is empty."""
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    scopes = [f"repository:catalog/image-{number:04}:pull" for number in range(650)]
    made = exchange(transire.realm, instance, credential, *scopes).json()
    token = transire.remember("token", made["token"])
    assert len(token) > 56 << 10
    [ours] = re.findall(r"large_client_header_buffers .*;", LINES)
    line = documented_line_for_registries() if with_line else ""
    nginx = Nginx(tmp_path / "nginx", registry.address, authority, {ours: line})
    try:
        path = "/v2/catalog/image-0649/tags/list"
        assert fetch(f"https://{nginx.address}{path}", {"Authorization": f"Bearer {token}"}, authority=authority).status == status
        assert fetch(f"http://{registry.address}{path}", {"Authorization": f"Bearer {token}"}).status == 404
    finally:
        nginx.stop()


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
    wait_until("the refusal in the log", lambda: "bad-credentials" in proxied.log.read_text())
    line = next(line for line in proxied.log.read_text().splitlines() if "bad-credentials" in line)
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


# --- by the documented name and port, in a network where both are free -------------------------------------------------

NAME = "credentials.example.com"


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Namespace]:
    namespace = Namespace(tmp_path / "network", [NAME])
    yield namespace
    namespace.end()


def test_tccli_goes_through_it_by_the_bare_name_and_by_no_url(
    new_transire: Callable[..., Transire], network: Namespace, authority: Authority, tmp_path: Path
) -> None:
    """The page said to give tccli an HTTPS endpoint: it copies a scheme into Host, and nginx refuses that."""
    authority.issue(NAME)
    transire = new_transire(settings={"TRANSIRE_TRUSTED_PROXIES": "['127.0.0.1']"})
    transire.start_inside(network, "127.0.0.1:8480")
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    # tccli trusts certifi's bundle and no other: it is replaced, inside the namespace alone.
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(Path(certifi.where()).read_text() + authority.file.read_text())
    assert network.run("mount", "--bind", bundle, certifi.where()).returncode == 0
    folder = tmp_path / "nginx"
    folder.mkdir()
    nginx = start_nginx(folder, {}, authority, network)
    try:
        ready = ("curl", "--silent", "--fail", "--cacert", authority.file, f"https://{NAME}/readyz")
        wait_until("nginx to answer or end", lambda: not nginx.is_running() or network.run(*ready).returncode == 0)
        assert nginx.is_running(), nginx.read_log()

        def tccli(endpoint: str) -> tuple[int, str]:
            done = network.run(
                *(Path(sys.executable).with_name("tccli"), "tcr", "CreateInstanceToken", "--RegistryId", instance.tcr_id),
                *("--endpoint", endpoint, "--region", REGION, "--secretId", account.key.id, "--secretKey", account.key.secret),
            )
            return done.returncode, done.stdout + done.stderr

        code, printed = tccli(NAME)
        assert code == 0, printed
        made = json.loads(printed)
        transire.remember("credential", made["Token"])
        assert made["Username"] == account.id
        code, printed = tccli(f"https://{NAME}")
        assert code != 0 and "400 Bad Request" in printed, printed
    finally:
        nginx.stop()
