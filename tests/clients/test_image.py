"""The container image: what it is, and a container of it."""

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import debian
from container import Container, Image
from processes import free_port, wait_until
from service import fetch


def build(folder: Path) -> Image:
    program = os.environ["TRANSIRE_TEST_PROGRAM"]
    tools = {**debian.CARGO, "BUILDAH": os.environ["TRANSIRE_TEST_BUILDAH"]}
    debian.run(debian.SOURCES / "packaging/image", "--program", program, "--out", folder, environment=tools)
    [archive] = folder.glob("*.tar")
    return Image(archive)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(tmp_path_factory.mktemp("image"))


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[Container]:
    folder = tmp_path / "container"
    folder.mkdir()
    # On this machine's network: a port of 8480 may be taken.
    variables = {"TRANSIRE_LISTEN": "127.0.0.1:0", "TRANSIRE_METRICS_LISTEN": str(free_port())}
    container = Container(image, folder, variables)
    yield container
    container.remove()


def test_two_builds_of_the_image_have_one_digest(image: Image, tmp_path: Path) -> None:
    again = build(tmp_path / "again")
    assert again.name == image.name, f"{again.configuration} {image.configuration}"
    assert again.archive.read_bytes() == image.archive.read_bytes()


def test_the_image_says_how_it_is_run(image: Image) -> None:
    settings = image.settings
    assert settings["User"] == "65532:65532"
    assert (settings["Entrypoint"], settings["Cmd"]) == (["transire"], ["serve"])
    assert list(settings["ExposedPorts"]) == ["8480"] or list(settings["ExposedPorts"]) == ["8480/tcp"]
    assert list(settings["Volumes"]) == ["/var/lib/transire"]
    assert settings["Healthcheck"]["Test"] == ["CMD", "transire", "health"]
    version = debian.run(os.environ["TRANSIRE_TEST_PROGRAM"], "--version").split()[1]
    assert settings["Labels"]["org.opencontainers.image.version"] == version
    assert settings["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_the_image_holds_the_program_its_libraries_and_certificates_and_no_shell(image: Image, tmp_path: Path) -> None:
    root = tmp_path / "root"
    image.unpack(root)
    files = {str(file.relative_to(root)) for file in root.rglob("*") if not file.is_dir()}
    assert {"usr/bin/transire", "usr/bin/docker-credential-transire", "etc/nsswitch.conf", "etc/passwd"} <= files
    assert not any(file.startswith(("bin/", "usr/sbin/")) for file in files)
    assert {file for file in files if file.startswith("usr/bin/")} == {"usr/bin/transire", "usr/bin/docker-credential-transire"}
    trusted = ssl.create_default_context(cafile=str(root / "etc/ssl/certs/ca-certificates.crt"))
    assert len(trusted.get_ca_certs()) > 100
    data = (root / "var/lib/transire").stat()
    assert (data.st_uid, data.st_gid, data.st_mode & 0o777) == (65532, 65532, 0o700)
    assert "Apache License" in (root / "usr/share/doc/transire/LICENSE").read_text()
    assert (root / "usr/share/doc/libgcc-s1/copyright").exists(), "a link needs its target"


def test_a_container_serves_is_healthy_and_stops(container: Container) -> None:
    announced = json.loads(container.start())
    wait_until("it to be ready", lambda: container.exec("transire", "health").returncode == 0)
    assert fetch(f"http://{announced['listening']}/healthz").status == 200
    made = container.exec("transire", "--output", "json", "account", "create", "--name", "acme")
    assert json.loads(made.stdout)["account_id"], made.stderr
    assert container.stop() == 0


def test_a_container_that_is_told_nothing_of_tls_says_what_to_set(image: Image, tmp_path: Path) -> None:
    folder = tmp_path / "container"
    folder.mkdir()
    container = Container(image, folder, {"TRANSIRE_LISTEN": f"0.0.0.0:{free_port()}"})
    try:
        assert container.start() == ""
        assert "allow_plain_http" in (folder / "log").read_text()
    finally:
        container.remove()


def test_tools_that_carry_images_read_the_archive(image: Image, tmp_path: Path) -> None:
    copied = tmp_path / "oci"
    command = ["skopeo", "--insecure-policy", "copy", f"docker-archive:{image.archive}", f"oci:{copied}:v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
