"""A registry and transire at one host, by the proxies' files in contrib/proxies as they are: in a network whose ports are free."""

import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from authority import Authority
from credential import Credential
from documents import take_one
from image import write_oci_layout
from namespace import Namespace
from processes import Daemon, wait_until
from service import Instance, Transire

NAME = "registry.example.com"
CLIENT = "203.0.113.7"
EXAMPLES = Path(__file__).parents[2] / "contrib" / "proxies"
SETTINGS = take_one("docs/proxies.md", "One host for both", "toml").text
PROXIES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}


def start_proxy(proxy: str, folder: Path, authority: Authority, network: Namespace) -> Daemon:
    """Starts a proxy by its file, with this certificate in place of the example's."""
    folder.mkdir()
    both = folder / "both.pem"
    both.touch(mode=0o600)
    both.write_text(authority.certificate_file.read_text() + authority.key_file.read_text())
    text = (EXAMPLES / PROXIES[proxy]).read_text()
    for documented, here in {"tls.crt": authority.certificate_file, "tls.key": authority.key_file, f"{NAME}.pem": both}.items():
        text = text.replace(f"/etc/{proxy}/{documented} ", f"{here} ").replace(f"/etc/{proxy}/{documented};", f"{here};")
        text = text.replace(f"/etc/{proxy}/{documented}\n", f"{here}\n")
    assert "/etc/" not in text.replace("/etc/nginx/conf.d", "")
    file = folder / PROXIES[proxy]
    file.write_text(text)
    environment = {**os.environ, "XDG_DATA_HOME": str(folder)}
    command: list[str | os.PathLike[str]]
    if proxy == "nginx":
        folders = "".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        options = f"daemon off; master_process off; pid {folder}/pid;"
        whole = folder / "whole.conf"
        whole.write_text(f"{options} events {{}} http {{ access_log off; {folders} include {file}; }}")
        command = [os.environ["TRANSIRE_TEST_NGINX"], "-e", "stderr", "-p", folder, "-c", whole]
    elif proxy == "haproxy":
        environment["LD_LIBRARY_PATH"] = os.environ["TRANSIRE_TEST_HAPROXY_LIBRARIES"]
        command = [os.environ["TRANSIRE_TEST_HAPROXY"], "-f", file]
    else:
        command = [os.environ["TRANSIRE_TEST_CADDY"], "run", "--adapter", "caddyfile", "--config", file]
    return Daemon(network.command(*command), folder, folder / f"{proxy}.log", environment)


class Host:
    """The host, as clients reach it: by HTTPS at its name alone."""

    def __init__(self, network: Namespace, transire: Transire, authority: Authority, instance: Instance) -> None:
        self.transire, self.instance = transire, instance
        self._network, self._authority = network, authority

    def run(self, *command: str | os.PathLike[str], **environment: str) -> str:
        """Runs a client, which trusts the authority as its system does; returns its output."""
        done = self._network.run(*command, environment={"SSL_CERT_FILE": str(self._authority.file), **environment})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def curl(self, path: str, *options: str, **environment: str) -> str:
        """The status of an answer."""
        given = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", self._authority.file)
        return self.run(*given, *options, f"https://{NAME}{path}", **environment)

    def issue(self, cloud: str) -> Credential:
        """A credential by the cloud's SDK, which is given the name and no URL."""
        script = f"""
import json, os, {cloud}
from types import SimpleNamespace as Made
service = Made(scheme="https", endpoint="{NAME}", authority=Made(file=os.environ["SSL_CERT_FILE"]), remember=lambda kind, secret: secret)
key = Made(id=os.environ["KEY_ID"], secret=os.environ["KEY_SECRET"], token=None)
print(json.dumps(vars({cloud}.issue(service, key, os.environ["INSTANCE"]))))
"""
        key, instance = self.instance.account.key, self.instance
        place = instance.tcr_id if cloud == "tencent" else instance.cri_id
        done = self._network.python(
            script,
            {"SSL_CERT_FILE": str(self._authority.file), "KEY_ID": key.id, "KEY_SECRET": key.secret, "INSTANCE": place},
        )
        assert done.returncode == 0, done.stderr
        made: dict[str, Any] = json.loads(done.stdout)
        self.transire.remember("credential", made["secret"])
        return Credential(**made)


@pytest.fixture(params=list(PROXIES))
def host(request: pytest.FixtureRequest, new_transire: Callable[..., Transire], tmp_path: Path) -> Iterator[Host]:
    network = Namespace(tmp_path / "network", [NAME])
    running: list[Daemon] = []
    try:
        assert network.run("ip", "address", "add", f"{CLIENT}/32", "dev", "lo").returncode == 0
        authority = Authority(tmp_path / "authority")
        authority.issue(NAME)
        settings = tmp_path / "transire.toml"
        settings.write_text(SETTINGS)
        transire = new_transire(settings={"TRANSIRE_CONFIG": str(settings)})
        transire.start_inside(network, "127.0.0.1:8480")
        account = transire.new_account("acme")
        instance = transire.new_instance(account, "demo")
        transire.cli("registry-config", "--instance", instance.tcr_id, "--kind", "distribution", "--out", tmp_path / "registry")
        command = network.command(os.environ["TRANSIRE_TEST_REGISTRY"], "serve", tmp_path / "registry" / "config.yml")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
        running.append(Daemon(command, tmp_path, tmp_path / "registry.log", environment))
        proxy = start_proxy(request.param, tmp_path / request.param, authority, network)
        running.append(proxy)
        host = Host(network, transire, authority, instance)
        wait_until(f"both to answer\n{proxy.read_log()}", lambda: _answers(host))
        yield host
    finally:
        for daemon in running:
            daemon.stop()
        network.end()


def _answers(host: Host) -> bool:
    try:
        return (host.curl("/readyz"), host.curl("/v2/")) == ("200", "401")
    except AssertionError:
        return False


def test_docker_logs_in_and_an_image_is_pushed_and_pulled(host: Host, tmp_path: Path) -> None:
    credential = host.issue("tencent")
    docker = os.environ["TRANSIRE_TEST_DOCKER"]
    assert "Login Succeeded" in host.run(docker, "login", "--username", credential.username, "--password", credential.secret, NAME)
    # More than nginx takes of a body by itself, and than a token request may have.
    digest = write_oci_layout(tmp_path / "layout", "v1", ballast=4 << 20)
    log_in = f"{credential.username}:{credential.secret}"
    remote = f"docker://{NAME}/team/tool:v1"
    host.run("skopeo", "--insecure-policy", "copy", "--dest-creds", log_in, f"oci:{tmp_path}/layout:v1", remote)
    host.run("skopeo", "--insecure-policy", "copy", "--src-creds", log_in, remote, f"oci:{tmp_path}/pulled:v1")
    assert json.loads((tmp_path / "pulled" / "index.json").read_text())["manifests"][0]["digest"] == digest


def test_the_sdks_of_both_clouds_call_the_registrys_host(host: Host) -> None:
    for cloud in ("tencent", "alibaba"):
        credential = host.issue(cloud)
        given = ("--user", f"{credential.username}:{credential.secret}")
        assert host.curl(f"/token?service={host.instance.service}", *given) == "200"


def test_the_audit_has_the_clients_address_and_none_that_it_chose(host: Host) -> None:
    forged = ("--interface", CLIENT, "--header", "X-Forwarded-For: 198.51.100.9", "--user", "nobody:trst_wrong")
    assert host.curl(f"/token?service={host.instance.service}", *forged) == "401"
    refused = lambda: host.transire.items("audit", "list", "--since", "1h", "--outcome", "refused")  # noqa: E731
    [event] = wait_until("the refusal in the audit", refused)
    assert event["address"] == CLIENT


def test_a_token_for_hundreds_of_repositories_passes_to_the_registry(host: Host) -> None:
    """404: the token was accepted, and the repository is empty."""
    credential = host.issue("tencent")
    scopes = "".join(f"&scope=repository:catalog/image-{number:04}:pull" for number in range(600))
    curl = ("curl", "--silent", "--fail", "--user", f"{credential.username}:{credential.secret}")
    made = host.run(*curl, f"https://{NAME}/token?service={host.instance.service}{scopes}")
    token = host.transire.remember("token", json.loads(made)["token"])
    assert len(token) > 48 << 10
    assert host.curl("/v2/catalog/image-0599/tags/list", "--header", f"Authorization: Bearer {token}") == "404"


def test_traefiks_routes_are_those_of_the_other_proxies() -> None:
    """Traefik itself is not here: Debian has no package of it."""
    routes = yaml.safe_load((EXAMPLES / "traefik-routes.yaml").read_text())["http"]
    targets = {name: route["loadBalancer"]["servers"][0]["url"] for name, route in routes["services"].items()}
    rules = {route["rule"]: targets[route["service"]] for route in routes["routers"].values()}
    assert rules == {
        f"Host(`{NAME}`) && PathPrefix(`/v2/`)": "http://127.0.0.1:5000",
        f"Host(`{NAME}`)": "http://127.0.0.1:8480",
    }
    own = yaml.safe_load((EXAMPLES / "traefik.yaml").read_text())
    assert {point for route in routes["routers"].values() for point in route["entryPoints"]} == set(own["entryPoints"])
    assert Path(own["providers"]["file"]["filename"]).name == "traefik-routes.yaml"


def test_the_settings_name_the_host_and_believe_the_proxy() -> None:
    settings = tomllib.loads(SETTINGS)
    assert settings == {"public_url": f"https://{NAME}", "trusted_proxies": ["127.0.0.1"]}
