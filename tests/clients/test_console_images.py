"""The pictures of the console in docs/images: TRANSIRE_TEST_WRITE_DOCS=1 makes them anew."""

import json
import os
import struct
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import tencent
from browser import Browser
from credential import exchange
from processes import wait_until
from service import AccessKey, Account, Clock, Instance, fetch

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MADE_ANEW = "TRANSIRE_TEST_WRITE_DOCS" in os.environ
ACCOUNT = "100000000001"
READER = """{
  "version": "2.0",
  "statement": [
    {"effect": "allow", "action": "tcr:*", "resource": "*"},
    {
      "effect": "deny",
      "action": "tcr:PushRepository",
      "resource": "*",
      "condition": {"ip_not_equal": {"qcs:ip": ["192.0.2.0/24"]}}
    }
  ]
}
"""
# A minute is written once a minute, whatever the clock says: pictures take some.
BURSTS = [0, 6, 13, 19, 28, 35, 41] if MADE_ANEW else [0]


def fill(browser: Browser, clock: Clock, folder: Path) -> Instance:
    """An account with a user, whose policy keeps it from pushing, and traffic of some minutes."""
    transire = browser.transire
    transire.cli("account", "create", "--name", "acme", "--id", ACCOUNT)
    account = Account(ACCOUNT, transire.new_access_key(ACCOUNT))
    instance = transire.new_instance(account, "demo", "--registry-url", "https://demo.example.com")
    transire.new_instance(account, "staging")
    for name in ("ci", "release", "scanner"):
        transire.cli("user", "create", "--account", ACCOUNT, "--name", name)
    transire.cli("group", "create", "--account", ACCOUNT, "--name", "builders")
    (folder / "reader.json").write_text(READER)
    transire.cli("policy", "create", "--account", ACCOUNT, "--name", "reader", "--document", folder / "reader.json")
    transire.cli("policy", "attach", "--account", ACCOUNT, "--name", "reader", "--user", "ci")
    made = transire.cli("access-key", "create", "--account", ACCOUNT, "--user", "ci")
    key = AccessKey(made["access_key_id"], transire.remember("access key secret", made["access_key_secret"]))
    long_term = transire.cli("credential", "create", "--instance", instance.tcr_id, "--description", "build farm")
    transire.remember("long-term secret", long_term["secret"])
    auditor = browser.token("bob", "auditor")
    for minute in BURSTS:
        written = minutes_with_exchanges(browser, auditor)
        clock.move(f"+{minute}m")
        now = time.time() + minute * 60
        with patch("time.time", lambda now=now: now):
            credential = tencent.issue(transire, key, instance.tcr_id)
        for number in range(5 + minute % 9 * 4):
            scope = "repository:team/app:pull,push" if number % 4 == 3 else "repository:team/app:pull"
            exchange(transire.realm, instance, credential, scope)
        exchange(transire.realm, instance, replace(credential, secret="wrong"))
        if MADE_ANEW:
            wait_until("the minute to be written", lambda before=written: minutes_with_exchanges(browser, auditor) > before, within=90)
    exchange(transire.realm, instance, credential, "repository:team/app:pull,push")
    wait_until("the audit to have a denial", lambda: transire.items("audit", "list", "--outcome", "reduced"), within=15)
    return instance


def minutes_with_exchanges(browser: Browser, token: str) -> int:
    """How many minutes of the last hour, by the service's clock, are known to have exchanges."""
    answer = fetch(f"{browser.base}/admin/v1/activity?span=1h", headers={"Authorization": f"Bearer {token}"})
    return sum(count > 0 for count in json.loads(answer.body)["exchanged"])


def size(image: Path) -> tuple[int, int]:
    """The width and the height of a PNG."""
    width, height = struct.unpack(">II", image.read_bytes()[16:24])
    return width, height


def show(browser: Browser, name: str, path: str, heading: str) -> None:
    """Opens a page, and takes its picture or looks whether there is one."""
    page = browser.open(path)
    assert page.get_by_role("heading", level=1).inner_text() == heading
    assert browser.faults() == []
    image = IMAGES / f"{name}.png"
    if MADE_ANEW:
        IMAGES.mkdir(exist_ok=True)
        height = min(page.evaluate("document.documentElement.scrollHeight"), 1400)
        page.set_viewport_size({"width": 1200, "height": height})
        page.screenshot(path=image)
        page.set_viewport_size({"width": 1200, "height": 800})
    assert size(image)[0] == 1200, f"{image.name}: TRANSIRE_TEST_WRITE_DOCS=1 makes it anew"


def test_each_kind_of_page_has_a_picture(console: Browser, clock: Clock, tmp_path: Path) -> None:
    show(console, "log-in", "/console", "Log in")
    instance = fill(console, clock, tmp_path)
    console.log_in(console.token("alice", "admin"))
    user = f"/console/accounts/{ACCOUNT}/users/ci"
    show(console, "overview", "/console?span=1h", "Overview")
    show(console, "accounts", "/console/accounts", "Accounts")
    show(console, "user", user, "ci")
    show(console, "instances", "/console/instances", "Instances")
    show(console, "instance", f"/console/instances/{instance.tcr_id}", instance.tcr_id)
    show(console, "policy", f"/console/accounts/{ACCOUNT}/policies/reader", "reader")
    show(console, "policy-editor", f"/console/do/CreatePolicy?account={ACCOUNT}", "Create policy")
    show(console, "audit", "/console/audit", "Audit")
    denial = console.page.get_by_role("link", name="reduced").first.get_attribute("href")
    assert denial
    heading = console.open(denial).get_by_role("heading", level=1).inner_text()
    show(console, "explain-request", denial, heading)
    question = f"?principal={ACCOUNT}:user/ci&action=push&resource={instance.tcr_id}/team/app&address=192.0.2.7"
    show(console, "explain", f"/console/explain{question}", "Explain")
    show(console, "live", "/console/audit/live", "Follow it live")
    show(console, "keys", "/console/keys", "Keys")
    show(console, "rotate", "/console/do/RotateSigningKey", "Rotate signing key")
    show(console, "unused", "/console/reports/unused", "Unused")
    show(console, "state", "/console/state", "State and backup")
    console.page.get_by_role("button", name="中文").click()
    show(console, "overview-chinese", "/console?span=1h", "概览")
    assert len(list(IMAGES.glob("*.png"))) == 17 and console.complaints == []
