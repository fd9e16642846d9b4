"""What `transire registry-config` writes, and what it leaves alone.

It overwrote whatever was there: zot's documented key rotation reset address, realm, storage and TLS.
"""

import json
import subprocess
from pathlib import Path

import pytest

from service import Account, Instance, Transire

FILES = {"distribution": ("config.yml", "bundle.pem"), "zot": ("config.json", "key.pem")}


@pytest.fixture(params=list(FILES))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def instance(transire: Transire, account: Account, kind: str) -> Instance:
    return transire.new_instance(account, "demo", "--kind", kind)


def command(instance: Instance, kind: str, out: Path | str, *options: str) -> list[str | Path]:
    return ["registry-config", "--instance", instance.tcr_id, "--kind", kind, "--out", out, *options]


def only(kind: str) -> str:
    return "--key-only" if kind == "zot" else "--bundle-only"


def test_what_was_edited_is_replaced_only_by_force(transire: Transire, instance: Instance, kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config, trusted = (out / name for name in FILES[kind])
    transire.cli(*command(instance, kind, out))
    made = config.read_text()
    # The same once more is no change.
    transire.cli(*command(instance, kind, out))
    config.write_text(made + "\n")
    trusted.unlink()
    refused = transire.cli_refused(*command(instance, kind, out))
    assert str(config) in refused and "--force" in refused
    assert config.read_text() == made + "\n" and not trusted.exists(), "something was written"
    transire.cli(*command(instance, kind, out, "--force"))
    assert config.read_text() == made and trusted.exists()


def test_what_is_trusted_is_written_alone(transire: Transire, instance: Instance, kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config, trusted = (out / name for name in FILES[kind])
    written = transire.cli(*command(instance, kind, out, only(kind)))
    assert list(written.values()) == [str(trusted)]
    assert trusted.exists() and not config.exists()
    trusted.write_text("another")
    assert str(trusted) in transire.cli_refused(*command(instance, kind, out, only(kind)))
    transire.cli(*command(instance, kind, out, only(kind), "--force"))
    assert "BEGIN" in trusted.read_text()
    other = only("zot" if kind == "distribution" else "distribution")
    assert only(kind) in transire.cli_refused(*command(instance, kind, out, other), exit_code=2)


def test_a_dash_prints_one_file_and_writes_none(transire: Transire, instance: Instance, kind: str, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*.yml")) | set(tmp_path.rglob("config.json"))
    text = transire.cli(*command(instance, kind, "-"))["text"]
    assert instance.service in text
    # Without JSON it is the file itself, byte for byte.
    whole = [transire.binary, "--data-dir", transire.data_dir, *command(instance, kind, "-")]
    printed = subprocess.run(whole, cwd=transire.data_dir.parent, capture_output=True, text=True, check=True)
    assert printed.stdout == text
    if kind == "zot":
        assert json.loads(text)["http"]["auth"]["bearer"]["service"] == instance.service
    assert transire.cli(*command(instance, kind, "-", only(kind)))["text"].startswith("-----BEGIN ")
    assert set(tmp_path.rglob("*.yml")) | set(tmp_path.rglob("config.json")) == before


@pytest.mark.parametrize("kind", ["zot"], indirect=True)
def test_zots_documented_key_rotation_leaves_its_settings_alone(transire: Transire, instance: Instance, tmp_path: Path) -> None:
    out = tmp_path / "zot"
    transire.cli(*command(instance, "zot", out, "--realm", transire.realm))
    config, key = out / "config.json", out / "key.pem"
    settings = json.loads(config.read_text())
    settings["http"] |= {"address": "192.0.2.1", "tls": {"cert": "/etc/zot/tls.crt", "key": "/etc/zot/tls.key"}}
    settings["storage"]["rootDirectory"] = "/srv/images"
    config.write_text(json.dumps(settings))
    old = key.read_text()
    transire.cli("keys", "rotate", "signing", "--instance", instance.tcr_id)
    transire.cli(*command(instance, "zot", out, "--key", "next", "--key-only", "--force"))
    transire.cli("keys", "rotate", "signing", "--instance", instance.tcr_id, "--activate")
    assert json.loads(config.read_text()) == settings
    assert key.read_text() != old


@pytest.mark.parametrize("kind", ["zot"], indirect=True)
def test_a_zot_takes_dockers_manifests_and_long_pushes(transire: Transire, account: Account, instance: Instance, kind: str) -> None:
    """Docker's engine was answered 415, uploads were cut off after a minute, and pushes ended with their token."""
    http = json.loads(transire.cli(*command(instance, kind, "-"))["text"])["http"]
    assert http["compat"] == ["docker2s2"]
    assert (http["readTimeout"], http["writeTimeout"]) == ("6h", "6h")
    made = transire.run("instance", "create", "--account", account.id, "--name", "b", "--service", "b.example.com", "--kind", "zot")
    assert json.loads(made.stdout)["token_ttl"] == 3600
    assert "after a revocation" in made.stderr and "3600 seconds" in made.stderr
    transire.new_instance(account, "short", "--kind", "zot", "--token-ttl", "300")
    transire.new_instance(account, "usual")
    lives = {item["name"]: item["token_ttl"] for item in transire.items("instance", "list")}
    assert lives == {"demo": 3600, "b": 3600, "short": 300, "usual": 300}
