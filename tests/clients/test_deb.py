"""The Debian package: what it holds, and its life on a bare root."""

import gzip
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import debian
import tencent
from debian import SETTINGS, Installed, Root
from documents import Block, take
from image import write_oci_layout
from registry import Registry, docker_login, skopeo

INSTALL, BEGIN, REMOVE = take("docs/install.md", "The Debian package")
SERVES_HERE = ("#listen = 8480", 'listen = "127.0.0.1:0"')


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return debian.build_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = debian.unpack_bare(tmp_path_factory.mktemp("bare") / "root")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def root(bare: Path, tmp_path: Path) -> Iterator[Root]:
    root = Root(bare, tmp_path / "debian")
    yield root
    root.remove()


@pytest.fixture
def installed(root: Root, package: Path, tmp_path: Path) -> Iterator[Installed]:
    """The package, with settings by which it takes a free port."""
    root.install(package)
    edit(root, *SERVES_HERE)
    folder = tmp_path / "service"
    folder.mkdir()
    installed = Installed(root, folder)
    yield installed
    installed.stop()


def edit(root: Root, old: str, new: str) -> None:
    settings = root.folder / SETTINGS
    text = settings.read_text()
    assert old in text
    settings.write_text(text.replace(old, new))


def contents(package: Path) -> dict[str, str]:
    """The mode and owner of each path, and where a link leads."""
    listed = debian.run("dpkg-deb", "--contents", package)
    lines = (re.split(r" +", line, maxsplit=5) for line in listed.splitlines())
    return {path.removeprefix("./"): f"{mode} {owner}" for mode, owner, _, _, _, path in lines}


def test_the_package_holds_the_program_and_all_that_goes_with_it(package: Path) -> None:
    held = contents(package)
    for path in [
        "usr/bin/transire",
        "usr/bin/docker-credential-transire -> transire",
        "usr/lib/transire/credential-providers/transire -> ../../../bin/transire",
        "usr/lib/transire/backup",
        "usr/lib/systemd/system/transire.service",
        "usr/lib/systemd/system/transire.socket",
        "usr/lib/systemd/system/transire-backup.service",
        "usr/lib/systemd/system/transire-backup.timer",
        "etc/transire/transire.toml",
        "usr/share/man/man1/transire.1.gz",
        "usr/share/man/man1/transire-account-create.1.gz",
        "usr/share/bash-completion/completions/transire",
        "usr/share/zsh/vendor-completions/_transire",
        "usr/share/fish/vendor_completions.d/transire.fish",
        "usr/share/doc/transire/copyright",
        "usr/share/doc/transire/changelog.gz",
        "usr/share/doc/transire/README.Debian",
        "usr/share/doc/transire/THIRD-PARTY.gz",
    ]:
        assert path in held
    assert held["usr/bin/transire"] == "-rwxr-xr-x root/root"


def test_the_package_names_the_libraries_and_the_certificates_that_it_needs(package: Path) -> None:
    depends = debian.run("dpkg-deb", "--field", package, "Depends").strip()
    assert re.fullmatch(r"libc6 \(>= [0-9.]+\), libgcc-s1 \(>= [0-9.]+\), adduser, ca-certificates", depends)


def test_two_builds_of_the_package_are_the_same(package: Path, tmp_path: Path) -> None:
    again = debian.build_package(tmp_path, environment={"TZ": "Asia/Shanghai", "LC_ALL": "C.UTF-8"})
    assert again.read_bytes() == package.read_bytes()


def test_the_licences_of_linked_libraries_are_there_with_their_texts(root: Root, package: Path) -> None:
    root.install(package)
    text = gzip.decompress((root.folder / "usr/share/doc/transire/THIRD-PARTY.gz").read_bytes()).decode()
    for library in ["tokio ", "aws-lc-sys ", "libsqlite3-sys "]:
        assert re.search(rf"^{library}[0-9.]+: \S", text, re.MULTILINE), library
    assert "clap_derive" not in text, "it is a program of the build"
    assert "Permission is hereby granted" in text


def test_an_installation_makes_a_user_and_folders_that_are_its_own_and_starts_nothing(root: Root, package: Path) -> None:
    printed = root.install(package)
    assert "Set public_url in /etc/transire/transire.toml" in printed
    entry = root.run("getent", "passwd", "transire").strip().split(":")
    assert entry[5:] == ["/var/lib/transire", "/usr/sbin/nologin"]
    assert root.user("var/lib/transire") == ("transire", "transire", "700")
    assert root.user("etc/transire") == ("root", "transire", "750")
    assert root.user(SETTINGS) == ("root", "transire", "640")
    assert list((root.folder / "var/lib/transire").iterdir()) == []
    root.run("setpriv", "--reuid=transire", "--regid=transire", "--init-groups", "transire", "--config", f"/{SETTINGS}", "config", "check")


def test_a_bare_root_gets_from_the_package_to_a_pushed_image(root: Root, package: Path, tmp_path: Path, table: list[str]) -> None:
    begun = time.monotonic()
    root.install(package)
    edit(root, *SERVES_HERE)
    (tmp_path / "service").mkdir()
    transire = Installed(root, tmp_path / "service")
    assert transire.cli("init")["data"] == "/var/lib/transire"
    account = transire.new_account("acme")
    instance = transire.new_instance(account, "demo")
    transire.start()
    try:
        registry = Registry(root.shared / "registry", transire, instance)
        try:
            credential = tencent.issue(transire, account.key, instance.tcr_id)
            assert docker_login(registry, credential).returncode == 0
            write_oci_layout(tmp_path / "image", "v1")
            logged_in = ("--dest-authfile", Path(os.environ["DOCKER_CONFIG"]) / "config.json")
            pushed = skopeo("copy", *logged_in, "--dest-tls-verify=false", f"oci:{tmp_path / 'image'}:v1", registry.reference("team/tool:v1"))
            assert pushed.returncode == 0, pushed.stderr
            table.append(f"from the package on a bare Debian root to a pushed image: {time.monotonic() - begun:.1f} s")
        finally:
            registry.stop()
    finally:
        transire.stop()
    assert root.user("var/lib/transire/transire.db") == ("transire", "transire", "600")


def test_an_upgrade_keeps_settings_and_data(root: Root, package: Path, tmp_path: Path) -> None:
    older = debian.build_package(tmp_path / "older", "--version", "0.0.1")
    root.install(older)
    edit(root, *SERVES_HERE)
    (tmp_path / "service").mkdir()
    transire = Installed(root, tmp_path / "service")
    transire.cli("init")
    account = transire.new_account("acme")
    settings = (root.folder / SETTINGS).read_text()
    (root.folder / SETTINGS).chmod(0o600)

    printed = root.install(package)
    assert "isn't started" not in printed
    assert root.run("dpkg-query", "--show", "--showformat=${Version}", "transire") != "0.0.1"
    assert (root.folder / SETTINGS).read_text() == settings
    assert root.user(SETTINGS)[2] == "600", "its owner chose it"
    (root.folder / SETTINGS).chmod(0o640)
    assert [found["account_id"] for found in transire.items("account", "list")] == [account.id]
    transire.start()
    transire.stop()


def test_removal_and_purge_keep_the_data_and_the_keys(installed: Installed, package: Path) -> None:
    root = installed.root
    installed.cli("init")
    account = installed.new_account("acme")
    key = root.folder / "etc/transire/tls.key"
    key.write_text("EXAMPLE")

    root.run("dpkg", "--remove", "transire")
    assert not (root.folder / "usr/bin/transire").exists()
    assert (root.folder / SETTINGS).exists()
    printed = root.run("dpkg", "--purge", "transire")
    assert not (root.folder / SETTINGS).exists()
    assert "rm -r /var/lib/transire" in printed and "rm -r /etc/transire" in printed
    assert (root.folder / "var/lib/transire/master.key").exists() and key.exists()

    root.install(package)
    assert [found["account_id"] for found in installed.items("account", "list")] == [account.id]


def test_a_purge_of_an_unused_package_leaves_no_folder(root: Root, package: Path) -> None:
    root.install(package)
    root.run("dpkg", "--purge", "transire")
    assert not (root.folder / "etc/transire").exists()
    assert not (root.folder / "var/lib/transire").exists()


def test_the_service_takes_the_master_key_from_systemds_credential(root: Root, package: Path, tmp_path: Path) -> None:
    """systemd gives a credential to the service by a list of rights, which shows as the group's: the log asked to chmod it."""
    root.install(package)
    edit(root, *SERVES_HERE)
    folder = root.folder / "run/credentials/transire.service"
    folder.mkdir(parents=True)
    (folder / "transire.master-key").write_text("5a" * 32)
    root.run("chgrp", "-R", "transire", "/run/credentials/transire.service")
    (folder / "transire.master-key").chmod(0o440)
    folder.chmod(0o550)
    (tmp_path / "service").mkdir()
    transire = Installed(root, tmp_path / "service", CREDENTIALS_DIRECTORY="/run/credentials/transire.service")
    transire.start()
    made = transire.cli("init")
    transire.stop()
    assert (made["state"], made["master_key_file"]) == ("was there", "/run/credentials/transire.service/transire.master-key")
    assert not (root.folder / "var/lib/transire/master.key").exists()
    assert "chmod" not in transire.log.read_text()


def test_docker_finds_its_helper_by_the_name_that_the_package_gives_it(root: Root, package: Path) -> None:
    root.install(package)
    assert root.run("docker-credential-transire", "version").startswith("transire ")
    assert root.run("docker-credential-transire", "list").strip() == "{}"


def test_the_kubelet_finds_its_provider_alone_in_its_folder(root: Root, package: Path) -> None:
    root.install(package)
    folder = root.folder / "usr/lib/transire/credential-providers"
    assert [file.name for file in folder.iterdir()] == ["transire"]
    request = {"apiVersion": "credentialprovider.kubelet.k8s.io/v1", "kind": "CredentialProviderRequest", "image": "registry.example.com/a"}
    command = root.command("/usr/lib/transire/credential-providers/transire", "credential-provider")
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=60)
    assert "transire: " in done.stderr and "No such file" not in done.stderr, done.stderr


def test_the_lines_of_the_page_install_it_start_it_and_remove_it(root: Root, package: Path) -> None:
    shutil.copyfile(package, root.folder / "transire_0.1.0_amd64.deb")
    (root.folder / "etc/apt/apt.conf.d/99-yes").write_text('APT::Get::Assume-Yes "true";\n')
    # Nothing runs systemd here: where it would start the service, the data is made.
    as_service = f"runuser -u transire -- transire --config /{SETTINGS}"
    for name, script in (("editor", "test -w $1"), ("systemctl", f'test "$1" != enable || {as_service} init')):
        program = root.folder / "usr/bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def does(block: Block) -> str:
        return root.run("sh", "-euc", block.commands())

    does(INSTALL)
    assert "acme" in does(BEGIN)
    does(REMOVE)
    assert not (root.folder / "var/lib/transire").exists() and not (root.folder / "etc/transire").exists()
    assert "transire" not in root.run("getent", "passwd")
