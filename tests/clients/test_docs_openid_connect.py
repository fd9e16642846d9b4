"""The lines of docs/openid-connect.md, for a job of GitHub Actions that a role `ci` trusts."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from client import endpoint
from credential import Credential, exchange
from documents import Block, Shell, take, take_one
from issuer import LOOPBACK, Issuer, job_token
from processes import wait_until
from registry import Registry, assert_logs_in
from service import Account, Instance, Transire

PAGE = "docs/openid-connect.md"
CREATE, PRESET, CLUSTER, NEW_KEYS = take(PAGE, "Register a provider")
LOG_IN, TEST_ROLE = take(PAGE, "Log in with a token")
REFUSE = take_one(PAGE, "Refuse a subject")
EXCHANGE = take_one(PAGE, "Exchange a token or a credential")
TRUST_POLICIES = take(PAGE, "Choose the jobs that a role trusts", "json")
NARROWER_POLICIES = take(PAGE, "Ask for more than the subject", "json")


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


class Job:
    """An operator's shell that has a job's token in a file."""

    def __init__(self, transire: Transire, account: Account, instance: Instance, issuer: Issuer, folder: Path) -> None:
        self.transire, self.account = transire, account
        self.token = job_token(transire, issuer, "GitHub")
        self.changes = {
            "100000000001": account.id,
            "https://token.actions.githubusercontent.com": issuer.url,
            "https://sts.example.com": endpoint(transire),
            "registry.example.com": instance.service,
        }
        self.environment = transire.operator | {"TOKEN": self.token}
        self.shell = Shell(folder, {"transire": transire.binary, "docker": Path(os.environ["TRANSIRE_TEST_DOCKER"])})
        (folder / "token").write_text(self.token)
        (folder / "keys").write_text(json.dumps(issuer.keys()))
        self.shell.add("kubectl", 'test "$*" = "get --raw /openid/v1/jwks" && cat keys')

    def does(self, commands: str) -> str:
        return self.shell.does(commands, self.changes, self.environment)

    def is_trusted(self, policy: Block) -> None:
        """Makes the role `ci` with this trust policy, and all rights."""
        trust = self.shell.write("trust.json", policy, self.changes)
        self.transire.cli("role", "create", "--account", self.account.id, "--name", "ci", "--trust-policy", trust)
        full = ("--name", "QcloudTCRFullAccess", "--role", "ci")
        self.transire.cli("policy", "attach", "--account", self.account.id, *full)


@pytest.fixture
def job(transire: Transire, account: Account, instance: Instance, issuer: Issuer, tmp_path: Path) -> Job:
    job = Job(transire, account, instance, issuer, tmp_path / "operator")
    checked = job.does(CREATE.commands())
    assert "repo:example-org@123456/app@456789:ref:refs/heads/main" in checked
    return job


@pytest.mark.parametrize("policy", TRUST_POLICIES, ids=["RAM", "CAM"])
def test_a_job_logs_in_with_its_token_until_its_subject_is_refused(
    job: Job, registry: Registry, instance: Instance, policy: Block
) -> None:
    job.is_trusted(policy)
    assert "accepted         true" in job.does(TEST_ROLE.commands())
    job.changes["registry.example.com"] = registry.address
    assert "Login Succeeded" in job.does(LOG_IN.commands())
    assert "repo:example-org@123456/app@456789:ref:refs/heads/main" in job.does(REFUSE.commands())
    credential = Credential("role/ci", job.token, 0)
    wait_until("the token to be refused", lambda: exchange(job.transire.realm, instance, credential).status == 401)


def test_a_job_exchanges_its_token_with_curl(job: Job, registry: Registry) -> None:
    job.is_trusted(TRUST_POLICIES[0])
    ((shown, printed),) = job.shell.answers(EXCHANGE, job.changes, job.environment)
    documented, made = json.loads(shown), json.loads(printed)
    job.transire.remember("secret of an exchange", made["access_token"])
    differing = {"access_token", "username"}
    assert made.keys() == documented.keys()
    assert {name: value for name, value in made.items() if name not in differing} == {
        name: value for name, value in documented.items() if name not in differing
    }
    assert_logs_in(registry, Credential(made["username"], made["access_token"], 0))


def test_platforms_and_clusters_are_registered(job: Job) -> None:
    other = job.transire.new_account("other")
    job.shell.does(PRESET.commands(), job.changes | {"100000000001": other.id}, job.environment)
    job.does(CLUSTER.commands())
    job.does(NEW_KEYS.commands())
    providers = job.transire.items("oidc-provider", "list", "--account", job.account.id)
    assert {provider["name"] for provider in providers} == {"actions", "cluster"}
    [preset] = job.transire.items("oidc-provider", "list", "--account", other.id)
    assert (preset["name"], preset["issuer"]) == ("actions", "https://token.actions.githubusercontent.com")


@pytest.mark.parametrize("policy", NARROWER_POLICIES, ids=["environment", "branch", "service-account"])
def test_a_role_is_made_with_each_policy_that_asks_for_more(job: Job, policy: Block) -> None:
    """Each decides as the page says by `tests/it/policies/mod.rs`."""
    job.is_trusted(policy)
