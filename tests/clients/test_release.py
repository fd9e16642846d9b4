"""A release: one folder with all that is published."""

import hashlib
import json
import os
import tarfile
import tomllib
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing

import debian
from debian import SOURCES

LONG = os.environ.get("TRANSIRE_TEST_LONG") == "1"


def assert_valid(bill_of_materials: str) -> None:
    """Holds a bill of materials to CycloneDX's own schema, and its licences to SPDX's list."""
    assert not JsonStrictValidator(SchemaVersion.V1_5).validate_str(bill_of_materials)
    spdx = get_spdx_licensing()
    for component in json.loads(bill_of_materials)["components"]:
        for license in component["licenses"]:
            assert not spdx.validate(license["expression"], strict=True).errors, component


@pytest.fixture(scope="module")
def bill_of_materials() -> str:
    version = debian.run(os.environ["TRANSIRE_TEST_PROGRAM"], "--version").split()[1]
    return debian.run(SOURCES / "packaging/bill-of-materials", version, environment={**debian.CARGO, "SOURCE_DATE_EPOCH": "1"})


def test_the_bill_of_materials_is_valid_by_cyclonedx_schema(bill_of_materials: str) -> None:
    assert_valid(bill_of_materials)


@pytest.mark.parametrize(("right", "wrong"), [("purl", "url"), ("SHA-256", "SHA256"), ("urn:uuid:", "uuid:"), ("MIT", "MIT-ish")])
def test_what_cyclonedx_or_spdx_does_not_know_is_refused(bill_of_materials: str, right: str, wrong: str) -> None:
    document = json.loads(bill_of_materials)
    document["components"] = [component for component in document["components"] if component["name"] == "tokio"]
    small = json.dumps(document)
    assert right in small
    with pytest.raises(AssertionError):
        assert_valid(small.replace(right, wrong))


def test_the_bill_of_materials_has_what_is_linked_with_the_digests_of_the_lock_file(bill_of_materials: str) -> None:
    document = json.loads(bill_of_materials)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    components = {component["purl"]: component for component in document["components"]}
    locked = tomllib.loads((SOURCES / "Cargo.lock").read_text())["package"]
    [tokio] = [package for package in locked if package["name"] == "tokio"]
    described = components[f"pkg:cargo/tokio@{tokio['version']}"]
    assert described["hashes"] == [{"alg": "SHA-256", "content": tokio["checksum"]}]
    assert described["licenses"] == [{"expression": "MIT"}]
    assert not any(component["name"] in ("insta", "clap_derive") for component in components.values()), "they aren't linked"
    needed = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert set(needed) == {"transire", *components}
    assert described["bom-ref"] in needed["transire"]
    assert {name for names in needed.values() for name in names} == set(components)


@pytest.mark.skipif(not LONG, reason="TRANSIRE_TEST_LONG=1 asks for it: it compresses as a release does, twice")
def test_a_release_has_its_files_and_their_sums_and_two_are_the_same(tmp_path: Path, table: list[str]) -> None:
    program = os.environ["TRANSIRE_TEST_PROGRAM"]
    environment = {**debian.CARGO, "BUILDAH": os.environ["TRANSIRE_TEST_BUILDAH"]}
    sums = []
    for name in ("first", "second"):
        folder = tmp_path / name
        debian.run(SOURCES / "packaging/release", "--program", program, "--out", folder, environment=environment)
        sums.append((folder / "SHA256SUMS").read_text())
    assert sums[0] == sums[1]
    listed = dict(reversed(line.split("  ")) for line in sums[0].splitlines())
    assert {file.name for file in folder.iterdir()} == {*listed, "SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        table.append(f"{name}: {(folder / name).stat().st_size >> 10} KiB")
    assert [name.partition("_amd64")[2] for name in sorted(listed)] == [".cdx.json", ".deb", ".image.tar.gz", ".tar.gz"]
    [described] = (name for name in listed if name.endswith(".cdx.json"))
    assert_valid((folder / described).read_text())
    [tarball] = (name for name in listed if name.endswith("_amd64.tar.gz"))
    with tarfile.open(folder / tarball) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert held >= {
        "usr/bin/transire",
        "usr/bin/docker-credential-transire",
        "usr/lib/systemd/system/transire.service",
        "usr/lib/transire/backup",
        "usr/share/man/man1/transire.1",
        "usr/share/doc/transire/THIRD-PARTY",
        "etc/transire/transire.toml",
    }
