"""The two ways of the README to try transire: the quickstart, and a service that is set up by hand."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from documents import Shell, take_one
from processes import free_port
from service import Transire

TRY = take_one("README.md", "Try it", "console")
SET_UP = take_one("README.md", "Set it up", "console")


def without_ids(printed: str) -> list[str]:
    """The lines, without what differs from run to run."""
    ids = r"\b(AKID\w+|tcr-\w+|cri-\w+|\d{12,}|sha256:\w+…?)"
    return [re.sub(ids, "ID", line.rstrip()) for line in printed.splitlines()]


def test_the_quickstart_prints_what_the_readme_shows(new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    """The script `quickstart` builds the program, and runs it as here."""
    transire = new_transire()
    shell = Shell(tmp_path / "quickstart", {"transire": transire.binary})
    service, registry = (f"localhost:{free_port()}" for _ in range(2))
    options = [f"--{name} {address.replace('localhost', '127.0.0.1')}" for name, address in (("listen", service), ("registry-listen", registry))]
    ((shown, printed),) = shell.answers(
        TRY,
        {"./quickstart\n": f"transire quickstart --once {' '.join(options)}\n", "localhost:8480": service, "localhost:5000": registry},
        {"TRANSIRE_QUICKSTART_REGISTRY": os.environ["TRANSIRE_TEST_REGISTRY"]},
    )
    here = without_ids(printed)
    assert [line for line in without_ids(shown) if line not in here] == []


def test_a_service_is_set_up_by_hand(new_transire: Callable[..., Transire], tmp_path: Path) -> None:
    transire = new_transire()
    shell = Shell(tmp_path / "machine", {"transire": transire.binary})
    transire.data_dir = shell.folder / "transire-data"
    places = {"127.0.0.1:8480": "127.0.0.1:0"}
    *commands, (serve, _) = SET_UP.steps()
    for command, _ in commands:
        [instance] = transire.items("instance", "list") if "registry-config" in command else [{"tcr_id": ""}]
        shell.does(command, places | {"tcr-…": instance["tcr_id"]}, {})
    transire.adopt(shell.serves(serve, places, {}))
    assert (shell.folder / "registry/config.yml").exists()
