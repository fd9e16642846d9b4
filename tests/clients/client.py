"""Our own client, as a user of another machine runs it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from loopback import HttpServer, Reply
from service import AccessKey, Transire


class Client:
    """The commands as a user of another machine runs them: without data, settings or master key."""

    def __init__(self, transire: Transire, home: Path) -> None:
        self._transire, self.home = transire, home
        self.programs = home / "bin"
        self.programs.mkdir(parents=True)
        for name in ("transire", "docker-credential-transire"):
            (self.programs / name).symlink_to(os.environ["TRANSIRE_TEST_PROGRAM"])

    def run(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run_as("transire", *arguments, stdin=stdin, **variables)

    def run_as(self, name: str, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Under another name, as docker calls its helpers."""
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], **variables}
        done = subprocess.run([self.programs / name, *arguments], input=stdin, env=environment, cwd=self.home, capture_output=True, text=True, timeout=60)
        secret = done.stdout.strip()
        if secret.startswith(("trs", "ey")):
            self._transire.remember("secret of the client", secret)
        return done

    def does(self, *arguments: str, stdin: str = "", **variables: str) -> str:
        done = self.run(*arguments, stdin=stdin, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write_profile(self, registry: str, **settings: str) -> None:
        folder = self.home / ".config" / "transire"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f'[registry."{registry}"]', *(f'{name} = "{value}"' for name, value in settings.items())]
        (folder / "client.toml").write_text("\n".join(lines) + "\n")


def keys(key: AccessKey, cloud: str = "Tencent") -> dict[str, str]:
    if cloud == "Tencent":
        return {"TENCENTCLOUD_SECRET_ID": key.id, "TENCENTCLOUD_SECRET_KEY": key.secret}
    return {"ALIBABA_CLOUD_ACCESS_KEY_ID": key.id, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret}


def endpoint(transire: Transire) -> str:
    """The service as registries name it to their clients."""
    return transire.realm.removesuffix("/token")


def where(transire: Transire, instance: str) -> tuple[str, ...]:
    return ("--endpoint", endpoint(transire), "--instance", instance)


class Liar:
    """A registry that sends its clients to a realm of its choice, and listens there, too."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.server = HttpServer(self._answer)
        self.address = self.server.address

    def _answer(self, path: str, headers: Mapping[str, str]) -> Reply:
        self.asked.append(f"{path} {headers['Authorization']}")
        return 401, {"WWW-Authenticate": f'Bearer realm="{self.server.url}/token",service="stolen"'}, b""
