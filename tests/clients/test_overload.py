"""Far more comes than can be answered, from clients that wait as they are told, as SDKs do, or not at all.

`TRANSIRE_TEST_LONG=1` asks for a minute of it in place of seconds.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from abuse.overload import Scene
from namespace import Network
from service import MANY_TOKENS, Transire

LONG = os.environ.get("TRANSIRE_TEST_LONG") == "1"
SECONDS = 60.0 if LONG else 12.0
# Nothing here is about how often one key or one credential asks.
SETTINGS = {
    "TRANSIRE_ALLOW_PLAIN_HTTP": "true",
    "TRANSIRE_LIMITS__REQUESTS_PER_SECOND": "100000",
    **MANY_TOKENS,
}


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path / "network")
    yield network
    network.end()


def test_an_overload_is_refused_readably_and_is_soon_over(new_transire: Callable[..., Transire], network: Network, table: list[str]) -> None:
    transire = new_transire(settings={**SETTINGS, "TRANSIRE_LIMITS__WAIT_MILLISECONDS": "5"})
    figures = Scene(transire, network).overload(SECONDS)
    table.extend(figures.rows("a processor"))
    if missed := [*figures.misses(), *(figures.late() if LONG else [])]:
        pytest.fail("; ".join(missed), pytrace=False)
