"""Tags, settings and lifecycle policies of repositories by Amazon Web Services' own SDK and command line."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aws
from documents import take_one
from processes import wait_until
from registry import skopeo, skopeo_login
from service import AccessKey, Instance, Transire
from stock import Stock

SHARED = take_one("docs/policies.md", "Share a repository with another account", "json")
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def ecr(transire: Transire, instance: Instance) -> Any:
    """A client of an account with the namespace `team`."""
    transire.cli("namespace", "create", "--instance", instance.tcr_id, "--name", "team")
    return aws.client(transire, instance.account.key, "ecr")


def test_terraforms_calls_about_a_repository_go_round(transire: Transire, instance: Instance, ecr: Any) -> None:
    """Its resource creates, reads the repository and its tags, and changes one setting a call."""
    tags = [{"Key": "owner", "Value": "team a"}, {"Key": "tier", "Value": "1"}]
    made = ecr.create_repository(
        repositoryName="team/app",
        tags=tags,
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration={"encryptionType": "AES256"},
    )["repository"]
    [read] = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
    assert read == made
    assert (read["imageTagMutability"], read["imageScanningConfiguration"]) == ("IMMUTABLE", {"scanOnPush": True})
    arn = made["repositoryArn"]
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == tags

    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "tier", "Value": "2"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["owner"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "tier", "Value": "2"}]
    with pytest.raises(ecr.exceptions.InvalidTagParameterException):
        ecr.tag_resource(resourceArn=arn, tags=[{"Key": "aws:tier", "Value": "2"}])
    with pytest.raises(ecr.exceptions.TooManyTagsException):
        ecr.tag_resource(resourceArn=arn, tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)])

    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    put = ecr.put_image_tag_mutability(
        repositoryName="team/app", imageTagMutability="MUTABLE_WITH_EXCLUSION", imageTagMutabilityExclusionFilters=filters
    )
    assert put["imageTagMutabilityExclusionFilters"] == filters
    ecr.put_image_scanning_configuration(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": False})
    [read] = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
    assert (read["imageTagMutability"], read["imageTagMutabilityExclusionFilters"]) == ("MUTABLE_WITH_EXCLUSION", filters)
    assert read["imageScanningConfiguration"] == {"scanOnPush": False}
    scanning = ecr.batch_get_repository_scanning_configuration(repositoryNames=["team/app", "team/none"])
    assert [one["scanFrequency"] for one in scanning["scanningConfigurations"]] == ["MANUAL"]
    assert [one["failureCode"] for one in scanning["failures"]] == ["REPOSITORY_NOT_FOUND"]
    assert ecr.get_registry_scanning_configuration()["scanningConfiguration"] == {"scanType": "BASIC", "rules": []}
    assert ecr.get_account_setting(name="BASIC_SCAN_TYPE_VERSION")["value"] == "AWS_NATIVE"
    done = aws.aws(transire, instance.account.key, "ecr", "list-tags-for-resource", "--resource-arn", arn, "--output", "json")
    assert json.loads(done.stdout)["tags"] == [{"Key": "tier", "Value": "2"}], done.stderr


def test_settings_are_in_a_backup(new_transire: Callable[..., Transire], transire: Transire, instance: Instance, ecr: Any, tmp_path: Path) -> None:
    tags = [{"Key": "owner", "Value": "team a"}]
    made = ecr.create_repository(repositoryName="team/app", tags=tags, imageTagMutability="IMMUTABLE")["repository"]
    transire.cli("backup", tmp_path / "all.backup")
    transire.stop()
    restored = new_transire("restored")
    restored.cli("restore", tmp_path / "all.backup", "--master-key-file", transire.data_dir / "master.key")
    shutil.copy(transire.data_dir / "master.key", restored.data_dir)
    restored.start()
    there = aws.client(restored, instance.account.key, "ecr")
    assert there.describe_repositories(repositoryNames=["team/app"])["repositories"] == [made]
    assert there.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == tags


def keeping(*rules: dict[str, Any]) -> str:
    """The document of rules that expire images."""
    numbered = [
        {"rulePriority": place, "description": f"rule {place}", "selection": selection, "action": {"type": "expire"}}
        for place, selection in enumerate(rules, 1)
    ]
    return json.dumps({"rules": numbered})


def test_a_lifecycle_policy_is_kept_as_it_is(ecr: Any) -> None:
    ecr.create_repository(repositoryName="team/app")
    with pytest.raises(ecr.exceptions.LifecyclePolicyNotFoundException, match="Lifecycle policy does not exist"):
        ecr.get_lifecycle_policy(repositoryName="team/app")
    text = keeping({"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14})
    assert ecr.put_lifecycle_policy(repositoryName="team/app", lifecyclePolicyText=text)["lifecyclePolicyText"] == text
    assert ecr.get_lifecycle_policy(repositoryName="team/app")["lifecyclePolicyText"] == text
    with pytest.raises(ecr.exceptions.InvalidParameterException, match="Lifecycle policy validation failure: rule 1 of the document: countNumber"):
        ecr.put_lifecycle_policy(repositoryName="team/app", lifecyclePolicyText=text.replace("14", "0"))
    assert ecr.delete_lifecycle_policy(repositoryName="team/app")["lifecyclePolicyText"] == text
    with pytest.raises(ecr.exceptions.LifecyclePolicyNotFoundException):
        ecr.delete_lifecycle_policy(repositoryName="team/app")


def test_the_operator_carries_a_lifecycle_policy_out(stock: Stock) -> None:
    transire, tcr_id = stock.transire, stock.instance.tcr_id
    transire.cli("namespace", "create", "--instance", tcr_id, "--name", "team")
    ecr = aws.client(transire, stock.instance.account.key, "ecr")
    ecr.create_repository(repositoryName="team/tool")
    digests = {
        tag: stock.push("team/tool", tag, created=f"20{year}-01-01T00:00:00Z", author=tag)
        for tag, year in [("v1", 19), ("v2", 20), ("v3", 21), ("dev-1", 18), ("dev-2", 22)]
    }
    digests["unsaid"] = stock.push("team/tool", "unsaid", author="nobody")
    # The oldest of them is needed twice.
    stock.tag("team/tool", stock.manifest("team/tool", "v1", digests["v1"]), OCI_MANIFEST, "latest")
    text = keeping(
        {"tagStatus": "tagged", "tagPatternList": ["latest"], "countType": "imageCountMoreThan", "countNumber": 1},
        {"tagStatus": "tagged", "tagPrefixList": ["v"], "countType": "imageCountMoreThan", "countNumber": 1},
        {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 2000},
    )
    ecr.put_lifecycle_policy(repositoryName="team/tool", lifecyclePolicyText=text)
    command = ["repository", "apply-lifecycle", "--instance", tcr_id, "--namespace", "team", "--name", "tool"]
    listed = transire.cli(*command, "--dry-run")
    assert [(one["tags"], one["rule"], one["result"]) for one in listed["images"]] == [(["dev-1"], 3, "listed"), (["v2"], 2, "listed")]
    assert (listed["without_time"], listed["complete"]) == (1, True)
    assert stock.tags("team/tool") == ["dev-1", "dev-2", "latest", "unsaid", "v1", "v2", "v3"]
    assert "lastEvaluatedAt" not in ecr.get_lifecycle_policy(repositoryName="team/tool")

    done = transire.cli(*command)
    assert [(one["digest"], one["result"]) for one in done["images"]] == [(digests["dev-1"], "deleted"), (digests["v2"], "deleted")]
    left = ["dev-2", "latest", "unsaid", "v1", "v3"]
    # The service keeps a list for ten seconds, and another process deleted.
    wait_until("the tags to be gone", lambda: [one["imageTag"] for one in ecr.list_images(repositoryName="team/tool")["imageIds"]] == left)
    assert ecr.get_lifecycle_policy(repositoryName="team/tool")["lastEvaluatedAt"].timestamp() == pytest.approx(time.time(), abs=60)
    for again in (command, [*command, "--dry-run"]):
        assert transire.cli(*again)["images"] == []
    actions = [line["action"] for line in transire.items("audit", "list", "--since", "1h")]
    assert (actions.count("image.delete"), actions.count("repository.apply-lifecycle")) == (1, 2)


def test_a_lifecycle_policy_leaves_what_an_index_names(stock: Stock) -> None:
    transire, tcr_id = stock.transire, stock.instance.tcr_id
    transire.cli("namespace", "create", "--instance", tcr_id, "--name", "team")
    ecr = aws.client(transire, stock.instance.account.key, "ecr")
    ecr.create_repository(repositoryName="team/tool")
    inner = stock.push("team/tool", "v1", created="2019-01-01T00:00:00Z")
    size = len(stock.manifest("team/tool", "v1", inner))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"mediaType": OCI_MANIFEST, "digest": inner, "size": size}]}
    stock.tag("team/tool", json.dumps(index).encode(), OCI_INDEX, "multi")
    old = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1000}
    text = keeping({"tagStatus": "tagged", "tagPrefixList": ["v"], **old})
    ecr.put_lifecycle_policy(repositoryName="team/tool", lifecyclePolicyText=text)
    command = ["repository", "apply-lifecycle", "--instance", tcr_id, "--namespace", "team", "--name", "tool"]
    assert [one["result"] for one in transire.cli(*command)["images"]] == ["needed"]
    assert stock.tags("team/tool") == ["multi", "v1"]
    ecr.put_lifecycle_policy(repositoryName="team/tool", lifecyclePolicyText=keeping({"tagStatus": "any", **old}))
    assert [one["result"] for one in transire.cli(*command)["images"]] == ["deleted", "deleted"]
    wait_until("the tags to be gone", lambda: stock.tags("team/tool") == [])


def test_a_repository_policy_lets_a_user_pull(stock: Stock) -> None:
    """The user's own policies allow the log-in and nothing else."""
    transire, account = stock.transire, stock.instance.account
    transire.cli("namespace", "create", "--instance", stock.instance.tcr_id, "--name", "team")
    transire.cli("user", "create", "--account", account.id, "--name", "ci")
    made = transire.cli("access-key", "create", "--account", account.id, "--user", "ci")
    user = AccessKey(made["access_key_id"], transire.remember("access key secret", made["access_key_secret"]))
    document = stock.folder / "log-in.json"
    allowed = [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}]
    document.write_text(json.dumps({"Version": "2012-10-17", "Statement": allowed}))
    transire.cli("policy", "create", "--account", account.id, "--name", "log-in", "--document", document)
    transire.cli("policy", "attach", "--account", account.id, "--name", "log-in", "--user", "ci")
    ecr = aws.client(transire, account.key, "ecr")
    ecr.create_repository(repositoryName="team/tool")
    stock.push("team/tool", "v1")

    def pulls() -> bool:
        assert skopeo_login(stock.registry, aws.issue(transire, user)).returncode == 0
        return skopeo("inspect", "--tls-verify=false", stock.registry.reference("team/tool:v1")).returncode == 0

    assert not pulls()
    with pytest.raises(ecr.exceptions.RepositoryPolicyNotFoundException, match="Repository policy does not exist"):
        ecr.get_repository_policy(repositoryName="team/tool")
    ci = {"AWS": f"arn:aws:iam::{account.id.zfill(12)}:user/ci"}
    statement = {"Sid": "pull", "Effect": "Allow", "Principal": ci, "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
    assert ecr.set_repository_policy(repositoryName="team/tool", policyText=text)["policyText"] == text
    assert ecr.get_repository_policy(repositoryName="team/tool")["policyText"] == text
    assert pulls()
    manifest = aws.client(transire, user, "ecr").batch_get_image(repositoryName="team/tool", imageIds=[{"imageTag": "v1"}])
    assert [one["imageId"]["imageTag"] for one in manifest["images"]] == ["v1"]
    with pytest.raises(ecr.exceptions.InvalidParameterException, match=r"Statement\[0\].Action"):
        ecr.set_repository_policy(repositoryName="team/tool", policyText=text.replace("ecr:BatchGetImage", "ecr:BatchFly"))
    assert ecr.delete_repository_policy(repositoryName="team/tool")["policyText"] == text
    assert not pulls()


def test_a_repository_is_shared_with_another_account(stock: Stock) -> None:
    """The owner's policy lets the partner pull; the partner's own policies say which of its users."""
    transire, owner = stock.transire, stock.instance.account
    partner = transire.new_account("partner")
    transire.cli("namespace", "create", "--instance", stock.instance.tcr_id, "--name", "team")
    ecr = aws.client(transire, owner.key, "ecr")
    for name in ("team/base", "team/secret"):
        ecr.create_repository(repositoryName=name)
        stock.push(name, "v1")
    transire.cli("user", "create", "--account", partner.id, "--name", "ci")
    made = transire.cli("access-key", "create", "--account", partner.id, "--user", "ci")
    user = AccessKey(made["access_key_id"], transire.remember("access key secret", made["access_key_secret"]))
    document = stock.folder / "pulls.json"
    arn = f"arn:aws:ecr:*:{owner.id.zfill(12)}:repository/team/*"
    allowed = [
        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": arn},
    ]
    document.write_text(json.dumps({"Version": "2012-10-17", "Statement": allowed}))
    transire.cli("policy", "create", "--account", partner.id, "--name", "pulls", "--document", document)
    transire.cli("policy", "attach", "--account", partner.id, "--name", "pulls", "--user", "ci")
    registry = owner.id.zfill(12)

    def copies(key: AccessKey, repository: str) -> bool:
        answer = aws.client(transire, key, "ecr").get_authorization_token(registryIds=[registry])
        assert skopeo_login(stock.registry, aws.log_in_of(transire, answer)).returncode == 0
        source = stock.registry.reference(f"{repository}:v1")
        return skopeo("copy", "--src-tls-verify=false", source, f"dir:{stock.folder / 'copied'}").returncode == 0

    def gets(repository: str) -> list[Any]:
        asked = {"registryId": registry, "repositoryName": repository, "imageIds": [{"imageTag": "v1"}]}
        return aws.client(transire, user, "ecr").batch_get_image(**asked)["images"]

    both = [(key, name) for key in (user, partner.key) for name in ("team/base", "team/secret")]
    assert [copies(*one) for one in both] == [False] * 4
    with pytest.raises(ecr.exceptions.ClientError, match="because no resource-based policy allows the ecr:BatchGetImage action"):
        gets("team/base")
    ecr.set_repository_policy(repositoryName="team/base", policyText=SHARED.text.replace("200000000002", partner.id.zfill(12)))
    assert [copies(*one) for one in both] == [True, False, True, False]
    [image] = gets("team/base")
    assert (image["registryId"], image["imageId"]["imageTag"]) == (registry, "v1")
    # A user without rights of its own gets nothing of what its account may.
    transire.cli("policy", "detach", "--account", partner.id, "--name", "pulls", "--user", "ci")

    def refusal() -> str | None:
        try:
            copies(user, "team/base")
        except ecr.exceptions.ClientError as error:
            return str(error)
        return None

    refused = wait_until("the service to follow", refusal)
    assert "no identity-based policy allows the ecr:GetAuthorizationToken action" in refused
    ecr.delete_repository_policy(repositoryName="team/base")
    assert not copies(partner.key, "team/base")
