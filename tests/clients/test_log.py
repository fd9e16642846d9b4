"""The log as JSON, as a program reads it that collects logs."""

import json
import os
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from processes import wait_until
from service import Transire

JSON = {"TRANSIRE_LOG__FORMAT": "json"}


def lines(transire: Transire) -> list[dict[str, Any]]:
    return [json.loads(line) for line in transire.log.read_text().splitlines()]


def test_each_line_is_an_object_with_its_request_id(new_transire: Callable[..., Transire]) -> None:
    transire = new_transire(settings=JSON)
    transire.start()
    answer = transire.fetch("/token?service=nobody.example.com", {"Authorization": "Basic eDp5"})
    assert answer.status == 401
    wait_until("the refusal's line", lambda: any(line["message"] == "refused" for line in lines(transire)))
    assert transire.stop() == 0
    logged = lines(transire)
    for line in logged:
        assert {"time", "level", "target", "message"} <= line.keys(), line
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
        assert line["level"] in {"INFO", "WARN", "ERROR"}
    [refused] = [line for line in logged if line["message"] == "refused"]
    assert refused["request_id"] == answer.headers["X-Request-Id"]
    assert (refused["dialect"], refused["address"]) == ("registry", "127.0.0.1")
    assert {"listening", "shutting down"} <= {line["message"] for line in logged}


def test_the_error_that_ends_the_service_is_an_object_too(new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    first = new_transire()
    first.start()
    second = new_transire(name="second", settings=JSON)
    environment = {**os.environ, **JSON}
    command = [second.binary, "--data-dir", tmp_path / "other", "serve", "--listen", first.endpoint]
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and done.stdout == ""
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    assert (logged[-1]["level"], first.endpoint in logged[-1]["message"]) == ("ERROR", True), logged


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_level_decides_which_lines_there_are(new_transire: Callable[..., Transire], form: str) -> None:
    transire = new_transire(settings={"TRANSIRE_LOG__FORMAT": form, "TRANSIRE_LOG__LEVEL": "error,transire::serve=info"})
    transire.start()
    transire.fetch("/token?service=nobody.example.com", {"Authorization": "Basic eDp5"})
    assert transire.stop() == 0
    log = transire.log.read_text()
    assert "listening" in log and "refused" not in log, log


def test_settings_that_cannot_be_read_are_said_as_text(tmp_path: Path) -> None:
    environment = {**os.environ, **JSON, "TRANSIRE_LOG__LEVEL": "inof"}
    command = [os.environ["TRANSIRE_TEST_PROGRAM"], "--data-dir", str(tmp_path), "serve"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.startswith('transire: TRANSIRE_LOG__LEVEL: log.level is a level, or'), done.stderr
