"""The compose file of contrib/compose: read by docker compose, and its programs run by its settings. No engine runs here."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from documents import Shell, take
from processes import Daemon, free_port, wait_until
from redis_server import Redis
from registry import run
from service import AccessKey, fetch

FOLDER = Path(__file__).parents[2] / "contrib" / "compose"
COMPOSE = Path(sys.executable).with_name("docker-compose")
SECRETS, SETTING_UP, KEY = take("contrib/compose/README.md", "All of it on one machine, by docker compose")
# The page is followed by a person: its `docker compose` is this, and the containers' transire the one that is tested.
_DOCKER = """\
test "$1" = compose
shift
while test "$1" = --profile; do shift 2; done
case $1 in
up) echo "$@" >> up;;
exec) test "$2 $3 $4" = "-T transire transire"; shift 4; exec "$PROGRAM" "$@";;
esac
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A person in a copy of the folder, with an `.env` by the page's lines."""
    shell = Shell(tmp_path / "folder", {})
    shutil.copytree(FOLDER, shell.folder, dirs_exist_ok=True)
    shell.add("docker", _DOCKER)
    shell.does(SECRETS.commands(), {}, {})
    assert (shell.folder / ".env").stat().st_mode & 0o077 == 0
    return shell


def compose(shell: Shell, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs docker compose in the person's folder, where it reads `.env`."""
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [COMPOSE, *arguments], cwd=shell.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def project(shell: Shell) -> dict[str, Any]:
    """The project as docker compose reads it, with the values of `.env`."""
    done = compose(shell, "--profile", "registries", "config", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def environment(project: dict[str, Any], service: str) -> dict[str, str]:
    return project["services"][service]["environment"]


def variables_of(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def test_every_secret_comes_from_the_file_that_the_page_makes(shell: Shell, project: dict[str, Any]) -> None:
    made = variables_of(shell.folder / ".env")
    transire = environment(project, "transire")
    assert transire["TRANSIRE_MASTER_KEY"] == made["TRANSIRE_MASTER_KEY"] and len(made["TRANSIRE_MASTER_KEY"]) == 64
    assert f":{made['POSTGRES_PASSWORD']}@postgres/" in transire["TRANSIRE_DATABASE"]
    assert environment(project, "postgres")["POSTGRES_PASSWORD"] == made["POSTGRES_PASSWORD"]


def test_without_its_secrets_nothing_starts(shell: Shell) -> None:
    (shell.folder / ".env").unlink()
    done = compose(shell, "config")
    assert done.returncode == 1 and "is set in .env" in done.stderr


def test_a_service_waits_for_what_is_there_and_healthy(project: dict[str, Any]) -> None:
    services = project["services"]
    for service in services.values():
        for needed, how in (service.get("depends_on") or {}).items():
            assert how["condition"] == "service_healthy" and "healthcheck" in services[needed]
    assert set(services["transire"]["depends_on"]) == {"postgres", "redis"}
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 3 and {port["host_ip"] for port in ports} == {"127.0.0.1"}


def serve(project: dict[str, Any], folder: Path, changes: Mapping[str, str]) -> tuple[Daemon, dict[str, str]]:
    """Starts transire by the file's settings and these changes."""
    given = environment(project, "transire") | changes
    service = project["services"]["transire"]
    assert service["entrypoint"] == ["transire"]
    command = [os.environ["TRANSIRE_TEST_PROGRAM"], *service["command"]]
    return Daemon(command, folder, folder / "transire.log", given, announces=True), given


def test_docker_logs_in_to_the_registry_that_the_pages_lines_set_up(
    shell: Shell, project: dict[str, Any], database: str, redis: Redis, tmp_path: Path
) -> None:
    places = {"TRANSIRE_DATABASE": database, "TRANSIRE_SHARED__URL": redis.url, "PGPASSFILE": os.environ["PGPASSFILE"]}
    places |= {"TRANSIRE_LISTEN": "127.0.0.1:0", "TRANSIRE_METRICS_LISTEN": "127.0.0.1:0"}
    transire, given = serve(project, tmp_path, places)
    registry = None
    try:
        line = transire.first_line()
        assert line, transire.read_log()
        address = json.loads(line)["listening"]
        wait_until("transire to be ready", lambda: fetch(f"http://{address}/readyz").status == 200)
        commands = SETTING_UP.commands() + KEY.commands().replace("transire access-key", "transire --output json access-key")
        printed = shell.does(commands, {}, given | {"PROGRAM": os.environ["TRANSIRE_TEST_PROGRAM"]})
        made = json.loads(printed)
        assert (shell.folder / "up").read_text() == "up --detach --wait\n" * 2
        # As zot's would be written, but for the folders.
        assert "PUBLIC KEY" in (shell.folder / "zot" / "key.pem").read_text()
        key = AccessKey(made["access_key_id"], made["access_key_secret"])
        registry, port = start_registry(project, shell.folder, tmp_path, f"http://localhost:{address.rpartition(':')[2]}/token")
        client = [os.environ["TRANSIRE_TEST_PROGRAM"], "get-login-password", "--endpoint", f"http://{address}"]
        secrets = {"TENCENTCLOUD_SECRET_ID": key.id, "TENCENTCLOUD_SECRET_KEY": key.secret}
        got = run(*client, "--instance", "localhost:5000", "--output", "json", environment=secrets)
        assert got.returncode == 0, got.stderr
        credential = json.loads(got.stdout)
        login = run(
            *(os.environ["TRANSIRE_TEST_DOCKER"], "login", "--username", credential["username"], "--password-stdin", f"localhost:{port}"),
            stdin=credential["secret"],
        )
        assert "Login Succeeded" in login.stdout, login.stderr
    finally:
        for daemon in (registry, transire):
            if daemon:
                daemon.stop()


def start_registry(project: dict[str, Any], folder: Path, tmp_path: Path, realm: str) -> tuple[Daemon, int]:
    """Starts Distribution by the file's variables, over the settings that its image has."""
    given = environment(project, "registry")
    (mount,) = (volume for volume in project["services"]["registry"]["volumes"] if volume["type"] == "bind")
    bundle = given["REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE"]
    assert bundle.startswith(mount["target"]) and mount["source"] == str(folder / "registry")
    port = free_port()
    here = {"REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE": str(folder / "registry" / Path(bundle).name), "REGISTRY_AUTH_TOKEN_REALM": realm}
    here |= {"REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}"}
    (tmp_path / "image.yml").write_text(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {tmp_path}/storage\nhttp:\n  addr: :5000\n")
    program = os.environ["TRANSIRE_TEST_REGISTRY"]
    registry = Daemon([program, "serve", tmp_path / "image.yml"], tmp_path, tmp_path / "registry.log", {**given, **here, "HOME": str(tmp_path)})

    def answers() -> bool:
        try:
            return fetch(f"http://127.0.0.1:{port}/v2/").status == 401
        except OSError:
            return False

    wait_until("the registry to answer or end", lambda: not registry.is_running() or answers())
    assert registry.is_running(), registry.read_log()
    return registry, port


def test_zots_settings_are_those_that_the_program_writes(project: dict[str, Any], tmp_path: Path) -> None:
    ours = json.loads((FOLDER / "zot" / "config.json").read_text())
    program = [os.environ["TRANSIRE_TEST_PROGRAM"], "--data-dir", str(tmp_path / "data"), "--output", "json"]
    cli = lambda *arguments: json.loads(run(*program, *arguments).stdout)  # noqa: E731
    cli("init")
    account = cli("account", "create", "--name", "acme")["account_id"]
    service = ours["http"]["auth"]["bearer"]["service"]
    instance = cli("instance", "create", "--account", account, "--name", "zot", "--service", service, "--kind", "zot")["tcr_id"]
    listen, storage = f"{ours['http']['address']}:{ours['http']['port']}", ours["storage"]["rootDirectory"]
    written = json.loads(
        cli("registry-config", "--instance", instance, "--kind", "zot", "--listen", listen, "--storage", storage, "--out", "-")["text"]
    )
    mounts = {volume["target"] for volume in project["services"]["zot"]["volumes"]}
    key = Path(ours["http"]["auth"]["bearer"].pop("cert"))
    assert Path(written["http"]["auth"]["bearer"].pop("cert")).name == key.name
    assert ours == written and {str(key.parent), storage} == mounts
    assert ours["http"]["auth"]["bearer"]["realm"] == f"{environment(project, 'transire')['TRANSIRE_PUBLIC_URL']}/token"
