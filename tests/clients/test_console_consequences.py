"""The console before something is done: its consequences, the difference of a file, a backup."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from browser import Browser

ACCOUNT = "100000000001"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"

STATE = """[[accounts]]
id = "100000000001"
name = "acme"

[[accounts.users]]
name = "alice"
"""


@pytest.fixture
def admin(console: Browser) -> Browser:
    """An admin who is logged in, with an account and a user that has a key."""
    console.transire.cli("account", "create", "--name", "acme", "--id", ACCOUNT)
    console.transire.cli("user", "create", "--account", ACCOUNT, "--name", "ci")
    key = console.transire.cli("access-key", "create", "--account", ACCOUNT, "--user", "ci")
    console.transire.remember("access key secret", key["access_key_secret"])
    console.log_in(console.token("operator", "admin"))
    return console


def consequences(page: Page) -> str:
    return page.get_by_role("group", name=re.compile("consequences|后果")).inner_text()


def test_a_delete_says_what_stops_before_its_button(admin: Browser) -> None:
    page = admin.open(f"/console/do/DeleteUser?account={ACCOUNT}&name=ci")
    said = consequences(page)
    assert "active access keys (1) and long-term credentials (0) are deleted" in said
    assert re.search(f"until they expire, at {TIME} at the latest", said)
    assert (admin.faults(), admin.complaints) == ([], [])
    assert [user["name"] for user in admin.transire.items("user", "list", "--account", ACCOUNT)] == ["ci"]


def test_a_rotation_says_from_when_the_new_key_signs_in_both_languages(admin: Browser) -> None:
    page = admin.open("/console/do/RotateSigningKey")
    assert re.search(f"signs from {TIME} on", consequences(page))
    assert re.search(f"stays published until {TIME}", consequences(page))
    page.get_by_role("button", name="中文").click()
    page = admin.open("/console/do/RotateSigningKey")
    assert re.search(f"从 {TIME} 起用于签名", consequences(page))
    assert page.get_by_text("密钥的算法。").is_visible()
    assert (admin.faults(), admin.complaints) == ([], [])


def test_the_steps_of_the_ca_are_on_the_page_of_the_keys(admin: Browser) -> None:
    page = admin.open("/console/keys")
    page.get_by_role("link", name="Rotate ca").click()
    assert "until you activate it" in consequences(page)
    page.get_by_role("button", name="Rotate ca").click()
    page = admin.open("/console/do/ActivateCa")
    assert "refuses every token" in consequences(page)


def test_a_file_is_compared_before_it_is_applied(admin: Browser) -> None:
    page = admin.open("/console")
    page.get_by_role("navigation").get_by_role("link", name="State and backup").click()
    page.get_by_label("The file's text").fill(STATE)
    page.get_by_role("button", name="Show the steps").click()
    assert page.locator("pre").inner_text().strip() == f"+ {ACCOUNT} user alice"
    assert [user["name"] for user in admin.transire.items("user", "list", "--account", ACCOUNT)] == ["ci"]
    assert (admin.faults(), admin.complaints) == ([], [])
    page.get_by_role("button", name="Make these steps").click()
    assert "1 / 1" in page.get_by_role("heading", name="Steps that were made").inner_text()
    names = {user["name"] for user in admin.transire.items("user", "list", "--account", ACCOUNT)}
    assert names == {"ci", "alice"}
    admin.open("/console/state").get_by_role("link", name="Export").click()
    assert 'name = "alice"' in page.get_by_role("main").inner_text()


def test_a_file_that_can_t_be_read_stays_in_its_form(admin: Browser) -> None:
    page = admin.open("/console/state")
    page.get_by_label("The file's text").fill("[[accounts]")
    page.get_by_role("button", name="Show the steps").click()
    assert "file:1:" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("The file's text").input_value() == "[[accounts]"
    assert admin.faults() == []


def test_a_backup_is_downloaded_whole_and_by_an_admin_alone(admin: Browser, tmp_path: Path) -> None:
    page = admin.open("/console/backup")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download a backup").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert admin.transire.cli("backup", "verify", file)["rows"] > 0
    other = admin.new_page()
    admin.log_in(admin.token("reader", "auditor"), other)
    other.goto(f"{admin.base}/console/state")
    other.get_by_role("button", name="Download a backup").click()
    assert "backup.create" in other.get_by_role("alert").inner_text()
    assert admin.faults(other) == []


# A form that was refused came back with the token of its field in the page.
def test_a_form_that_is_refused_does_not_send_a_secret_back(admin: Browser) -> None:
    page = admin.open(f"/console/do/CheckToken?account={ACCOUNT}&name=nobody")
    page.get_by_label("Token", exact=True).fill("eyEXAMPLE")
    page.get_by_role("button", name="Check token").click()
    assert page.get_by_role("alert").inner_text() != ""
    assert "eyEXAMPLE" not in page.content()
