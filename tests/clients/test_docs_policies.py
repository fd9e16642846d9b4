"""The lines of docs/policies.md: the user `ci` gets the documented policy, and `policy explain` says what it does."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import aws
import tencent
from credential import exchange
from documents import Block, Shell, take, take_one
from processes import wait_until
from service import Account, Instance, Transire

PAGE = "docs/policies.md"
GRANT = take_one(PAGE, "Policies")
POLICIES = take(PAGE, "Write a policy", "json")
OWN_ALONE = take_one(PAGE, "Conditions", "json")
CLAIMS = take_one(PAGE, "Ask for a token's claims", "json")
*FEDERATED, BY_KEY = take(PAGE, "Let principals assume a role", "json")
CHECK = take_one(PAGE, "Policies to copy")
ROLE, PROVIDER = take(PAGE, "Let principals assume a role")
OF_REPOSITORY = take_one(PAGE, "Policies of repositories", "json")
EXPLAIN = take_one(PAGE, "Check a decision")
OF_REQUEST = take_one(PAGE, "Explain a request out of the audit")
WHO_AND_WHAT = take_one(PAGE, "Who may, and what somebody may")


class Operator:
    """A shell in which the documents of the page are files."""

    def __init__(self, transire: Transire, account: Account, instance: Instance, folder: Path) -> None:
        self._transire, self._account = transire, account
        self.shell = Shell(folder, {"transire": transire.binary})
        self.shell.add("tccli", f'exec {sys.executable} {Path(sys.executable).with_name("tccli")} "$@"')
        self.changes = {
            "100000000001": account.id,
            "tcr-abcd1234": instance.tcr_id,
            "cri-abcdefgh12345678": instance.cri_id,
            "transire.example.com": f"http://{transire.endpoint}",
        }

    def has(self, name: str, block: Block) -> Path:
        return self.shell.write(name, block, self.changes)

    def does(self, commands: str) -> str:
        return self.shell.does(commands, self.changes, self._transire.operator)


@pytest.fixture
def operator(transire: Transire, account: Account, instance: Instance, tmp_path: Path) -> Operator:
    transire.cli("user", "create", "--account", account.id, "--name", "ci")
    return Operator(transire, account, instance, tmp_path / "operator")


@pytest.mark.parametrize("policy", POLICIES, ids=["CAM", "RAM", "IAM"])
def test_a_user_gets_the_documented_rights_and_no_others(
    transire: Transire, account: Account, instance: Instance, operator: Operator, policy: Block
) -> None:
    operator.has("team.json", policy)
    operator.does(GRANT.commands())

    def rights(action: str, resource: str, ip: str) -> str:
        explained = transire.explain(f"{account.id}:user/ci", action, resource, "--ip", ip)
        return explained["decision"]

    repository = f"{instance.tcr_id}/team/app"
    for action in ("pull", "push"):
        assert rights(action, repository, "203.0.113.7") == "allowed"
        assert rights(action, repository, "192.0.2.7") == "denied"
        assert rights(action, f"{instance.tcr_id}/other/app", "203.0.113.7") == "denied"
    assert rights("issue-temporary", instance.tcr_id, "192.0.2.7") == "allowed"


def test_the_reason_of_a_denial_is_explained_as_documented(
    transire: Transire, instance: Instance, operator: Operator
) -> None:
    operator.has("team.json", POLICIES[0])
    operator.does(GRANT.commands())
    namespace = ("--instance", instance.tcr_id, "--name", "team")
    transire.cli("namespace", "create", *namespace, "--no-auto-create")
    transire.cli("allow-list", "add", "--instance", instance.tcr_id, "--cidr", "203.0.113.0/24")
    ((command, shown),) = EXPLAIN.steps()
    # It exits with 1, because the answer is no.
    assert operator.does(f"{command.strip()} || test $? = 1").split() == shown.split()


def test_a_request_is_explained_by_its_id_as_documented(transire: Transire, instance: Instance, account: Account, operator: Operator) -> None:
    credential = tencent.issue(transire, account.key, instance.tcr_id)
    assert exchange(transire.realm, instance, credential, "repository:Team/app:pull").status == 200

    def reduced() -> list[dict[str, Any]]:
        return transire.items("audit", "list", "--since", "1h", "--outcome", "reduced")

    wait_until("the audit to have it", reduced, within=15)
    operator.changes["REQUEST-ID"] = reduced()[0]["request_id"]
    # It exits with 1, because it would be refused now, too.
    explained = operator.does(f"{OF_REQUEST.commands().strip()} || test $? = 1")
    assert f"pull {instance.tcr_id}/Team/app: refused then, denied now by name: no registry can have" in explained


def test_who_may_and_what_somebody_may_is_listed_as_documented(instance: Instance, account: Account, operator: Operator) -> None:
    operator.has("team.json", POLICIES[0])
    operator.does(GRANT.commands())
    listed = operator.does(WHO_AND_WHAT.commands())
    for shown in (f"{account.id}:root", f"{account.id}:user/ci", "conditionally", "statement[1]"):
        assert shown in listed


def test_a_user_assumes_the_documented_role_with_tccli(
    transire: Transire, account: Account, instance: Instance, operator: Operator
) -> None:
    operator.has("team.json", POLICIES[0])
    operator.does(GRANT.commands())
    operator.has("trust.json", BY_KEY)
    operator.changes |= {"AKIDEXAMPLE": account.key.id, "secretEXAMPLE": account.key.secret}
    answer = operator.shell.answers(ROLE, operator.changes, transire.operator)[-1][1]
    made = json.loads(answer)
    transire.remember("temp credential", made["Token"])
    [role] = transire.items("role", "list", "--account", account.id)
    assert made["Username"] == role["role_id"]


def test_a_repository_obeys_the_documented_policy(
    transire: Transire, account: Account, instance: Instance, operator: Operator
) -> None:
    transire.cli("namespace", "create", "--instance", instance.tcr_id, "--name", "team")
    ecr = aws.client(transire, account.key, "ecr")
    ecr.create_repository(repositoryName="team/app")
    text = operator.has("policy.json", OF_REPOSITORY).read_text()
    assert ecr.set_repository_policy(repositoryName="team/app", policyText=text)["policyText"] == text

    def decision(action: str, address: str) -> str:
        return transire.explain(f"{account.id}:user/ci", action, f"{instance.tcr_id}/team/app", "--ip", address)["decision"]

    assert decision("pull", "203.0.113.7") == "allowed"
    assert decision("push", "203.0.113.7") == "denied"
    assert decision("pull", "192.0.2.7") == "denied"


@pytest.mark.parametrize("policy", FEDERATED, ids=["RAM", "CAM", "IAM"])
def test_a_role_trusts_the_documented_provider(transire: Transire, account: Account, operator: Operator, policy: Block) -> None:
    operator.does(PROVIDER.commands())
    trust = operator.has("trust.json", policy)
    transire.cli("role", "create", "--account", account.id, "--name", "builder", "--trust-policy", trust)


def test_policies_are_checked_without_a_service(operator: Operator) -> None:
    operator.has("team.json", POLICIES[0])
    operator.has("trust.json", BY_KEY)
    operator.shell.does(CHECK.commands(), {}, {})


@pytest.mark.parametrize("policy", [OWN_ALONE, CLAIMS], ids=["own-alone", "claims"])
def test_the_other_policies_can_be_saved(transire: Transire, account: Account, operator: Operator, policy: Block) -> None:
    document = operator.has("policy.json", policy)
    transire.cli("policy", "create", "--account", account.id, "--name", "saved", "--document", document)
