"""A container image from its archive, and one container of it, run by runc on this machine's network."""

import json
import os
import secrets
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from processes import Daemon


class Image:
    """What `docker load` reads: a list, a configuration and layers."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        with tarfile.open(archive) as opened:
            [listed] = json.loads(self._read(opened, "manifest.json"))
            self.name = listed["Config"]
            self.configuration: dict[str, Any] = json.loads(self._read(opened, self.name))
            self._layers = listed["Layers"]

    @staticmethod
    def _read(opened: tarfile.TarFile, name: str) -> bytes:
        file = opened.extractfile(name)
        assert file is not None
        return file.read()

    @property
    def settings(self) -> dict[str, Any]:
        """What a container of it is started with."""
        return self.configuration["config"]

    def unpack(self, folder: Path) -> None:
        folder.mkdir()
        with tarfile.open(self.archive) as opened:
            for layer in self._layers:
                with tarfile.open(fileobj=opened.extractfile(layer)) as files:
                    # As it is packed. Debian 12's Python has no argument for it, and looks at no attribute.
                    files.extraction_filter = lambda member, _: member
                    files.extractall(folder, numeric_owner=True)


class Container:
    """A container: its root can't be written, its volume can, and it has no capability."""

    def __init__(self, image: Image, folder: Path, variables: dict[str, str]) -> None:
        self._folder = folder
        self._name = f"transire-test-{secrets.token_hex(4)}"
        self._runc = [os.environ["TRANSIRE_TEST_RUNC"], "--root", str(folder / "runc")]
        image.unpack(folder / "rootfs")
        settings = image.settings
        uid, _, gid = settings["User"].partition(":")
        mounts: list[dict[str, Any]] = [{"destination": "/proc", "type": "proc", "source": "proc"}]
        for volume in settings["Volumes"]:
            source = folder / "volume"
            source.mkdir()
            # As an engine makes a volume: with the owner and mode of the image's own folder.
            own = (folder / "rootfs" / volume.removeprefix("/")).stat()
            os.chown(source, own.st_uid, own.st_gid)
            source.chmod(own.st_mode)
            mounts.append({"destination": volume, "type": "bind", "source": str(source), "options": ["bind", "rw"]})
        nothing: dict[str, list[str]] = {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")}
        process = {
            "user": {"uid": int(uid), "gid": int(gid)},
            "args": [*settings["Entrypoint"], *settings["Cmd"]],
            "env": [*settings["Env"], *(f"{name}={value}" for name, value in variables.items())],
            "cwd": settings["WorkingDir"],
            "noNewPrivileges": True,
            "capabilities": nothing,
        }
        specification = {
            "ociVersion": "1.0.2",
            "process": process,
            "root": {"path": "rootfs", "readonly": True},
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
        }
        (folder / "config.json").write_text(json.dumps(specification))

    def start(self) -> str:
        """Starts it; returns the first line that it prints."""
        self._daemon = Daemon([*self._runc, "run", self._name], self._folder, self._folder / "log", announces=True)
        return self._daemon.first_line()

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        done = [*self._runc, "exec", self._name, *command]
        return subprocess.run(done, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def stop(self) -> int:
        """Asks it to end, as an engine does; its exit code."""
        return self._daemon.stop()

    def remove(self) -> None:
        subprocess.run([*self._runc, "delete", "--force", self._name], capture_output=True, timeout=60)
