"""A throw-away Debian root, transire's package in it, and the service as its unit starts it."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from processes import Daemon
from service import Transire

SOURCES = Path(__file__).parents[2]
SETTINGS = "etc/transire/transire.toml"
_UNIT = "usr/lib/systemd/system/transire.service"
# For cargo: each test has a home of its own.
CARGO = {name: os.environ[name] for name in ("HOME", "CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR") if name in os.environ}
# The package's own folder and programs are found as on a machine that was started.
_ENVIRONMENT = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive")


def run(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    """What a command prints that must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{shlex.join(map(str, command))} exited {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def build_package(folder: Path, *options: str, environment: dict[str, str] | None = None) -> Path:
    """Packs the program that is tested, and compresses little."""
    program = os.environ["TRANSIRE_TEST_PROGRAM"]
    run(
        *(SOURCES / "packaging/deb", "--program", program, "--out", folder, "--fast", *options),
        environment={**CARGO, **(environment or {})},
    )
    [package] = folder.glob("*.deb")
    return package


def unpack_bare(folder: Path) -> Path:
    """What each Debian has, and nothing of transire."""
    folder.mkdir()
    run("tar", "--extract", "--file", os.environ["TRANSIRE_TEST_BARE_ROOT"], "--directory", folder)
    return folder


class Root:
    """A root of its own for a test: a layer over a bare one."""

    def __init__(self, bare: Path, folder: Path) -> None:
        self.folder = folder / "root"
        self._layer = folder / "layer"
        # A folder that has the same path inside and outside.
        self.shared = folder / "shared"
        work = folder / "work"
        for made in (self.folder, self._layer, self.shared, work):
            made.mkdir(parents=True)
        layers = f"lowerdir={bare},upperdir={self._layer},workdir={work}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, self.folder)
        self._inside(self.shared).mkdir(parents=True)

    def remove(self) -> None:
        run("umount", "--lazy", self.folder)
        shutil.rmtree(self._layer)

    def command(self, *arguments: str | Path) -> list[str]:
        """Wraps a command so that it runs inside, with the mounts that it needs there."""
        mount = f'mount -t proc proc "$0/proc" && mount --bind "{self.shared}" "$0{self.shared}" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "sh", "-c", mount, str(self.folder), *_ENVIRONMENT, *map(str, arguments)]

    def _inside(self, path: Path) -> Path:
        """Where a path of the root is found from outside."""
        return self.folder / path.relative_to("/")

    def run(self, *arguments: str | Path) -> str:
        return run(*self.command(*arguments))

    def install(self, package: Path) -> str:
        """Installs a package without a network, so with nothing that it needs besides; says what it printed."""
        copy = self.shared / package.name
        shutil.copyfile(package, copy)
        # As an upgrade that nobody watches: settings that were edited stay.
        return self.run("dpkg", "--force-confold", "--install", copy)

    def user(self, path: str) -> tuple[str, str, str]:
        """Owner, group and mode of a path."""
        owner, group, mode = self.run("stat", "--format=%U %G %a", f"/{path}").split()
        return owner, group, mode


class Installed(Transire):
    """Transire as its package put it into a root, run as its unit says."""

    def __init__(self, root: Root, folder: Path, **variables: str) -> None:
        super().__init__(folder)
        self.root = root
        self._variables = [f"{name}={value}" for name, value in variables.items()]
        lines = (root.folder / _UNIT).read_text().splitlines()
        self._unit = [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]

    def _of_unit(self, name: str) -> list[str]:
        return [value for key, value in self._unit if key == name]

    def _as_service(self, *command: str | Path) -> list[str]:
        """A command by the service's user, in its folder, with the unit's environment."""
        [user], [group], [folder] = (self._of_unit(name) for name in ("User", "Group", "WorkingDirectory"))
        drop = ["setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups", "--no-new-privs", "--bounding-set=-all"]
        return self.root.command(*drop, "env", f"--chdir={folder}", *self._of_unit("Environment"), *self._variables, *command)

    def launch(self) -> Daemon:
        [start] = self._of_unit("ExecStart")
        self._daemon = Daemon(self._as_service(*start.split()), self._folder, self.log, announces=True)
        return self._daemon

    def run(self, *arguments: str | Path, environment: object = None) -> subprocess.CompletedProcess[str]:
        assert environment is None
        command = ("transire", "--config", f"/{SETTINGS}", "--output", "json", *arguments)
        # Files for others are made by root: the service's user writes to its own folder alone.
        is_for_others = arguments[0] == "registry-config"
        wrapped = self.root.command(*command) if is_for_others else self._as_service(*command)
        return subprocess.run(wrapped, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
