"""Every operation of ECR and STS that is served, held to AWS's own model: its answer, and bad values in every field.

An operation that is served newly needs one row of `ECR` or `STS`.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import aws
import aws_model
from issuer import LOOPBACK, Issuer, job_token
from service import AccessKey, Transire
from stock import Stock

SOURCE = Path(__file__).parents[2] / "src" / "http" / "aws" / "operations.rs"
PULLS = '{"version":"2.0","statement":[{"effect":"allow","action":["tcr:CreateInstanceToken","tcr:PullRepository"],"resource":"*"}]}'
REPOSITORY = [
    "repositoryArn",
    "registryId",
    "repositoryName",
    "repositoryUri",
    "createdAt",
    "imageTagMutability",
    "imageScanningConfiguration.scanOnPush",
    "encryptionConfiguration.encryptionType",
]
CREDENTIALS = [f"Credentials.{name}" for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")]


def within(path: str, names: list[str]) -> list[str]:
    return [f"{path}.{name}" for name in names]


class World:
    """What calls are about."""

    def __init__(self, stock: Stock, issuer: Issuer, folder: Path) -> None:
        self.stock, self.transire = stock, stock.transire
        self.account = stock.instance.account
        self.number = self.account.id.zfill(12)
        self._numbers = itertools.count()
        cli, owner = self.transire.cli, ("--account", self.account.id)
        cli("namespace", "create", "--instance", stock.instance.tcr_id, "--name", "team")
        cli("user", "create", *owner, "--name", "ci")
        key = cli("access-key", "create", *owner, "--user", "ci")
        self.user = AccessKey(key["access_key_id"], self.transire.remember("access key secret", key["access_key_secret"]))
        policy = folder / "policy.json"
        policy.write_text('{"version":"2.0","statement":[{"effect":"allow","action":"*","resource":"*"}]}')
        cli("policy", "create", *owner, "--name", "all", "--document", policy)
        cli("policy", "attach", *owner, "--name", "all", "--user", "ci")
        trust = folder / "trusts-ci.json"
        trust.write_text(
            '{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
            f'"Principal":{{"RAM":["acs:ram::{self.account.id}:user/ci"]}}}}]}}'
        )
        cli("role", "create", *owner, "--name", "puller", "--trust-policy", trust)
        self.token = job_token(self.transire, issuer, "GitHub")
        made = aws.client(self.transire, self.user, "sts").get_session_token()["Credentials"]
        self.session = AccessKey(
            made["AccessKeyId"],
            self.transire.remember("session secret", made["SecretAccessKey"]),
            self.transire.remember("session token", made["SessionToken"]),
        )

    def new_name(self) -> str:
        """The name of a repository that isn't there."""
        return f"team/app-{next(self._numbers)}"

    def repository(self) -> str:
        """The name of a repository that is there, for this call alone."""
        name = self.new_name()
        aws.client(self.transire, self.account.key, "ecr").create_repository(repositoryName=name)
        return name

    def arn(self, repository: str) -> str:
        return f"arn:aws:ecr:{aws.REGION}:{self.number}:repository/{repository}"

    def role(self, name: str) -> str:
        return f"arn:aws:iam::{self.number}:role/{name}"


@dataclass(frozen=True)
class Row:
    """One operation."""

    # The parameters of a call that is served.
    good: Callable[[World], dict[str, Any]]
    # The members that its answer must have: those that clients need, and that AWS answers.
    has: list[str] = field(default_factory=list)
    # The key that signs: the account's root where none is named, and None for a call that nobody signs.
    by: Callable[[World], AccessKey | None] = lambda world: world.account.key
    # Members whose bad values are let pass, because the member changes nothing here.
    ignored: tuple[str, ...] = ()


ECR: dict[str, Row] = {
    "GetAuthorizationToken": Row(
        lambda world: {"registryIds": [world.number]},
        within("authorizationData[]", ["authorizationToken", "expiresAt", "proxyEndpoint"]),
    ),
    "CreateRepository": Row(
        lambda world: {"repositoryName": world.new_name()},
        within("repository", REPOSITORY),
        ignored=("imageScanningConfiguration", "encryptionConfiguration", "imageTagMutabilityExclusionFilters"),
    ),
    "DescribeRepositories": Row(
        # All of them, because names leave no pages.
        lambda world: {} if world.repository() else {},
        within("repositories[]", REPOSITORY),
    ),
    "DeleteRepository": Row(
        lambda world: {"repositoryName": world.repository()},
        within("repository", REPOSITORY),
    ),
    "DescribeRegistry": Row(lambda _: {}, ["registryId", "replicationConfiguration.rules"]),
    "ListTagsForResource": Row(lambda world: {"resourceArn": world.arn(world.repository())}, ["tags"]),
}

STS: dict[str, Row] = {
    "GetCallerIdentity": Row(lambda _: {}, ["UserId", "Account", "Arn"]),
    "GetAccessKeyInfo": Row(lambda world: {"AccessKeyId": world.user.id}, ["Account"]),
    "AssumeRole": Row(
        lambda world: {"RoleArn": world.role("puller"), "RoleSessionName": "test"},
        [*CREDENTIALS, *within("AssumedRoleUser", ["Arn", "AssumedRoleId"])],
        by=lambda world: world.user,
        ignored=("TransitiveTagKeys",),
    ),
    "AssumeRoleWithWebIdentity": Row(
        lambda world: {"RoleArn": world.role("builder"), "RoleSessionName": "test", "WebIdentityToken": world.token},
        [
            *CREDENTIALS,
            *within("AssumedRoleUser", ["Arn", "AssumedRoleId"]),
            "SubjectFromWebIdentityToken",
            "Provider",
            "Audience",
        ],
        by=lambda _: None,
    ),
    "GetFederationToken": Row(
        lambda world: {"Name": "deploy", "Policy": PULLS},
        [*CREDENTIALS, *within("FederatedUser", ["Arn", "FederatedUserId"])],
        by=lambda world: world.user,
        ignored=("Tags",),
    ),
    "GetSessionToken": Row(lambda _: {}, CREDENTIALS, by=lambda world: world.user),
    "GetScopedCredentials": Row(
        lambda _: {"Policy": PULLS, "DurationSeconds": 900},
        [*CREDENTIALS, *within("SessionInfo", ["Arn", "ScopedSessionId"])],
        by=lambda world: world.session,
    ),
}

ROWS = [("ecr", name) for name in ECR] + [("sts", name) for name in STS]

# The codes for a bad value, of a member or of all: whatever of it is wrong.
OF_ECR = {"InvalidParameterException", "ValidationException"}
OF_MEMBER = {
    ("sts", "Policy"): {"MalformedPolicyDocument", "PackedPolicyTooLarge"},
    # Members that nothing here serves are refused by their names.
    **{("sts", name): {"UnsupportedOperation"} for name in ("PolicyArns", "SerialNumber", "TokenCode", "ProvidedContexts", "ProviderId")},
    ("ecr", "tags"): {"UnsupportedOperationException"},
}


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    """A service that asks issuers on loopback, and waits for nobody who is refused often."""
    transire = new_transire(settings={**LOOPBACK, "TRANSIRE_LIMITS__REFUSALS_BURST": "100000", "TRANSIRE_LIMITS__REQUESTS_PER_SECOND": "10000"})
    transire.start()
    return transire


@pytest.fixture
def world(stock: Stock, keyless: dict[str, Any], issuer: Issuer, tmp_path: Path) -> World:
    return World(stock, issuer, tmp_path)


def row_of(service: str, name: str) -> Row:
    return {"ecr": ECR, "sts": STS}[service][name]


def test_every_operation_that_is_served_has_a_row() -> None:
    table = SOURCE.read_text().split("operations! {")[1].split("\n}\n")[0]
    served = set(re.findall(r"([A-Z]\w+) => \w+::\w+, (?:Read|Change);", table))
    assert len(served) > 10
    assert served == ECR.keys() | STS.keys()


@pytest.mark.parametrize(("service", "name"), ROWS)
def test_an_answer_is_as_the_model_has_it(world: World, service: str, name: str) -> None:
    row, operation = row_of(service, name), aws_model.model(service, name)
    answer = aws_model.send(world.transire, row.by(world), operation, row.good(world))
    assert answer.status == 200, answer.body
    found = aws_model.output(operation, answer)
    assert list(aws_model.faults(found, operation.output_shape, service == "sts")) == []
    assert set(row.has) - aws_model.paths(found) == set()
    for path in ("SecretAccessKey", "SessionToken"):
        if path in found.get("Credentials", {}):
            world.transire.remember(path, found["Credentials"][path])


def codes_for(service: str, bad: aws_model.Bad) -> set[str]:
    member = re.split(r"[.\[]", bad.path)[0]
    usual = OF_ECR if service == "ecr" else {"ValidationError"}
    if service == "ecr" and bad.why == "type":
        usual = {"SerializationException"}
    return OF_MEMBER.get((service, member), usual) | (usual if bad.why in ("missing", "type") else set())


def wrong_answers(world: World, service: str, name: str) -> Iterator[str]:
    row, operation = row_of(service, name), aws_model.model(service, name)
    passed = set()
    for bad in aws_model.bad_inputs(operation, row.good(world)):
        code = aws_model.send(world.transire, row.by(world), operation, bad.parameters).code(service)
        member = re.split(r"[.\[]", bad.path)[0]
        if member in row.ignored:
            # Its type may count, and nothing else.
            if code not in codes_for(service, bad):
                passed.add(member)
            continue
        if code not in codes_for(service, bad):
            yield f"{bad.path}, {bad.why}: {code or 'served'}\n"
    yield from (f"{member} isn't ignored any more\n" for member in set(row.ignored) - passed)


@pytest.mark.parametrize(("service", "name"), ROWS)
def test_bad_values_of_every_field_are_refused(world: World, service: str, name: str) -> None:
    assert "".join(wrong_answers(world, service, name)) == ""
