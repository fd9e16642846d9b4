"""Clients who go on asking while the database is away, and what is promised of it."""

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import tencent
from credential import Credential, exchange
from service import MANY_TOKENS, Instance, Transire

# What is promised, and what a busy machine gets on top.
RESUMED_WITHIN = 2.0
SLACK = 3.0
# As many as ask at once while the database is away.
ASKING = 8


def settings(tmp_path: Path, url: str, **more: str) -> dict[str, str]:
    key = tmp_path / "shared.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32))
    # Whoever is refused asks again at once here, and that is not what is tested.
    often = {"TRANSIRE_LIMITS__REQUESTS_PER_SECOND": "100000", **MANY_TOKENS}
    return {"TRANSIRE_DATABASE": url, "TRANSIRE_MASTER_KEY_FILE": str(key), **often, **more}


def refusal(ask: Callable[[], Any]) -> str:
    """The code of what was refused, in either cloud's SDK; empty when it was not."""
    try:
        ask()
    except TencentCloudSDKException as error:
        return str(error.code)
    except AlibabaCloudException as error:
        return str(error.code)
    return ""


def usage(transire: Transire) -> tuple[int, float]:
    """Threads, and megabytes of memory, of the process."""
    status = Path(f"/proc/{transire.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(fields["Threads"]), int(fields["VmRSS"].split()[0]) / 1024


class Load:
    """Clients who go on asking: what they were answered, and how slowly."""

    def __init__(self, transire: Transire, instance: Instance, temporary: Credential, known: Credential) -> None:
        self._transire, self._instance = transire, instance
        self._credentials = (temporary, known)
        self._done = threading.Event()
        self._lock = threading.Lock()
        self.statuses: dict[int, int] = {}
        self.codes: dict[str, int] = {}
        self.slowest = 0.0
        self.broken: list[BaseException] = []

    def __enter__(self) -> "Load":
        works = [self._exchange, self._write] * (ASKING // 2)
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()
        assert self.broken == []

    def _run(self, work: Callable[[], None]) -> None:
        while not self._done.is_set():
            begun = time.monotonic()
            try:
                work()
            except BaseException as error:  # noqa: BLE001: reported by the test's own thread
                self.broken.append(error)
                return
            with self._lock:
                self.slowest = max(self.slowest, time.monotonic() - begun)

    def _exchange(self) -> None:
        for credential in self._credentials:
            status = exchange(self._transire.realm, self._instance, credential).status
            with self._lock:
                self.statuses[status] = self.statuses.get(status, 0) + 1

    def _write(self) -> None:
        code = refusal(lambda: tencent.issue(self._transire, self._instance.account.key, self._instance.tcr_id, "longterm"))
        with self._lock:
            self.codes[code] = self.codes.get(code, 0) + 1
