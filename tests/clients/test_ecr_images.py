"""Images by Amazon Web Services' own SDK and command line, with a real registry behind."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

import aws
from service import Transire
from stock import Stock

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
CREATED = "2022-08-06T07:31:01Z"
CREATED_S = 1659771061
NOWHERE = f"sha256:{'0' * 64}"


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """Code and message of the exception that the SDK raises."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400, caught.value
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture
def team(stock: Stock) -> Stock:
    """A stock whose namespace `team` is recorded."""
    stock.transire.cli("namespace", "create", "--instance", stock.instance.tcr_id, "--name", "team")
    return stock


def ecr_of(stock: Stock) -> Any:
    return aws.client(stock.transire, stock.instance.account.key, "ecr")


def push_index(stock: Stock, *inner: tuple[str, str]) -> str:
    """Pushes an index of images as the tag `both`; its digest."""
    named = [{"mediaType": OCI_MANIFEST, "digest": digest, "size": len(stock.manifest("team/tool", tag, digest))} for tag, digest in inner]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": named}).encode()
    stock.tag("team/tool", index, OCI_INDEX, "both")
    return f"sha256:{hashlib.sha256(index).hexdigest()}"


def size(manifest: bytes) -> int:
    read = json.loads(manifest)
    return sum(part["size"] for part in [read["config"], *read["layers"]])


def test_images_are_listed_and_described(team: Stock) -> None:
    ecr, registry_id = ecr_of(team), team.instance.account.id.zfill(12)
    digest = team.push("team/tool", "v1", created=CREATED)
    manifest = team.manifest("team/tool", "v1", digest)
    team.tag("team/tool", manifest, OCI_MANIFEST, "latest")
    other = team.push("team/tool", "w2", author="somebody")
    index = push_index(team, ("v1", digest))
    ids = [("both", index), ("latest", digest), ("v1", digest), ("w2", other)]
    pages = ecr.get_paginator("list_images").paginate(repositoryName="team/tool", PaginationConfig={"PageSize": 3})
    listed = [[(one["imageTag"], one["imageDigest"]) for one in page["imageIds"]] for page in pages]
    assert listed == [ids[:3], ids[3:]]
    assert ecr.list_images(repositoryName="team/tool", filter={"tagStatus": "UNTAGGED"})["imageIds"] == []

    pages = ecr.get_paginator("describe_images").paginate(repositoryName="team/tool", PaginationConfig={"PageSize": 2})
    details = {one["imageDigest"]: one for page in pages for one in page["imageDetails"]}
    assert set(details) == {digest, other, index}
    assert details[digest].pop("imagePushedAt").timestamp() == CREATED_S
    assert details[digest] == {
        "registryId": registry_id,
        "repositoryName": "team/tool",
        "imageDigest": digest,
        "imageTags": ["latest", "v1"],
        "imageSizeInBytes": size(manifest),
        "imageManifestMediaType": OCI_MANIFEST,
        "artifactMediaType": OCI_CONFIG,
        "imageStatus": "ACTIVE",
    }
    assert details[index]["imageSizeInBytes"] == size(manifest)
    assert details[index]["imageManifestMediaType"] == OCI_INDEX
    assert details[other]["imagePushedAt"].timestamp() == 0
    asked = [{"imageTag": "w2"}, {"imageDigest": digest}, {"imageTag": "v1", "imageDigest": digest}]
    named = ecr.describe_images(repositoryName="team/tool", imageIds=asked)["imageDetails"]
    assert [one["imageDigest"] for one in named] == [other, digest, digest]
    done = aws.aws(
        *(team.transire, team.instance.account.key, "ecr", "describe-images", "--repository-name", "team/tool"),
        *("--image-ids", "imageTag=v1", "--query", "imageDetails[0].imageTags", "--output", "json"),
    )
    assert json.loads(done.stdout) == ["latest", "v1"], done.stderr


def test_a_tag_is_there_as_soon_as_it_is_pushed(team: Stock) -> None:
    """A job asks whether a tag exists, builds, pushes and asks again, all in one moment."""
    ecr = ecr_of(team)
    first = team.push("team/tool", "v1")
    for missing in [{"imageTag": "v2"}, {"imageDigest": NOWHERE}, {"imageTag": "v1", "imageDigest": NOWHERE}]:
        code, message = refusal(ecr.describe_images, repositoryName="team/tool", imageIds=[missing])
        assert code == "ImageNotFoundException"
        assert "does not exist within the repository with name 'team/tool'" in message
    second = team.push("team/tool", "v2", author="somebody")
    assert ecr.describe_images(repositoryName="team/tool", imageIds=[{"imageTag": "v2"}])["imageDetails"][0]["imageDigest"] == second
    # And a tag that moves is where it is now.
    team.tag("team/tool", team.manifest("team/tool", "v1", first), OCI_MANIFEST, "v2")
    [moved] = ecr.describe_images(repositoryName="team/tool", imageIds=[{"imageTag": "v2"}])["imageDetails"]
    assert (moved["imageDigest"], moved["imageTags"]) == (first, ["v1", "v2"])
    [untagged] = ecr.describe_images(repositoryName="team/tool", imageIds=[{"imageDigest": second}])["imageDetails"]
    assert "imageTags" not in untagged
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException, match="The repository with name 'team/none' does not exist"):
        ecr.describe_images(repositoryName="team/none")
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException, match="other/none"):
        ecr.list_images(repositoryName="other/none")


def test_manifests_and_layers_are_got(team: Stock) -> None:
    ecr = ecr_of(team)
    digest = team.push("team/tool", "v1")
    manifest = team.manifest("team/tool", "v1", digest)
    ids = [{"imageTag": "v1"}, {"imageDigest": digest}, {"imageTag": "none"}, {"imageDigest": "x"}, {"imageTag": "v1", "imageDigest": NOWHERE}, {}]
    answer = ecr.batch_get_image(repositoryName="team/tool", imageIds=ids)
    assert [one["imageId"] for one in answer["images"]] == [{"imageDigest": digest, "imageTag": "v1"}, {"imageDigest": digest}]
    assert {one["imageManifest"].encode() for one in answer["images"]} == {manifest}
    assert {one["imageManifestMediaType"] for one in answer["images"]} == {OCI_MANIFEST}
    assert {one["failureCode"]: one["imageId"] for one in answer["failures"]} == {
        "InvalidImageDigest": {"imageDigest": "x"},
        "MissingDigestAndTag": {},
        "ImageNotFound": {"imageTag": "none"},
        "ImageTagDoesNotMatchDigest": {"imageTag": "v1", "imageDigest": NOWHERE},
    }
    accepted = {"repositoryName": "team/tool", "imageIds": ids[:1]}
    assert len(ecr.batch_get_image(**accepted, acceptedMediaTypes=[OCI_INDEX, OCI_MANIFEST])["images"]) == 1
    [failure] = ecr.batch_get_image(**accepted, acceptedMediaTypes=[OCI_INDEX])["failures"]
    assert failure["failureCode"] == "ImageNotFound"
    assert OCI_MANIFEST in failure["failureReason"]

    layer = json.loads(manifest)["layers"][0]
    answer = ecr.batch_check_layer_availability(repositoryName="team/tool", layerDigests=[NOWHERE, layer["digest"], "", "x"])
    assert answer["layers"] == [
        {"layerDigest": NOWHERE, "layerAvailability": "UNAVAILABLE"},
        {"layerDigest": layer["digest"], "layerAvailability": "AVAILABLE", "layerSize": layer["size"]},
    ]
    assert [one["failureCode"] for one in answer["failures"]] == ["MissingLayerDigest", "InvalidLayerDigest"]


def test_images_are_deleted_as_far_as_nothing_needs_them(team: Stock) -> None:
    ecr = ecr_of(team)
    digest = team.push("team/tool", "v1")
    team.tag("team/tool", team.manifest("team/tool", "v1", digest), OCI_MANIFEST, "latest")
    other = team.push("team/tool", "w2", author="somebody")
    index = push_index(team, ("v1", digest))

    def delete(*ids: dict[str, str]) -> Any:
        return ecr.batch_delete_image(repositoryName="team/tool", imageIds=list(ids))

    # This registry deletes an image with all its tags: one alone can't go, and then nothing does.
    code, message = refusal(lambda: delete({"imageTag": "v1"}, {"imageTag": "w2"}))
    assert (code, "needed by other tags: latest" in message) == ("UnsupportedOperationException", True), message
    assert team.tags("team/tool") == ["both", "latest", "v1", "w2"]
    answer = delete({"imageDigest": digest}, {"imageTag": "w2"}, {"imageTag": "none"}, {"imageTag": "w2", "imageDigest": digest}, {})
    assert answer["imageIds"] == [{"imageDigest": other, "imageTag": "w2"}]
    failures = {one["failureCode"]: one["failureReason"] for one in answer["failures"]}
    assert set(failures) == {"ImageReferencedByManifestList", "ImageNotFound", "ImageTagDoesNotMatchDigest", "MissingDigestAndTag"}
    assert index in failures["ImageReferencedByManifestList"]
    assert team.tags("team/tool") == ["both", "latest", "v1"]
    answer = delete({"imageTag": "latest"}, {"imageTag": "v1"}, {"imageTag": "both"})
    assert [one["imageTag"] for one in answer["imageIds"]] == ["latest", "v1", "both"]
    assert answer["failures"] == []
    assert team.tags("team/tool") == []
    assert [one["failureCode"] for one in delete({"imageDigest": digest})["failures"]] == ["ImageNotFound"]
    lines = [line for line in team.transire.items("audit", "list", "--since", "1h") if line["action"] == "image.delete"]
    assert [line["outcome"] for line in lines].count("refused") == 1
    assert len(lines) == 4


def test_an_image_without_a_tag_is_deleted_by_its_digest(team: Stock) -> None:
    ecr = ecr_of(team)
    first = team.push("team/tool", "v1")
    second = team.push("team/tool", "v2", author="somebody")
    team.tag("team/tool", team.manifest("team/tool", "v2", second), OCI_MANIFEST, "v1")
    answer = ecr.batch_delete_image(repositoryName="team/tool", imageIds=[{"imageDigest": first}])
    assert answer["imageIds"] == [{"imageDigest": first}]
    assert [one["imageTag"] for one in ecr.list_images(repositoryName="team/tool")["imageIds"]] == ["v1", "v2"]


def test_a_registry_that_is_away_is_said_to_be_so(team: Stock, transire: Transire) -> None:
    team.push("team/tool", "v1")
    ecr = ecr_of(team)
    assert ecr.list_images(repositoryName="team/tool")["imageIds"]
    team.registry.stop()
    with pytest.raises(ClientError) as caught:
        ecr.batch_get_image(repositoryName="team/tool", imageIds=[{"imageTag": "v1"}])
    error = caught.value.response
    assert (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]) == (500, "ServerException")
    assert "does not answer" in error["Error"]["Message"]
