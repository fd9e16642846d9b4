"""A disk that forgets what was not synced, as a power cut would make it."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path


class ForgetfulDisk:
    """Follows the syncs of the processes that it is preloaded into; see forgetful.c."""

    def __init__(self, folder: Path) -> None:
        self._kept = folder / "kept"
        self._kept.mkdir(parents=True)
        library = folder / "forgetful.so"
        source = Path(__file__).with_name("forgetful.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True, timeout=60)
        self._library = library
        self._keep = ctypes.CDLL(str(library)).keep

    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "FORGETFUL_DISK": str(self._kept)}

    def restore(self, folder: Path, target: Path) -> None:
        """Writes what was synced of a folder, and nothing else, into a new one."""
        broken = self._kept / "broken"
        assert not broken.exists(), f"the disk, and not what is tested, failed: {broken.read_text()}"
        # Of two folders that had this inode, the later.
        names = max(self._kept.glob(f"names.{folder.stat().st_ino}-*"), key=lambda file: file.stat().st_mtime_ns)
        target.mkdir(mode=0o700)
        for line in names.read_text().splitlines():
            file, _, name = line.partition(" ")
            data = self._kept / f"data.{file}"
            # A name that was synced before anything of its file is an empty file.
            (target / name).write_bytes(data.read_bytes() if data.exists() else b"")
            (target / name).chmod(0o600)

    def lose_power(self, folder: Path) -> None:
        """Takes from a folder all that was not synced. Nothing may run in it."""
        after = folder.with_name(f"{folder.name}-after")
        self.restore(folder, after)
        shutil.rmtree(folder)
        after.rename(folder)
        for file in self._kept.iterdir():
            file.unlink()
        for path in (*folder.iterdir(), folder):
            self._adopt(path)

    def _adopt(self, path: Path) -> None:
        """Takes over a file or a folder as it is: what is there is synced."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            assert self._keep(os.fsencode(self._kept), descriptor) == 0, path
        finally:
            os.close(descriptor)
