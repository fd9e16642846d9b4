"""A real browser without a window, and what its pages may do."""

import os
from pathlib import Path
from typing import Any

from service import Transire
from playwright.sync_api import ConsoleMessage, Page, Request, Response, sync_playwright

# The last four keep the browser from asking its maker's servers for anything.
_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=OptimizationHints,Translate",
]


class Browser:
    """Chromium, whose pages may ask the console alone, and whose complaints are kept."""

    def __init__(self, base: str, transire: Transire) -> None:
        self.base, self.transire = base, transire
        self.complaints: list[str] = []
        # Where pages may go besides: the issuer of single sign-on.
        self.others: list[str] = []
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(executable_path=os.environ["TRANSIRE_TEST_CHROMIUM"], args=_OPTIONS)
        self.page = self.new_page()

    def new_page(self, **options: Any) -> Page:
        """A page of a browser that nobody has used."""
        context = self._chromium.new_context(viewport={"width": 1200, "height": 800}, **options)
        page = context.new_page()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)
        return page

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.base, *self.others)):
            self.complaints.append(f"foreign: {request.url}")

    def _on_failure(self, request: Request) -> None:
        # The test left the page before it had all files.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status}: {response.url}")

    def token(self, name: str, role: str, *options: str) -> str:
        """Makes an operator; its token."""
        made = self.transire.cli("operator", "create", "--name", name, "--role", role, *options)
        return self.transire.remember("operator token", made["token"])

    def log_in(self, token: str, page: Page | None = None) -> None:
        page = page or self.page
        page.goto(f"{self.base}/console")
        page.get_by_label("Operator's token").fill(token)
        page.get_by_role("button", name="Log in").click()

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.base}{path}")
        return self.page

    def faults(self, page: Page | None = None) -> list[str]:
        """What keeps people from using the page: axe's serious and critical findings."""
        page = page or self.page
        axe = Path(os.environ["TRANSIRE_TEST_NODE_MODULES"]) / "axe-core" / "axe.min.js"
        # Evaluated by the browser's remote control, which the page's policy doesn't bind.
        page.evaluate(axe.read_text())
        found = page.evaluate("axe.run()")
        return [
            f"{one['id']}: {one['help']}: {node['html']}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def stop(self) -> None:
        self._chromium.close()
        self._playwright.stop()
