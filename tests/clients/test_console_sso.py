"""Single sign-on for the console, with a real browser and a certified OpenID provider on another site."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import Browser
from issuer import LOOPBACK
from playwright.sync_api import Page, expect
from provider import CLIENT, SECRET, Provider
from service import Transire, fetch

PATH = "/console/log-in/sso"
ROLES = ["groups=platform -> admin", "groups=audit -> auditor"]
BUTTON = "Log in with Example"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    provider = Provider(tmp_path)
    yield provider
    provider.stop()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "client-secret"
    file.touch(mode=0o600)
    file.write_text(f"{SECRET}\n")
    return file


@pytest.fixture
def start(provider: Provider, new_transire: Callable[..., Transire]) -> Iterator[Callable[..., Browser]]:
    """Starts a service that takes the provider's people, and a browser at its console."""
    browsers: list[Browser] = []

    def started(client: dict[str, Any], **settings: str) -> Browser:
        on = {
            "TRANSIRE_ADMIN_LISTEN": "0",
            "TRANSIRE_SSO__ISSUER": provider.url,
            "TRANSIRE_SSO__CLIENT_ID": CLIENT,
            "TRANSIRE_SSO__ROLES": json.dumps(ROLES),
            "TRANSIRE_SSO__NAME": "Example",
        }
        transire = new_transire(settings=on | LOOPBACK | settings)
        transire.start()
        base = f"http://{transire.admin}"
        provider.open(f"{base}{PATH}", **client)
        browser = Browser(base, transire)
        browser.others.append(provider.url)
        browsers.append(browser)
        return browser

    yield started
    for browser in browsers:
        browser.stop()


@pytest.fixture
def console(start: Callable[..., Browser], secret: Path) -> Browser:
    """A browser at the console of a service that has a secret at the provider."""
    return start({}, TRANSIRE_SSO__CLIENT_SECRET_FILE=str(secret))


def log_in(console: Browser, provider: Provider, name: str, page: Page | None = None) -> Page:
    page = page or console.page
    page.goto(f"{console.base}/console")
    page.get_by_role("button", name=BUTTON).click()
    provider.log_in(page, name)
    return page


def who(page: Page) -> str:
    return page.locator(".who span").inner_text()


def audited(console: Browser, outcome: str) -> dict[str, Any]:
    lines = console.transire.items("audit", "list")
    [line] = [one for one in lines if one["outcome"] == outcome and one["action"].startswith("console")]
    return line


def test_a_person_logs_in_at_the_provider_and_is_named_in_the_audit(console: Browser, provider: Provider) -> None:
    page = log_in(console, provider, "alice")
    page.wait_for_url(f"{console.base}/console")
    assert who(page) == "Alice admin"
    cookies = {one["name"]: one for one in page.context.cookies(console.base)}
    assert cookies["transire-console"]["sameSite"] == "Strict"
    assert "transire-console-flow" not in cookies
    assert audited(console, "ok")["principal"] == f"operator/sso/alice@{provider.url}"
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name=BUTTON)).to_be_visible()
    assert console.faults() == []
    assert console.complaints == []


def test_a_client_without_a_secret_is_proved_by_its_code_verifier(start: Callable[..., Browser], provider: Provider) -> None:
    console = start({"client_secret": None, "token_endpoint_auth_method": "none"})
    page = log_in(console, provider, "bob")
    page.wait_for_url(f"{console.base}/console")
    assert who(page) == "Bob auditor"


def test_a_service_that_the_provider_refuses_is_for_its_operator_to_mend(start: Callable[..., Browser], provider: Provider) -> None:
    console = start({})
    page = log_in(console, provider, "bob")
    expect(page.get_by_role("alert")).to_contain_text("doesn't answer as it should")
    assert "invalid_client" not in page.content()
    assert "invalid_client" in console.transire.log.read_text()


def test_nobody_without_a_role_gets_in_and_the_page_says_why(console: Browser, provider: Provider) -> None:
    page = log_in(console, provider, "carol")
    expect(page.get_by_role("alert")).to_contain_text("The rules look at these claims of your token: groups.")
    line = audited(console, "refused")
    assert (line["cause"], "carol" in line["detail"]["decided"]) == ("sso-no-role", True)
    assert console.faults() == []


def test_a_log_in_that_is_given_up_is_said_so(console: Browser) -> None:
    page = console.open("/console")
    page.get_by_role("button", name=BUTTON).click()
    page.get_by_role("button", name="Give up").click()
    expect(page.get_by_role("alert")).to_contain_text("access_denied")
    assert audited(console, "refused")["cause"] == "sso-refused"


def test_an_answer_works_once(console: Browser, provider: Provider) -> None:
    page = console.open("/console")
    answers: list[str] = []
    page.on("request", lambda request: answers.append(request.url) if f"{PATH}?" in request.url else None)
    page.get_by_role("button", name=BUTTON).click()
    [flow] = [one for one in page.context.cookies(console.base) if one["name"] == "transire-console-flow"]
    assert (flow["httpOnly"], flow["sameSite"]) == (True, "Lax")
    provider.log_in(page, "alice")
    page.wait_for_url(f"{console.base}/console")
    # The browser has no cookie for it any more, and the provider takes no code twice.
    [answer] = answers
    assert "began in another browser" in page.request.get(answer).text()
    again = urlsplit(answer)
    cookie = {"cookie": f"{flow['name']}={flow['value']}"}
    refused = fetch(f"{console.base}{again.path}?{again.query}", headers=cookie)
    assert "took it before" in refused.body.decode()
    assert "set-cookie" not in {name.lower() for name in refused.headers}


def test_a_secret_asks_for_the_log_in_once_more_and_returns_to_its_form(console: Browser, provider: Provider) -> None:
    log_in(console, provider, "alice").wait_for_url(f"{console.base}/console")
    page = console.open("/console/do/CreateOperator")
    assert console.faults() == []
    page.get_by_role("button", name="Log in again").click()
    # The provider knows the person, and asks all the same.
    provider.log_in(page, "alice")
    page.wait_for_url(f"{console.base}/console/do/CreateOperator")
    page.get_by_label("Name", exact=True).fill("carol")
    page.get_by_label("Role", exact=True).select_option("auditor")
    page.get_by_role("button", name="Create operator").click()
    token = page.locator("main").inner_text()
    assert "trso_" in token
    console.transire.remember("operator token", token[token.index("trso_") :].split()[0])
    line = next(one for one in console.transire.items("audit", "list") if one["action"] == "operator.create")
    assert line["principal"] == f"operator/sso/alice@{provider.url}"


def test_single_sign_on_works_without_javascript_and_in_chinese(console: Browser, provider: Provider) -> None:
    page = console.new_page(java_script_enabled=False, locale="zh-CN")
    page.goto(f"{console.base}/console")
    page.get_by_role("button", name="Example").click()
    provider.log_in(page, "alice")
    page.wait_for_url(f"{console.base}/console")
    assert page.get_by_role("heading", level=1).inner_text() == "概览"
