"""The examples of docs/ci.md: each is run as it is printed, with a token of its platform's shape."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import image
from client import endpoint, keys
from documents import Block, Shell, take, take_one
from issuer import LOOPBACK, Issuer, job_token
from loopback import HttpServer, Reply
from registry import Registry, skopeo
from service import Account, Instance, Transire

PAGE = "docs/ci.md"
GITHUB, GITLAB, FORGEJO, BUILDKITE = (
    take_one(PAGE, heading, "yaml") for heading in ("GitHub Actions", "GitLab CI", "Forgejo Actions", "Buildkite")
)
ANY_OTHER = take_one(PAGE, "Any other platform")
CLIENT_GITHUB, CLIENT_GITLAB = take(PAGE, "With the client", "yaml")
CLIENT_TOKEN, CLIENT_KEY = take(PAGE, "With the client")
TRUST = take_one(PAGE, "Trust the platform")
WARNING = "**Name your own service. Without an endpoint of your own the clouds' libraries send the token to the public cloud.**"
REQUEST = "requestEXAMPLE"


def lines(part: Any) -> list[str]:
    """The commands of a workflow, wherever it has them."""
    if isinstance(part, list):
        return [line for element in part for line in lines(element)]
    if not isinstance(part, dict):
        return []
    found: list[str] = []
    for name, value in part.items():
        if name in ("run", "script", "command"):
            found += [value] if isinstance(value, str) else value
        else:
            found += lines(value)
    return found


def variables(part: Any) -> dict[str, str]:
    """The variables that a workflow sets, wherever it sets them."""
    if isinstance(part, list):
        return {name: value for element in part for name, value in variables(element).items()}
    if not isinstance(part, dict):
        return {}
    own = {name: value for key in ("env", "variables") for name, value in part.get(key, {}).items()}
    return own | {name: value for inner in part.values() for name, value in variables(inner).items()}


@pytest.fixture
def transire(new_transire: Any) -> Transire:
    transire: Transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


class Platform:
    """A machine of a platform's, with the tools of its jobs."""

    def __init__(self, transire: Transire, issuer: Issuer, registry: Registry, instance: Instance, folder: Path) -> None:
        self._transire, self._issuer, self._registry, self._folder = transire, issuer, registry, folder
        self._changes = {
            "registry.example.com": registry.address,
            "https://transire.example.com": endpoint(transire),
            "role/ci": "role/builder",
            "tcr-abcd1234": instance.tcr_id,
            "/var/run/secrets/transire/token": str(folder / "projected"),
        }
        self.shell = Shell(folder, {"transire": transire.binary, "docker": Path(os.environ["TRANSIRE_TEST_DOCKER"])})
        self._server = HttpServer(self._answer)
        self._name = "GitHub"

    def stop(self) -> None:
        self._server.stop()

    def _answer(self, path: str, headers: Mapping[str, str]) -> Reply:
        """The request URL of GitHub Actions, and of Forgejo."""
        asked = (path, headers["Authorization"])
        if asked != ("/token?api-version=2.0&audience=sts.example.com", f"Bearer {REQUEST}"):
            return 401, {}, b"{}"
        return 200, {}, json.dumps({"value": job_token(self._transire, self._issuer, self._name)}).encode()

    def runs(self, name: str, commands: list[str], environment: Mapping[str, str]) -> None:
        """Runs a job of a platform; its log-in then pushes."""
        self._name = name
        token = job_token(self._transire, self._issuer, name)
        (self._folder / "projected").write_text(token + "\n")
        wanted = "oidc request-token --audience sts.example.com"
        self.shell.add("buildkite-agent", f'test "$*" = "{wanted}" && cat {self._folder / "projected"}')
        actions = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{self._server.url}/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST}
        of_job = {"GitLab": {"TRANSIRE_ID_TOKEN": token}, "GitHub": actions, "Forgejo": actions}
        whole = {name: self._changes.get(value, value) for name, value in environment.items()} | of_job.get(name, {})
        for line in commands:
            self.shell.does(line, self._changes, whole)
        self.pushes()

    def pushes(self) -> None:
        """By the log-in that the job stored, and it is stored for this registry alone."""
        file = self._folder / ".docker" / "config.json"
        assert list(json.loads(file.read_text())["auths"]) == [self._registry.address]
        image.write_oci_layout(self._folder / "in", "v1")
        copy = ("copy", f"--dest-authfile={file}", "--dest-tls-verify=false")
        pushed = skopeo(*copy, f"oci:{self._folder / 'in'}:v1", self._registry.reference("team/tool:v1"))
        assert pushed.returncode == 0, pushed.stderr


@pytest.fixture
def platform(
    transire: Transire, issuer: Issuer, registry: Registry, instance: Instance, keyless: dict[str, Any], tmp_path: Path
) -> Iterator[Platform]:
    platform = Platform(transire, issuer, registry, instance, tmp_path / "job")
    yield platform
    platform.stop()


@pytest.mark.parametrize(
    ("block", "name"),
    [(GITHUB, "GitHub"), (GITLAB, "GitLab"), (FORGEJO, "Forgejo"), (BUILDKITE, "Buildkite")],
    ids=["GitHub", "GitLab", "Forgejo", "Buildkite"],
)
def test_a_job_logs_in_with_its_token_and_no_tool_of_ours(platform: Platform, block: Block, name: str) -> None:
    (workflow,) = block.objects()
    assert "transire " not in block.text
    platform.runs(name, lines(workflow), variables(workflow))


def test_a_job_of_any_other_platform_logs_in_with_its_token(platform: Platform) -> None:
    platform.runs("GitLab", [ANY_OTHER.commands()], {})


@pytest.mark.parametrize(
    ("block", "name"),
    [(CLIENT_GITHUB, "GitHub"), (CLIENT_GITHUB, "Forgejo"), (CLIENT_GITLAB, "GitLab")],
    ids=["GitHub", "Forgejo", "GitLab"],
)
def test_a_job_logs_in_with_the_client(platform: Platform, block: Block, name: str) -> None:
    (workflow,) = block.objects()
    platform.runs(name, lines(workflow), variables(workflow))


def test_a_job_of_any_other_platform_logs_in_with_the_client(platform: Platform) -> None:
    platform.runs("Buildkite", [CLIENT_TOKEN.commands()], {})


def test_a_job_with_a_key_logs_in_with_the_client(platform: Platform, account: Account) -> None:
    platform.runs("Buildkite", [CLIENT_KEY.commands()], keys(account.key))


def test_a_job_may_ask_for_its_token() -> None:
    for block in (GITHUB, CLIENT_GITHUB):
        (workflow,) = block.objects()
        assert workflow["permissions"]["id-token"] == "write"
    (workflow,) = FORGEJO.objects()
    assert workflow["enable-openid-connect"] is True
    for block in (GITLAB, CLIENT_GITLAB):
        assert block.objects()[0]["push"]["id_tokens"] == {"TRANSIRE_ID_TOKEN": {"aud": "sts.example.com"}}


def test_the_platforms_are_registered_as_documented(transire: Transire, account: Account, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "operator", {"transire": transire.binary})
    shell.does(TRUST.commands(), {"100000000001": account.id}, {"TRANSIRE_DATA_DIR": str(transire.data_dir)})
    names = {provider["name"] for provider in transire.items("oidc-provider", "list", "--account", account.id)}
    assert names == {"github", "gitlab", "forgejo", "buildkite"}


@pytest.mark.parametrize("document", ["ci", "kubernetes", "openid-connect"])
def test_every_document_warns_of_the_public_cloud(document: str) -> None:
    assert WARNING in (Path(__file__).parents[2] / "docs" / f"{document}.md").read_text()
