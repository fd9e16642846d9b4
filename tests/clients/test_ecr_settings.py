"""Tags and settings of repositories by Amazon Web Services' own SDK and command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aws
from service import Instance, Transire


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
