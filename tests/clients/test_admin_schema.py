"""The admin API against its own description, by schemathesis."""

import os
import subprocess
from collections.abc import Callable

from service import Transire

LONG = os.environ.get("TRANSIRE_TEST_LONG") == "1"
# Valid requests are refused, too: a cursor is a text that another answer gave, and the description can't say so.
_UNCHECKED = "positive_data_acceptance"


def test_no_answer_is_outside_of_the_description_and_none_is_the_services_fault(new_transire: Callable[..., Transire]) -> None:
    # Wrong tokens are sent on purpose, more than an address may.
    bursts = ("OPERATOR_REQUESTS_BURST", "REFUSALS_BURST", "FAILED_LOG_INS")
    transire = new_transire(settings={"TRANSIRE_ADMIN_LISTEN": "0"} | {f"TRANSIRE_LIMITS__{name}": "1000000" for name in bursts})
    transire.start()
    token = transire.cli("operator", "create", "--name", "alice", "--role", "admin")["token"]
    transire.remember("operator token", token)
    # An account and a user that the description's examples name.
    transire.cli("account", "create", "--name", "acme", "--id", "100000000001")
    transire.cli("user", "create", "--account", "100000000001", "--name", "alice")
    command = [os.environ["TRANSIRE_TEST_SCHEMATHESIS"], "run", f"http://{transire.admin}/admin/openapi.json"]
    command += ["--header", f"Authorization: Bearer {token}", "--exclude-checks", _UNCHECKED, "--no-color"]
    command += ["--max-time", "900" if LONG else "120", "--generation-database", "none"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, cwd=transire.data_dir)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "Tested: " in done.stdout, "it asked for nothing"
    assert transire.fetch("/readyz").status == 200
