"""The console in a real browser."""

import re
import subprocess
from pathlib import Path
from dataclasses import replace

import pytest
from playwright.sync_api import Locator, Page

import tencent
from browser import Browser
from credential import Credential, exchange
from processes import wait_until
from service import AccessKey, Account, Instance, fetch
from credential import exchange
from service import Clock, fetch

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


READER = """{
  "version": "2.0",
  "statement": [
    {"effect": "allow", "action": "tcr:CreateInstanceToken", "resource": "*"},
    {
      "effect": "deny",
      "action": "tcr:PushRepository",
      "resource": "*"
    },
    {"effect": "allow", "action": "tcr:*", "resource": "*"}
  ]
}
"""


@pytest.fixture
def denied(alice: Browser, tmp_path: Path) -> Instance:
    """An instance at which a request was reduced: the user's policy denies pushes."""
    account = Account(ACCOUNT, alice.transire.new_access_key(ACCOUNT))
    instance = alice.transire.new_instance(account, "demo", "--registry-url", "https://registry.example.com")
    alice.transire.cli("user", "create", "--account", ACCOUNT, "--name", "ci")
    (tmp_path / "reader.json").write_text(READER)
    alice.transire.cli("policy", "create", "--account", ACCOUNT, "--name", "reader", "--document", tmp_path / "reader.json")
    alice.transire.cli("policy", "attach", "--account", ACCOUNT, "--name", "reader", "--user", "ci")
    key = alice.transire.cli("access-key", "create", "--account", ACCOUNT, "--user", "ci")
    user = AccessKey(key["access_key_id"], alice.transire.remember("access key secret", key["access_key_secret"]))
    credential = tencent.issue(alice.transire, user, instance.tcr_id)
    push(alice, instance, credential)
    return instance


def push(alice: Browser, instance: Instance, credential: Credential) -> None:
    answer = exchange(alice.transire.realm, instance, credential, "repository:team/app:pull,push")
    assert answer.status == 200
    wait_until("the audit to have it", lambda: alice.transire.items("audit", "list", "--outcome", "reduced"), within=15)


def test_a_denial_in_the_audit_leads_to_the_statement_that_decided_it(alice: Browser, denied: Instance) -> None:
    page = alice.open("/console/audit")
    page.get_by_role("link", name="reduced").first.click()
    decision = page.locator("section.decision", has=page.get_by_role("heading", name="denied"))
    deciding = decision.locator("li.deciding")
    assert '"deny"' in deciding.locator("mark").inner_text()
    assert "reader statement[1]" in deciding.inner_text()
    assert '"tcr:*"' in deciding.inner_text() and '"tcr:*"' not in deciding.locator("mark").inner_text()
    assert (alice.faults(), alice.complaints) == ([], [])


def test_a_question_is_explained_step_by_step_without_javascript(alice: Browser, denied: Instance) -> None:
    page = alice.new_page(java_script_enabled=False)
    alice.log_in(alice.token("bob", "auditor"), page)
    page.goto(f"{alice.base}/console/explain")
    page.get_by_label("Who").fill(f"{ACCOUNT}:user/ci")
    page.get_by_label("What").fill("push")
    page.get_by_label("Where").fill(f"{denied.tcr_id}/team/app")
    page.get_by_role("button", name="Explain").first.click()
    assert "denied" in page.get_by_role("heading", level=2).first.inner_text()
    assert page.locator("ol.steps > li").count() >= 3
    assert '"deny"' in page.locator("mark").inner_text()
    page.get_by_label("Who").fill(f"{ACCOUNT}:user/nobody")
    page.get_by_role("button", name="Explain").first.click()
    assert "nobody" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("What").input_value() == "push"


def test_the_audit_begins_with_the_newest_event(alice: Browser) -> None:
    alice.transire.cli("user", "create", "--account", ACCOUNT, "--name", "ci")
    wait_until("the audit to have it", lambda: alice.transire.items("audit", "list", "--action", "user.create"), within=15)
    times = alice.open("/console/audit").locator("tbody tr td:first-child").all_inner_texts()
    assert len(times) > 1 and times == sorted(times, reverse=True)


def test_the_live_tail_shows_a_new_event_at_the_top(alice: Browser) -> None:
    alice.open("/console/audit").get_by_role("link", name="Follow it live").click()
    alice.transire.cli("user", "create", "--account", ACCOUNT, "--name", "live")
    line = alice.page.locator("#lines > li", has_text="user.create")
    line.first.wait_for(timeout=20_000)
    # A line is added once, and polling goes on from the place that was reached.
    alice.transire.cli("group", "create", "--account", ACCOUNT, "--name", "later")
    alice.page.locator("#lines > li", has_text="group.create").first.wait_for(timeout=20_000)
    assert line.count() == 1
    assert "group.create" in alice.page.locator("#lines > li").first.inner_text()
    assert (alice.faults(), alice.complaints) == ([], [])


def test_the_live_tail_begins_with_the_newest_events_and_no_more(alice: Browser) -> None:
    for number in range(55):
        alice.transire.cli("group", "create", "--account", ACCOUNT, "--name", f"group-{number}")
    lines = alice.open("/console/audit/live").locator("#lines > li")
    assert lines.count() == 50
    assert "group.create" in lines.first.inner_text() or "console.log-in" in lines.first.inner_text()


def test_the_audit_can_be_followed_without_javascript(alice: Browser) -> None:
    page = alice.new_page(java_script_enabled=False)
    alice.log_in(alice.token("bob", "auditor"), page)
    page.goto(f"{alice.base}/console/audit/live")
    alice.transire.cli("user", "create", "--account", ACCOUNT, "--name", "live")

    def shown() -> bool:
        page.get_by_role("button", name="Newer").click()
        return page.locator("#lines > li", has_text="user.create").count() == 1

    wait_until("the new event to be shown", shown, within=20)


def test_a_fault_in_a_policy_is_shown_while_it_is_typed(alice: Browser) -> None:
    page = alice.open(f"/console/do/CreatePolicy?account={ACCOUNT}")
    document, findings = page.get_by_label("Document"), page.locator("#check-document")
    document.fill(READER.replace('"deny"', '"perhaps"'))
    findings.get_by_text("Line 6, column 17").wait_for()
    assert findings.locator("mark").inner_text() == '"perhaps"'
    assert alice.faults() == []
    document.fill(READER)
    findings.get_by_text("can be saved").wait_for()
    document.fill(READER.replace("}\n", "", 1).rstrip("}\n"))
    findings.get_by_text("not well-formed JSON").wait_for()
    assert alice.transire.items("policy", "list", "--account", ACCOUNT) == []
    assert alice.complaints == []


def test_a_policy_is_edited_as_it_is_and_attached_and_detached_on_its_page(alice: Browser, denied: Instance) -> None:
    page = alice.open(f"/console/accounts/{ACCOUNT}/policies/reader")
    page.get_by_role("link", name="user/ci").wait_for()
    page.get_by_role("button", name="Detach: user/ci").click()
    page = alice.open(f"/console/accounts/{ACCOUNT}/policies/reader")
    assert page.get_by_text("It is attached to nothing.").is_visible()
    page.get_by_label("User").select_option("ci")
    page.get_by_role("button", name="Attach: User").click()
    assert [one["attached_to"] for one in alice.transire.items("policy", "list", "--account", ACCOUNT)] == [["user/ci"]]
    page = alice.open(f"/console/accounts/{ACCOUNT}/policies/reader")
    assert alice.faults() == []
    page.get_by_role("link", name="Update policy").click()
    assert page.get_by_label("Document").input_value() == READER
    assert alice.complaints == []


def test_an_instance_s_page_has_lines_to_paste(alice: Browser, denied: Instance) -> None:
    page = alice.open(f"/console/instances/{denied.tcr_id}")
    text = page.get_by_role("main").inner_text()
    for part in ["auth:", "docker login -u 100000000001 --password-stdin registry.example.com", "id_tokens:", "imagePullSecrets"]:
        assert part in text, part
    alice.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy: docker login").click()
    page.get_by_role("button", name="copied").wait_for()
    assert denied.tcr_id in page.evaluate("navigator.clipboard.readText()")
    assert (alice.faults(), alice.complaints) == ([], [])


def test_a_user_s_page_has_its_keys_its_policies_and_its_groups(alice: Browser, denied: Instance) -> None:
    alice.transire.cli("group", "create", "--account", ACCOUNT, "--name", "builders")
    alice.transire.cli("group", "add", "--account", ACCOUNT, "--name", "builders", "--user", "ci")
    page = alice.open(f"/console/accounts/{ACCOUNT}/users/ci")
    for section, part in [("Access keys", "AKID"), ("Policies", "reader"), ("Groups", "builders")]:
        assert part in page.get_by_role("region", name=section).first.inner_text(), section
    assert alice.faults() == []
    page.get_by_role("link", name="Create access key").click()
    assert page.get_by_label("User", exact=True).input_value() == "ci"


def test_the_main_navigation_has_no_part_of_another_list(alice: Browser) -> None:
    assert "/console/keys" in ways(alice) and "/console/explain" in ways(alice)
    assert not {"/console/keys/signing-requests", "/console/service-accounts"} & set(ways(alice))
    alice.open("/console/keys").get_by_role("link", name="Signing requests").click()
    assert alice.page.get_by_role("heading", level=1).inner_text() == "Signing requests"


def chart(page: Page, title: str) -> Locator:
    return page.get_by_role("figure").filter(has_text=title)


def column(chart: Locator, number: int) -> list[str]:
    """The numbers of a chart's table."""
    chart.locator("summary").click()
    return chart.locator(f"details tbody td:nth-child({number})").all_inner_texts()


def test_the_overview_shows_what_was_issued_exchanged_and_refused(console: Browser, clock: Clock) -> None:
    transire = console.transire
    instance = transire.new_instance(transire.new_account("acme"), "demo")
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    wrong = replace(credential, secret="wrong")
    answers = [exchange(transire.realm, instance, one).status for one in [credential, credential, credential, wrong]]
    assert answers == [200, 200, 200, 401]
    console.log_in(console.token("alice", "auditor"))
    clock.move("+90s")
    page = console.open("/console?span=1h")

    def has_come() -> bool:
        page.reload()
        return "3 in all" in chart(page, "Exchanged").inner_text()

    wait_until("the minute to be written", has_come, within=150)
    exchanged = chart(page, "Exchanged")
    assert exchanged.locator("canvas").count() == 1
    assert sum(int(number) for number in column(exchanged, 2)) == 3
    assert "1 in all" in chart(page, "Issued").inner_text()
    assert "Bad credentials" in chart(page, "Refused").inner_text()
    assert any(number != "" for number in column(chart(page, "Latency"), 2))
    assert console.faults() == []
    page.emulate_media(color_scheme="dark")
    assert console.faults() == []
    assert console.complaints == []


def test_the_overview_s_numbers_and_spans_can_be_read_without_javascript(console: Browser) -> None:
    page = console.new_page(java_script_enabled=False)
    console.log_in(console.token("alice", "auditor"), page)
    page.get_by_role("link", name="7 days").click()
    assert page.get_by_role("link", name="7 days").get_attribute("aria-current") == "true"
    assert len(column(chart(page, "Exchanged"), 1)) == 7 * 24
    assert page.get_by_role("region", name="Keys and certificates").get_by_role("row").count() > 3
