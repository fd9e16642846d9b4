"""Pushes and pulls that go on while something else happens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import wait_until
from registry import Registry, skopeo


class Traffic:
    """Pushes and pulls, one after the other, until it is stopped."""

    def __init__(self, registry: Registry, layout: Path) -> None:
        self._registry = registry
        self._layout = layout
        self._stop = threading.Event()
        self._round = threading.Lock()
        self.rounds = 0
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._round:
                reference = self._registry.reference(f"team/tool:v{self.rounds}")
                for done in (
                    skopeo("copy", "--dest-tls-verify=false", f"oci:{self._layout}:v1", reference),
                    skopeo("inspect", "--tls-verify=false", reference),
                ):
                    if done.returncode != 0:
                        self.failures.append(done.stderr)
                self.rounds += 1
            # A lock is not handed on by itself: whoever waits to hold the rounds up must get it.
            self._stop.wait(0.05)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Nothing is in flight meanwhile: what a restarted registry drops is nobody else's failure."""
        with self._round:
            yield

    def go_on(self, count: int) -> None:
        """Waits for so many rounds more."""
        before = self.rounds
        wait_until(f"{count} rounds of push and pull", lambda: self.rounds >= before + count, within=60)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
