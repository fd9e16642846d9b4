"""Every operation of ECR and STS that is served, held to AWS's own model: its answer, and bad values in every field.

An operation that is served newly needs one row of `ECR` or `STS`.
"""

import itertools
import json
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
ANYONE_PULLS = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",'
    '"Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"]}]}'
)
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
IMAGE_ID = ["imageDigest", "imageTag"]
FAILED_IMAGE = ["imageId.imageTag", "failureCode", "failureReason"]
OF_REPOSITORY = ["registryId", "repositoryName"]
TAGS = [{"Key": "owner", "Value": "team a"}]
EXCLUSIONS: dict[str, Any] = {
    "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
    "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "dev-*"}],
}
HAS_EXCLUSIONS = [
    "imageTagMutability",
    "imageTagMutabilityExclusionFilters[].filterType",
    "imageTagMutabilityExclusionFilters[].filter",
]
KEEPS_TEN = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "the ten newest",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10},
                "action": {"type": "expire"},
            }
        ]
    }
)
CREDENTIALS = [f"Credentials.{name}" for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")]


def within(path: str, names: list[str]) -> list[str]:
    return [f"{path}.{name}" for name in names]


@dataclass(frozen=True)
class Pushed:
    """An image in the registry, under two tags."""

    repository: str
    digest: str
    layer: str


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
        """The name of a repository that is there, with a tag, for this call alone."""
        name = self.new_name()
        aws.client(self.transire, self.account.key, "ecr").create_repository(repositoryName=name, tags=TAGS)
        return name

    def image(self) -> Pushed:
        """An image that is there, for this call alone."""
        name = self.new_name()
        digest = self.stock.push(name, "v1")
        manifest = self.stock.manifest(name, "v1", digest)
        read = json.loads(manifest)
        self.stock.tag(name, manifest, read["mediaType"], "v2")
        return Pushed(name, digest, read["layers"][0]["digest"])

    def policed(self) -> str:
        """The name of a repository with a lifecycle policy that was carried out."""
        name = self.repository()
        aws.client(self.transire, self.account.key, "ecr").put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=KEEPS_TEN)
        namespace, _, own = name.partition("/")
        where = ("--instance", self.stock.instance.tcr_id, "--namespace", namespace, "--name", own)
        self.transire.cli("repository", "apply-lifecycle", *where)
        return name

    def shared(self) -> str:
        """The name of a repository that has a policy of its own."""
        name = self.repository()
        ecr = aws.client(self.transire, self.account.key, "ecr")
        ecr.set_repository_policy(repositoryName=name, policyText=ANYONE_PULLS)
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
    # Members, by their paths, whose bad values are let pass, because the member changes nothing here.
    ignored: tuple[str, ...] = ()


def deletion(image: Pushed) -> dict[str, Any]:
    """By the digest, because this registry deletes an image with all its tags."""
    return {"repositoryName": image.repository, "imageIds": [{"imageDigest": image.digest}, {"imageTag": "none"}]}


def layers(image: Pushed) -> dict[str, Any]:
    return {"repositoryName": image.repository, "layerDigests": [image.layer, "none"]}


ECR: dict[str, Row] = {
    "GetAuthorizationToken": Row(
        lambda world: {"registryIds": [world.number]},
        within("authorizationData[]", ["authorizationToken", "expiresAt", "proxyEndpoint"]),
    ),
    "CreateRepository": Row(
        lambda world: {
            "repositoryName": world.new_name(),
            "tags": TAGS,
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfiguration": {"encryptionType": "AES256"},
            **EXCLUSIONS,
        },
        within("repository", [*REPOSITORY, *HAS_EXCLUSIONS]),
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
    "ListImages": Row(
        # A page of one of two, so that there is another.
        lambda world: {"repositoryName": world.image().repository, "maxResults": 1, "filter": {"tagStatus": "TAGGED"}},
        [*within("imageIds[]", IMAGE_ID), "nextToken"],
    ),
    "DescribeImages": Row(
        # All of them, because ids leave no pages.
        lambda world: {"repositoryName": world.image().repository},
        within(
            "imageDetails[]",
            [
                *OF_REPOSITORY,
                "imageDigest",
                "imageTags[]",
                "imageSizeInBytes",
                "imagePushedAt",
                "imageManifestMediaType",
                "artifactMediaType",
                "imageStatus",
            ],
        ),
    ),
    "BatchGetImage": Row(
        lambda world: {"repositoryName": world.image().repository, "imageIds": [{"imageTag": "v1"}, {"imageTag": "none"}]},
        [
            *within("images[]", [*OF_REPOSITORY, *within("imageId", IMAGE_ID), "imageManifest", "imageManifestMediaType"]),
            *within("failures[]", FAILED_IMAGE),
        ],
    ),
    "BatchDeleteImage": Row(
        lambda world: deletion(world.image()),
        [*within("imageIds[]", IMAGE_ID), *within("failures[]", FAILED_IMAGE)],
    ),
    "BatchCheckLayerAvailability": Row(
        lambda world: layers(world.image()),
        [
            *within("layers[]", ["layerDigest", "layerAvailability", "layerSize"]),
            *within("failures[]", ["layerDigest", "failureCode", "failureReason"]),
        ],
    ),
    "DescribeRegistry": Row(lambda _: {}, ["registryId", "replicationConfiguration.rules"]),
    "GetAccountSetting": Row(lambda _: {"name": "BASIC_SCAN_TYPE_VERSION"}, ["name", "value"]),
    "GetRegistryScanningConfiguration": Row(
        lambda _: {},
        ["registryId", *within("scanningConfiguration", ["scanType", "rules"])],
    ),
    "BatchGetRepositoryScanningConfiguration": Row(
        lambda world: {"repositoryNames": [world.repository(), world.new_name()]},
        [
            *within(
                "scanningConfigurations[]",
                ["repositoryArn", "repositoryName", "scanOnPush", "scanFrequency", "appliedScanFilters"],
            ),
            *within("failures[]", ["repositoryName", "failureCode", "failureReason"]),
        ],
    ),
    "PutImageScanningConfiguration": Row(
        lambda world: {"repositoryName": world.repository(), "imageScanningConfiguration": {"scanOnPush": True}},
        [*OF_REPOSITORY, "imageScanningConfiguration.scanOnPush"],
    ),
    "PutImageTagMutability": Row(
        lambda world: {"repositoryName": world.repository(), **EXCLUSIONS},
        [*OF_REPOSITORY, *HAS_EXCLUSIONS],
    ),
    "PutLifecyclePolicy": Row(
        lambda world: {"repositoryName": world.repository(), "lifecyclePolicyText": KEEPS_TEN},
        [*OF_REPOSITORY, "lifecyclePolicyText"],
    ),
    "GetLifecyclePolicy": Row(
        lambda world: {"repositoryName": world.policed()},
        [*OF_REPOSITORY, "lifecyclePolicyText", "lastEvaluatedAt"],
    ),
    "DeleteLifecyclePolicy": Row(
        lambda world: {"repositoryName": world.policed()},
        [*OF_REPOSITORY, "lifecyclePolicyText", "lastEvaluatedAt"],
    ),
    "SetRepositoryPolicy": Row(
        lambda world: {"repositoryName": world.repository(), "policyText": ANYONE_PULLS, "force": False},
        [*OF_REPOSITORY, "policyText"],
    ),
    "GetRepositoryPolicy": Row(
        lambda world: {"repositoryName": world.shared()},
        [*OF_REPOSITORY, "policyText"],
    ),
    "DeleteRepositoryPolicy": Row(
        lambda world: {"repositoryName": world.shared()},
        [*OF_REPOSITORY, "policyText"],
    ),
    "ListTagsForResource": Row(
        lambda world: {"resourceArn": world.arn(world.repository())},
        within("tags[]", ["Key", "Value"]),
    ),
    "TagResource": Row(lambda world: {"resourceArn": world.arn(world.repository()), "tags": TAGS}),
    "UntagResource": Row(lambda world: {"resourceArn": world.arn(world.repository()), "tagKeys": ["owner"]}),
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
    ("ecr", "tags"): {"InvalidTagParameterException"},
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
    served = set(re.findall(r"([A-Z]\w+) => [\w:]+, (?:Read|Change);", table))
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
        if code in codes_for(service, bad):
            continue
        ignored = [member for member in row.ignored if bad.path == member or bad.path.startswith((f"{member}.", f"{member}["))]
        passed.update(ignored)
        if not ignored:
            yield f"{bad.path}, {bad.why}: {code or 'served'}\n"
    yield from (f"{member} isn't ignored any more\n" for member in set(row.ignored) - passed)


@pytest.mark.parametrize(("service", "name"), ROWS)
def test_bad_values_of_every_field_are_refused(world: World, service: str, name: str) -> None:
    assert "".join(wrong_answers(world, service, name)) == ""
