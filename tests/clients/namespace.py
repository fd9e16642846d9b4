"""A network and a table of host names of one's own: nothing outside sees them, and nothing is left of them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from processes import Daemon

_AS_ROOT = os.geteuid() == 0


class Namespace:
    """Programs in it have a loopback with every port free, and the host names that they are given."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        folder.mkdir()
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {' '.join(names)}\n")
        user = [] if _AS_ROOT else ["--user", "--map-root-user"]
        # It lives while this one does, and says so once it is ready.
        script = 'ip link set lo up && mount --bind "$1" /etc/hosts && echo ready && exec sleep infinity'
        self._holder = Daemon(
            ["unshare", *user, "--net", "--mount", "sh", "-c", script, "sh", hosts], folder, folder / "namespace.log", announces=True
        )
        assert self._holder.first_line() == "ready\n", self._holder.read_log()

    def command(self, *command: str | os.PathLike[str]) -> list[str | os.PathLike[str]]:
        """What runs a command inside."""
        user = [] if _AS_ROOT else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self._holder.pid), *user, "--net", "--mount", f"--wdns={Path.cwd()}", *command]

    def run(self, *command: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in self.command(*command)],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def python(self, script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs a script with the packages of these tests; secrets go by the environment."""
        return self.run(sys.executable, "-c", script, environment=environment)

    def end(self) -> None:
        self._holder.stop()
