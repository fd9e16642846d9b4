"""A certified OpenID provider of another make, at which people log in with a browser."""

import json
import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from processes import Daemon

_SCRIPT = Path(__file__).parent / "node" / "provider.mjs"

CLIENT = "transire"
SECRET = "EXAMPLE-secret"
PEOPLE = {
    "alice": {"name": "Alice", "groups": ["platform", "audit"]},
    "bob": {"name": "Bob", "groups": ["audit"]},
    "carol": {"name": "Carol", "groups": ["sales"]},
}


class Provider:
    """oidc-provider for Node; it knows its client once `open` was called."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "provider.json"
        command = [os.environ["TRANSIRE_TEST_NODE"], str(_SCRIPT), str(self._file)]
        self._daemon = Daemon(command, folder, folder / "provider.log", announces=True)
        self.url = self._daemon.first_line().strip()

    def open(self, redirect: str, **client: Any) -> None:
        known = {"client_id": CLIENT, "client_secret": SECRET, "redirect_uris": [redirect]} | client
        known = {name: value for name, value in known.items() if value is not None}
        self._file.write_text(json.dumps({"client": known, "people": PEOPLE}))

    def log_in(self, page: Page, name: str) -> None:
        page.get_by_label("Name").fill(name)
        page.get_by_role("button", name="Go on").click()

    def stop(self) -> None:
        self._daemon.stop()
