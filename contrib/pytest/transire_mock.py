"""A `transire mock` for pytest: copy this file beside your tests, and name it in `conftest.py`:

    pytest_plugins = ["transire_mock"]

Then a test takes the fixture `transire_mock`, a mock of its own. The program is `transire` on the path, or the one that
the variable TRANSIRE_TEST_PROGRAM names.
"""

import json
import os
import select
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

# No proxy, whatever the environment says: the mock is on this machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class TransireMock:
    """A mock that runs until `stop`, or until this process ends."""

    def __init__(self, *options: str, patience: float = 30.0) -> None:
        program = os.environ.get("TRANSIRE_TEST_PROGRAM", "transire")
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [program, "mock", "--end-with-stdin", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], patience)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            self.stop()
            raise RuntimeError(f"transire mock did not start: {self.errors()}")
        self.info: dict[str, Any] = json.loads(line)
        """What the mock printed: docs/mock.md lists it."""

    @property
    def endpoint(self) -> str:
        """Host and port, which both clouds' SDKs take as their endpoint, with HTTP as the protocol."""
        return self.info["listening"]

    @property
    def url(self) -> str:
        return self.info["url"]

    @property
    def tencent(self) -> dict[str, str]:
        """`secret_id`, `secret_key`, `region` and `registry_id`."""
        return self.info["tencent"]

    @property
    def alibaba(self) -> dict[str, str]:
        """`access_key_id`, `access_key_secret`, `region` and `instance_id`."""
        return self.info["alibaba"]

    @property
    def registry(self) -> str:
        """The registry's host and port, of a mock that was started with `--registry`."""
        return self.info["registry"]

    def advance(self, seconds: int) -> dict[str, Any]:
        """Moves the mock's clock ahead; returns where it is."""
        return self._clock(json.dumps({"advance_seconds": seconds}).encode())

    def now(self) -> int:
        """The mock's time, in Unix seconds."""
        return self._clock()["unix_seconds"]

    def _clock(self, body: bytes | None = None) -> dict[str, Any]:
        with _direct.open(f"http://{self.endpoint}/mock/clock", data=body, timeout=10) as answer:
            return json.load(answer)

    def errors(self) -> str:
        """What the mock has written on standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def stop(self) -> int:
        """Ends the mock, and its registry; returns the exit status."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            return self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._process.stdout.close()


@pytest.fixture
def transire_mock(request: pytest.FixtureRequest) -> Iterator[TransireMock]:
    """A mock; the mark `transire_mock("--registry", …)` gives it options."""
    mark = request.node.get_closest_marker("transire_mock")
    mock = TransireMock(*(mark.args if mark else ()))
    yield mock
    mock.stop()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "transire_mock(*options): the options of the fixture transire_mock")
