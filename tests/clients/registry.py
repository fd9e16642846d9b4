"""A real registry, and the tools that people use with it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from authority import Authority
from credential import Credential
from processes import Daemon, free_port, wait_until
from service import Answer, Instance, Transire, fetch


class Registry:
    """CNCF Distribution, configured by `transire registry-config` and not a byte more."""

    def __init__(
        self, folder: Path, transire: Transire, instance: Instance, port: int | None = None, authority: Authority | None = None
    ) -> None:
        folder.mkdir()
        self.log = folder / "registry.log"
        self._folder = folder
        self._port = port
        self._authority = authority
        self._start(transire, instance)

    def _start(self, transire: Transire, instance: Instance) -> None:
        for _ in range(5):
            # The registry can't choose a port itself and say which; between choosing here and its start somebody may take it.
            self.address = f"127.0.0.1:{self._port or free_port()}"
            self.settings = transire.cli(
                *("registry-config", "--instance", instance.tcr_id, "--kind", "distribution", "--out", self._folder / "config"),
                *("--realm", transire.realm, "--listen", self.address, "--storage", self._folder / "storage", "--force"),
            )
            self.log.write_text("")
            command: list[str | Path] = [os.environ["TRANSIRE_TEST_REGISTRY"], "serve", self._folder / "config" / "config.yml"]
            # It takes every REGISTRY_… for a setting of its own, and REGISTRY_AUTH_FILE, which is skopeo's, for a broken one.
            environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
            if self._authority:
                environment["REGISTRY_HTTP_TLS_CERTIFICATE"] = str(self._authority.certificate_file)
                environment["REGISTRY_HTTP_TLS_KEY"] = str(self._authority.key_file)
            self._daemon = Daemon(command, self._folder, self.log, environment)
            if self._comes_up():
                return
            if "address already in use" not in self.log.read_text():
                break
        raise AssertionError(f"the registry does not start:\n{self.log.read_text()}")

    def _comes_up(self) -> bool:
        try:
            wait_until("the registry to answer or end", lambda: not self._daemon.is_running() or self._answers())
            return self._daemon.is_running()
        except AssertionError:
            self._daemon.stop()
            return False

    def _answers(self) -> bool:
        try:
            return self._greeting().status == 401
        except OSError:
            return False

    def stop(self) -> None:
        self._daemon.stop()

    def restart(self, transire: Transire, instance: Instance) -> None:
        """Starts it again, at the same address, with what `transire registry-config` says now."""
        self._daemon.stop()
        self._port = int(self.address.rpartition(":")[2])
        self._start(transire, instance)

    def challenge(self) -> str:
        """The WWW-Authenticate header that sends clients to the token endpoint."""
        return self._greeting().headers["WWW-Authenticate"]

    def _greeting(self) -> Answer:
        return fetch(f"{'https' if self._authority else 'http'}://{self.address}/v2/", authority=self._authority)

    def reference(self, name: str) -> str:
        return f"docker://{self.address}/{name}"


def run(
    *command: str | os.PathLike[str], stdin: str = "", environment: Mapping[str, str] | None = None, within: float = 60
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=within,
    )


def docker_login(registry: Registry, credential: Credential) -> subprocess.CompletedProcess[str]:
    """`docker login`, with no daemon behind it."""
    docker = os.environ["TRANSIRE_TEST_DOCKER"]
    return run(docker, "login", "--username", credential.username, "--password-stdin", registry.address, stdin=credential.secret)


def skopeo_login(registry: Registry, credential: Credential) -> subprocess.CompletedProcess[str]:
    return _log_in_by("skopeo", registry, credential)


def podman_login(registry: Registry, credential: Credential, folder: Path) -> subprocess.CompletedProcess[str]:
    """`podman login`, which looks for what would run containers and for a place for images before it does anything."""
    engine = folder / "containers.conf"
    engine.write_text(
        "[engine]\n"
        f'conmon_path = ["{os.environ["TRANSIRE_TEST_CONMON"]}"]\n'
        'runtime = "none"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
        f'static_dir = "{folder}/static"\ntmp_dir = "{folder}/tmp"\nvolume_path = "{folder}/volumes"\n'
        '[engine.runtimes]\nnone = ["/bin/true"]\n'
    )
    storage = folder / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n')
    environment = {
        "CONTAINERS_CONF": str(engine),
        "CONTAINERS_STORAGE_CONF": str(storage),
        "LD_LIBRARY_PATH": os.environ["TRANSIRE_TEST_PODMAN_LIBRARIES"],
    }
    return _log_in_by(os.environ["TRANSIRE_TEST_PODMAN"], registry, credential, environment)


def buildah_login(registry: Registry, credential: Credential, folder: Path) -> subprocess.CompletedProcess[str]:
    return _log_in_by(os.environ["TRANSIRE_TEST_BUILDAH"], registry, credential)


def _log_in_by(
    program: str, registry: Registry, credential: Credential, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [program, "login", "--tls-verify=false", "--username", credential.username, "--password-stdin", registry.address]
    return run(*command, stdin=credential.secret, environment=environment)


def skopeo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("skopeo", "--insecure-policy", *arguments)


LOG_INS = {"docker": docker_login, "skopeo": skopeo_login}
# What each says, in its own words, when the token endpoint answers 401.
REFUSALS = {"docker": "unauthorized: ", "skopeo": "invalid username/password"}


def assert_logs_in(registry: Registry, credential: Credential, tool: str = "docker") -> None:
    done = LOG_INS[tool](registry, credential)
    assert done.returncode == 0, done.stderr
    assert "Login Succeeded" in done.stdout


def assert_refused(registry: Registry, credential: Credential, tool: str = "docker") -> None:
    done = LOG_INS[tool](registry, credential)
    assert done.returncode == 1
    assert REFUSALS[tool] in done.stderr, done.stderr
    assert credential.secret not in done.stderr
