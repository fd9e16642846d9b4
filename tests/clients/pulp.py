"""Pulp, which stores images among much else, with transire as its token server."""

import base64
import os
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from processes import Daemon, free_port, wait_until
from service import Account, Instance, Transire, fetch


class Pulp:
    """Pulp's API, its content server and a worker, with the settings of `transire registry-config` beside its own."""

    def __init__(self, folder: Path, database: str, transire: Transire, account: Account, watch: Callable[[Path], None]) -> None:
        folder.mkdir()
        self._folder = folder
        # What Pulp wants to be called is the audience of its tokens.
        self.address, content = (f"localhost:{free_port()}" for _ in range(2))
        made = transire.cli(
            *("instance", "create", "--account", account.id, "--name", "pulp", "--kind", "pulp"),
            *("--service", self.address, "--issuer", transire.realm),
        )
        self.instance = Instance(account, made["tcr_id"], made["cri_id"], made["service"], made["realm"])
        self.configuration = ("registry-config", "--instance", self.instance.tcr_id, "--kind", "pulp", "--out", str(folder))
        tokens = Path(transire.cli(*self.configuration)["config"])
        settings = folder / "pulp.py"
        settings.write_text(tokens.read_text() + self._own_settings(database, content))
        self._environment = {**os.environ, "PULP_SETTINGS": str(settings)}
        self._programs = Path(os.environ["TRANSIRE_TEST_PULP"])
        migrated = subprocess.run(
            [self._programs / "pulpcore-manager", "migrate", "--noinput"],
            cwd=folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert migrated.returncode == 0, migrated.stderr
        self._daemons: list[Daemon] = []
        for name, options in [
            ("api", ["--bind", self.address.replace("localhost", "127.0.0.1"), "--workers", "1"]),
            ("content", ["--bind", content.replace("localhost", "127.0.0.1"), "--workers", "1"]),
            ("worker", []),
        ]:
            log = folder / f"pulp-{name}.log"
            log.touch()
            watch(log)
            self._daemons.append(Daemon([self._programs / f"pulpcore-{name}", *options], folder, log, self._environment))
        wait_until("Pulp to answer", self._answers, 60)

    def _own_settings(self, database: str, content: str) -> str:
        url = urlsplit(database)
        key = self._folder / "database.key"
        key.write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))
        places = {"MEDIA_ROOT": "media", "WORKING_DIRECTORY": "tmp", "FILE_UPLOAD_TEMP_DIR": "tmp", "STATIC_ROOT": "static"}
        for place in places.values():
            (self._folder / place).mkdir(exist_ok=True)
        driver = {"ENGINE": "django.db.backends.postgresql", "HOST": url.hostname, "PORT": str(url.port), "USER": url.username}
        lines = {
            "SECRET_KEY": secrets.token_hex(32),
            "CONTENT_ORIGIN": f"http://{content}",
            "DB_ENCRYPTION_KEY": str(key),
            "DEPLOY_ROOT": str(self._folder),
            # The password is in the file that PGPASSFILE names.
            "DATABASES": {"default": driver | {"NAME": url.path.removeprefix("/")}},
            **{name: str(self._folder / place) for name, place in places.items()},
        }
        return "".join(f"{name} = {value!r}\n" for name, value in lines.items())

    def _answers(self) -> bool:
        try:
            return fetch(f"http://{self.address}/v2/").status == 401
        except OSError:
            return False

    def stop(self) -> None:
        for daemon in self._daemons:
            daemon.stop()

    def reference(self, name: str) -> str:
        return f"docker://{self.address}/{name}"
