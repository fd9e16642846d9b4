"""The console in a real browser."""

import re
import subprocess

import pytest

from browser import Browser
from service import fetch

ACCOUNT = "100000000001"


@pytest.fixture
def alice(console: Browser) -> Browser:
    """An admin who is logged in, with an account."""
    console.transire.cli("account", "create", "--name", "acme", "--id", ACCOUNT)
    console.log_in(console.token("alice", "admin"))
    return console


def ways(browser: Browser) -> list[str]:
    links = browser.page.get_by_role("navigation").get_by_role("link").all()
    return [link.get_attribute("href") or "" for link in links]


def test_a_stranger_gets_the_log_in_at_every_path_with_the_same_headers(console: Browser) -> None:
    seen = set()
    for path in ["/console", "/console/accounts", "/console/nothing", "/console/do/CreateUser", "/console/log-in"]:
        answer = fetch(f"{console.base}{path}")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert (answer.status, b'name="operator_token"' in answer.body) == (200, True)
        kept = ("content-security-policy", "cache-control", "x-frame-options", "content-type", "referrer-policy")
        seen.add(tuple(headers[name] for name in kept))
    assert len(seen) == 1


def test_a_wrong_token_is_refused_and_the_audit_has_the_refusal(console: Browser) -> None:
    console.log_in("trso_EXAMPLE")
    assert "token" in console.page.get_by_role("alert").inner_text()
    [line] = [one for one in console.transire.items("audit", "list") if one["action"] == "console:request"]
    assert line["outcome"] == "refused"


def test_every_page_loads_without_a_complaint_and_can_be_used_by_everybody(alice: Browser) -> None:
    alice.transire.cli("user", "create", "--account", ACCOUNT, "--name", "ci")
    alice.transire.cli("group", "create", "--account", ACCOUNT, "--name", "builders")
    alice.transire.cli("instance", "create", "--account", ACCOUNT, "--name", "demo", "--service", "registry.example.com")
    seen, left = set(), ["/console"]
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        page = alice.open(path)
        assert alice.faults() == [], path
        for link in page.get_by_role("main").get_by_role("link").all() + page.get_by_role("navigation").get_by_role("link").all():
            href = link.get_attribute("href") or ""
            if href.startswith("/console") and "sort=" not in href:
                left.append(href)
    assert {"/console/accounts", f"/console/accounts/{ACCOUNT}/users/ci", f"/console/do/DeleteUser?account={ACCOUNT}&name=ci"} <= seen
    assert alice.complaints == []


def test_a_user_is_made_once_however_often_its_form_is_sent(alice: Browser) -> None:
    page = alice.open(f"/console/accounts/{ACCOUNT}/users")
    page.get_by_role("link", name="Create user").click()
    page.get_by_label("Name", exact=True).fill("ci")
    page.get_by_role("button", name="Create user").click()
    assert "ci" in page.get_by_role("main").inner_text()
    page.reload()
    assert "made before" in page.get_by_role("status").inner_text()
    assert [user["name"] for user in alice.transire.items("user", "list", "--account", ACCOUNT)] == ["ci"]


def test_a_fault_of_a_form_is_shown_in_it_with_what_was_typed(alice: Browser) -> None:
    page = alice.open(f"/console/do/CreateUser?account={ACCOUNT}")
    page.get_by_label("Name", exact=True).fill("not a name!")
    page.get_by_role("button", name="Create user").click()
    assert "name" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Name", exact=True).input_value() == "not a name!"


def test_pages_can_be_read_without_javascript(alice: Browser) -> None:
    page = alice.new_page(java_script_enabled=False)
    alice.log_in(alice.token("bob", "auditor"), page)
    page.goto(f"{alice.base}/console/accounts")
    page.get_by_role("link", name=ACCOUNT).click()
    assert page.get_by_role("heading", level=1).inner_text() == ACCOUNT


def test_the_language_can_be_chosen(alice: Browser) -> None:
    alice.page.get_by_role("button", name="中文").click()
    assert alice.page.locator("html").get_attribute("lang") == "zh-Hans"
    assert alice.page.get_by_role("heading", level=1).inner_text() == "概览"
    alice.page.get_by_role("button", name="English").click()
    assert alice.page.get_by_role("heading", level=1).inner_text() == "Overview"


def test_an_auditor_reads_and_changes_nothing(alice: Browser) -> None:
    page = alice.new_page()
    alice.log_in(alice.token("bob", "auditor"), page)
    page.goto(f"{alice.base}/console/do/CreateUser?account={ACCOUNT}")
    page.get_by_label("Name", exact=True).fill("ci")
    page.get_by_role("button", name="Create user").click()
    assert "auditor" in page.get_by_role("alert").inner_text() or "permission" in page.get_by_role("alert").inner_text()
    assert alice.transire.items("user", "list", "--account", ACCOUNT) == []


def test_a_log_out_ends_the_session_and_so_does_the_operator_s_end(alice: Browser) -> None:
    [cookie] = [one for one in alice.page.context.cookies() if one["name"] == "transire-console"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
    alice.page.get_by_role("button", name="Log out").click()
    alice.page.context.add_cookies([cookie])
    assert alice.open("/console/accounts").get_by_label("Operator's token").is_visible()
    alice.log_in(alice.token("bob", "admin"))
    assert alice.open("/console/accounts").get_by_role("heading", level=1).inner_text() == "Accounts"
    alice.transire.cli("operator", "delete", "--name", "bob", "--yes")
    page = alice.open("/console/accounts")
    while page.get_by_role("heading", level=1).inner_text() == "Accounts":
        page.reload()
    assert page.get_by_label("Operator's token").is_visible()


def send(alice: Browser, path: str, *options: str) -> tuple[int, str]:
    """Sends a form by curl, with the session's cookie."""
    [cookie] = [one for one in alice.page.context.cookies() if one["name"] == "transire-console"]
    pair = f"{cookie['name']}={cookie['value']}"
    command = ["curl", "-sS", "-o", "-", "-w", "\n%{http_code}", "--cookie", pair, *options, f"{alice.base}{path}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    body, _, status = text.rpartition("\n")
    return int(status), body


def test_another_site_s_form_and_another_host_are_refused(alice: Browser) -> None:
    path = f"/console/do/CreateUser?account={ACCOUNT}"
    fields = ["--data", f"account={ACCOUNT}", "--data", "name=ci"]
    assert send(alice, path, *fields)[0] == 403
    form_token = re.search(r'name="form_token" value="([^"]+)"', alice.open(path).content())
    assert form_token
    token = ["--data", f"form_token={form_token[1]}"]
    assert send(alice, path, *fields, *token, "--header", "Sec-Fetch-Site: cross-site")[0] == 403
    status, body = send(alice, path, *fields, *token, "--header", "Host: evil.example.com")
    assert (status, "admin_hosts" in body) == (403, True)
    assert alice.transire.items("user", "list", "--account", ACCOUNT) == []
    assert send(alice, path, *fields, *token)[0] == 200
    assert [one["name"] for one in alice.transire.items("user", "list", "--account", ACCOUNT)] == ["ci"]
