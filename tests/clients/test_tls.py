"""HTTPS by the true program: versions, clients that trust a private authority, certificates that change, and the end."""

import http.client
import json
import socket
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import alibaba
import image
import tencent
from authority import Authority
from credential import Credential
from processes import wait_until
from registry import Registry, run, skopeo
from service import MANY_TOKENS, Account, Instance, Transire


@pytest.fixture
def transire(new_transire: Callable[..., Transire], authority: Authority) -> Transire:
    """A running transire that speaks HTTPS."""
    transire = new_transire(authority=authority, settings=MANY_TOKENS)
    transire.start()
    return transire


def port(transire: Transire) -> int:
    return int(transire.endpoint.rpartition(":")[2])


def shake_hands(transire: Transire, authority: Authority, version: ssl.TLSVersion, *protocols: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=authority.file)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port(transire)), timeout=10), server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_openssl_speaks_both_versions_and_chooses_http2(transire: Transire, authority: Authority, version: ssl.TLSVersion) -> None:
    with shake_hands(transire, authority, version, "h2", "http/1.1") as connection:
        assert (connection.version(), connection.selected_alpn_protocol()) == (version.name.replace("_", "."), "h2")
    with shake_hands(transire, authority, version, "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_older_version_is_refused(transire: Transire, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.file)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", port(transire)), timeout=10) as plain:
        context.wrap_socket(plain, server_hostname="localhost")


def test_the_sdks_of_both_clouds_get_credentials_that_log_in(
    transire: Transire, instance: Instance, registry: Registry, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    by_tencent = tencent.issue(transire, instance.account.key, instance.tcr_id)
    by_alibaba = alibaba.issue(transire, instance.account.key, instance.cri_id)
    # Go's programs take the authority from here.
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    image.write_oci_layout(tmp_path / "in", "v1")
    for credential in (by_tencent, by_alibaba):
        # The registry speaks plain HTTP; the realm that it names is HTTPS, with the certificate checked.
        assert f'realm="https://localhost:{port(transire)}/token"' in registry.challenge()
        secret = f"{credential.username}:{credential.secret}"
        pushed = skopeo("copy", "--dest-creds", secret, "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", registry.reference("a/b:v1"))
        assert pushed.returncode == 0, pushed.stderr
        assert exchange_over_tls(transire, instance, credential) == 200


def exchange_over_tls(transire: Transire, instance: Instance, credential: Credential) -> int:
    return transire.fetch(f"/token?service={instance.service}", {"Authorization": credential.basic()}).status


def test_a_client_that_does_not_know_the_authority_refuses(transire: Transire, instance: Instance, tmp_path: Path) -> None:
    transire.authority = Authority(tmp_path / "other")
    with pytest.raises(Exception, match="certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        tencent.issue(transire, instance.account.key, instance.tcr_id)
    with pytest.raises(Exception, match="certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        alibaba.issue(transire, instance.account.key, instance.cri_id)


def test_a_policy_tells_tls_from_plain_http(transire: Transire, account: Account, instance: Instance, tmp_path: Path) -> None:
    """`acs:SecureTransport` was true behind a trusted proxy alone."""
    policy = tmp_path / "policy.json"
    statement = {
        "Effect": "Allow",
        "Action": "cr:GetAuthorizationToken",
        "Resource": "*",
        "Condition": {"Bool": {"acs:SecureTransport": "true"}},
    }
    policy.write_text(json.dumps({"Version": "1", "Statement": [statement]}))
    transire.cli("user", "create", "--account", account.id, "--name", "ci")
    transire.cli("policy", "create", "--account", account.id, "--name", "by-tls", "--document", policy)
    transire.cli("policy", "attach", "--account", account.id, "--name", "by-tls", "--user", "ci")
    made = transire.cli("access-key", "create", "--account", account.id, "--user", "ci")
    key = type(account.key)(made["access_key_id"], transire.remember("access key secret", made["access_key_secret"]))
    assert alibaba.issue(transire, key, instance.cri_id).secret


class Load:
    """Asks for tokens by connections of its own and by kept ones, until it is stopped."""

    def __init__(self, transire: Transire, instance: Instance, credential: Credential, threads: int = 4) -> None:
        self._transire, self._stop = transire, threading.Event()
        self._path = f"/token?service={instance.service}"
        self._headers = {"Authorization": credential.basic()}
        self.answers = 0
        self.failures: list[str] = []
        self.serials: set[int] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number % 2 == 0,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, keeps: bool) -> None:
        assert self._transire.authority
        context = ssl.create_default_context(cafile=self._transire.authority.file)
        connection = http.client.HTTPSConnection("127.0.0.1", port(self._transire), timeout=30, context=context)
        while not self._stop.is_set():
            try:
                connection.request("GET", self._path, headers=self._headers)
                status = connection.getresponse()
                body = status.read()
                if status.status != 200:
                    raise AssertionError(f"{status.status} {body!r}")
                with self._lock:
                    self.answers += 1
            except Exception as error:  # noqa: BLE001
                with self._lock:
                    self.failures.append(repr(error))
                connection.close()
            if not keeps:
                connection.close()
        connection.close()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def load(transire: Transire, instance: Instance) -> Iterator[Load]:
    load = Load(transire, instance, tencent.issue(transire, instance.account.key, instance.tcr_id))
    yield load
    load.stop()


def serial_in_use(transire: Transire, authority: Authority) -> int:
    with shake_hands(transire, authority, ssl.TLSVersion.TLSv1_3) as connection:
        certificate = connection.getpeercert()
        assert certificate
        return int(str(certificate["serialNumber"]), 16)


def test_a_new_certificate_under_load_costs_no_request(transire: Transire, authority: Authority, load: Load) -> None:
    for _ in range(3):
        serial = authority.issue("localhost", "127.0.0.1")
        wait_until("the new certificate to be used", lambda serial=serial: serial_in_use(transire, authority) == serial)
        before = load.answers
        wait_until("more answers", lambda before=before: load.answers > before + 20)
    load.stop()
    assert load.failures == []
    assert transire.log.read_text().count("a new certificate is used") == 3


def test_a_broken_pair_is_said_and_the_old_one_stays(transire: Transire, authority: Authority) -> None:
    serial = serial_in_use(transire, authority)
    authority.key_file.resolve().write_text("nonsense")
    wait_until("the log to say so", lambda: "the old certificate is used on" in transire.log.read_text())
    assert serial_in_use(transire, authority) == serial
    assert transire.fetch("/healthz").status == 200


def test_curl_speaks_http2(transire: Transire, authority: Authority) -> None:
    done = run("curl", "--silent", "--show-error", "--http2", "--cacert", authority.file, "--write-out", "%{http_version} %{http_code}",
               "--output", "/dev/null", f"https://localhost:{port(transire)}/readyz")
    assert (done.returncode, done.stdout) == (0, "2 200"), done.stderr


def test_plain_http_is_refused_at_an_address_that_others_reach(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire()
    refused = transire.run("serve", "--listen", "0.0.0.0:0")
    assert refused.returncode == 1
    assert "tls.certificate_file" in refused.stderr and "allow_plain_http" in refused.stderr
    assert not transire.data_dir.exists(), "nothing is made before that is looked at"


@pytest.mark.parametrize("wrong", ["missing", "mismatch"])
def test_a_start_with_unusable_files_says_what_is_wrong(new_transire: Callable[..., Transire], authority: Authority, wrong: str) -> None:
    if wrong == "missing":
        authority.key_file.unlink()
        said = f"the TLS key in {authority.key_file} can't be used: No such file"
    else:
        certificate = authority.certificate_file.read_bytes()
        authority.issue("localhost")
        authority.certificate_file.resolve().write_bytes(certificate)
        said = "does not belong to the certificate"
    refused = new_transire(authority=authority).run("serve", "--listen", "127.0.0.1:0")
    assert refused.returncode == 1
    assert said in refused.stderr


def test_http2_is_told_to_go_away_and_nothing_is_lost(
    transire: Transire, instance: Instance, authority: Authority, tmp_path: Path
) -> None:
    """Many requests of one connection, some under way when the end comes."""
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    url = f"https://localhost:{port(transire)}/token?service={instance.service}"
    errors = tmp_path / "errors"
    # By standard input: arguments can be read by others.
    config = f'user = "{credential.username}:{credential.secret}"\n' + "".join(
        f'url = "{url}&scope=repository:a:pull&n={n}"\noutput = "{tmp_path / f"token-{n}"}"\n' for n in range(1000)
    )
    command = ["curl", "--silent", "--show-error", "--no-progress-meter", "--http2", "--cacert", str(authority.file), "--parallel", "--parallel-max", "12", "--write-out", "%{http_code}\\n", "--stderr", str(errors), "--config", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdin and curl.stdout
        curl.stdin.write(config)
        curl.stdin.close()
        # A tenth of them is done, as the files show; curl's own output waits until its end.
        wait_until("some answers", (tmp_path / "token-100").exists)
        transire.ask_to_end()
        codes = curl.stdout.read().split()
    assert transire.exit_code() == 0
    # After the end nobody listens: what curl had not sent finds nobody, and nothing else may go wrong.
    assert len(codes) == 1000 and set(codes) == {"200", "000"}, Counter(codes)
    lost = [line for line in errors.read_text().splitlines() if line.startswith("curl:") and "connect to" not in line]
    assert lost == []
