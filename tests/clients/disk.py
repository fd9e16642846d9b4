"""A disk that forgets what was not synced, as a power cut would make it."""

import subprocess
from pathlib import Path


class ForgetfulDisk:
    """Follows the syncs of the processes that it is preloaded into; see forgetful.c."""

    def __init__(self, folder: Path) -> None:
        self._kept = folder / "kept"
        self._kept.mkdir(parents=True)
        self._library = folder / "forgetful.so"
        source = Path(__file__).with_name("forgetful.c")
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", self._library, source, "-ldl", "-pthread"], check=True, timeout=60
        )

    def adopt(self, folder: Path) -> None:
        """Takes a folder over as it is: what is there is synced."""
        files = [file for file in folder.iterdir() if file.is_file()]
        for file in files:
            (self._kept / f"data.{file.stat().st_ino}").write_bytes(file.read_bytes())
        (self._kept / "names").write_text("".join(f"{file.stat().st_ino} {file.name}\n" for file in files))

    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "FORGETFUL_DISK": str(self._kept)}

    def restore(self, folder: Path) -> None:
        """Writes what was synced, and nothing else, into a new folder."""
        folder.mkdir(mode=0o700)
        for line in (self._kept / "names").read_text().splitlines():
            inode, _, name = line.partition(" ")
            data = self._kept / f"data.{inode}"
            # A name that was synced before anything of its file is an empty file.
            (folder / name).write_bytes(data.read_bytes() if data.exists() else b"")
            (folder / name).chmod(0o600)
