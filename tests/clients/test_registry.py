"""What a credential is for: logging in to a real registry, pushing, pulling, deleting; and being refused."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

import alibaba
import image
import tencent
from credential import Credential, exchange
from processes import wait_until
from registry import LOG_INS, Registry, assert_logs_in, assert_refused, skopeo, skopeo_login
from service import Account, Instance, Transire

ISSUERS: dict[str, Callable[[Transire, Instance], Credential]] = {
    "temp": lambda transire, instance: tencent.issue(transire, instance.account.key, instance.tcr_id, "temp"),
    "longterm": lambda transire, instance: tencent.issue(transire, instance.account.key, instance.tcr_id, "longterm"),
    "authorization-token": lambda transire, instance: alibaba.issue(transire, instance.account.key, instance.cri_id),
}
each_kind = pytest.mark.parametrize("issue", ISSUERS.values(), ids=ISSUERS)
each_tool = pytest.mark.parametrize("tool", LOG_INS)
Issue = Callable[[Transire, Instance], Credential]


def claims(token: str) -> dict[str, object]:
    """What a registry token says, unverified: verifying is the registry's part."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@each_kind
@each_tool
def test_every_kind_of_credential_logs_in(transire: Transire, instance: Instance, registry: Registry, issue: Issue, tool: str) -> None:
    assert_logs_in(registry, issue(transire, instance), tool)


@pytest.mark.parametrize("options", [["--alg", "RS256"], ["--kid", "libtrust"], ["--token-ttl", "60"]], ids=" ".join)
def test_a_registry_trusts_every_form_of_token(
    transire: Transire, account: Account, new_registry: Callable[..., Registry], options: list[str]
) -> None:
    instance = transire.new_instance(account, "other-form", *options)
    assert_logs_in(new_registry(transire, instance), ISSUERS["temp"](transire, instance))


@pytest.mark.parametrize("service", ["Docker registry", "[::1]:5000", "a,b=c%20d+e/f"])
@each_tool
def test_a_service_is_any_text_that_a_challenge_can_hold(
    transire: Transire, account: Account, new_registry: Callable[..., Registry], service: str, tool: str
) -> None:
    """A service with a space was refused, though registries compare any text (cesanta/docker_auth#14, #92)."""
    made = transire.cli("instance", "create", "--account", account.id, "--name", "text", "--service", service)
    instance = Instance(account, made["tcr_id"], made["cri_id"], made["service"], made["realm"])
    registry = new_registry(transire, instance)
    assert registry.challenge() == f'Bearer realm="{transire.realm}",service="{service}"'
    assert_logs_in(registry, ISSUERS["temp"](transire, instance), tool)


def test_a_service_that_is_a_url_is_refused_and_one_with_a_path_is_doubted(transire: Transire, account: Account) -> None:
    create = ("instance", "create", "--account", account.id, "--name", "text", "--service")
    assert "no URL" in transire.cli_refused(*create, "https://registry.example.com", exit_code=2)
    done = transire.run(*create, "registry.example.com/v2")
    assert done.returncode == 0 and "warning: the service registry.example.com/v2 has a '/'" in done.stderr


@each_kind
def test_an_image_goes_in_and_comes_out_unchanged(
    transire: Transire, instance: Instance, registry: Registry, tmp_path: Path, issue: Issue
) -> None:
    assert skopeo_login(registry, issue(transire, instance)).returncode == 0
    digest = image.write_oci_layout(tmp_path / "in", "v1")
    there = registry.reference("team/tool:v1")

    pushed = skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", there)
    assert pushed.returncode == 0, pushed.stderr

    inspected = json.loads(skopeo("inspect", "--tls-verify=false", there).stdout)
    assert (inspected["Digest"], inspected["RepoTags"]) == (digest, ["v1"])
    tags = json.loads(skopeo("list-tags", "--tls-verify=false", registry.reference("team/tool")).stdout)
    assert tags["Tags"] == ["v1"]

    pulled = skopeo("copy", "--src-tls-verify=false", there, f"oci:{tmp_path / 'out'}:v1")
    assert pulled.returncode == 0, pulled.stderr
    assert image.manifest_digest(tmp_path / "out") == digest
    came_out = image.blobs(tmp_path / "out")
    assert came_out == image.blobs(tmp_path / "in")
    assert all(name == content for name, content in came_out.items())

    # skopeo asks for `repository:team/tool:*` here.
    deleted = skopeo("delete", "--tls-verify=false", there)
    assert deleted.returncode == 0, deleted.stderr
    gone = skopeo("inspect", "--tls-verify=false", there)
    assert gone.returncode == 1
    assert "manifest unknown" in gone.stderr


def test_an_image_is_copied_from_one_repository_to_another(
    transire: Transire, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    """The registry then asks for a token with the scope of the source, too: a mounted layer."""
    assert skopeo_login(registry, ISSUERS["temp"](transire, instance)).returncode == 0
    digest = image.write_oci_layout(tmp_path / "in", "v1")
    first, second = registry.reference("team/first:v1"), registry.reference("other/second:v1")
    assert skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", first).returncode == 0
    copied = skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", first, second)
    assert copied.returncode == 0, copied.stderr
    assert json.loads(skopeo("inspect", "--tls-verify=false", second).stdout)["Digest"] == digest


def test_without_a_log_in_nothing_goes_in_or_out(registry: Registry, tmp_path: Path) -> None:
    image.write_oci_layout(tmp_path / "in", "v1")
    pushed = skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"))
    assert pushed.returncode == 1
    pulled = skopeo("inspect", "--tls-verify=false", registry.reference("team/tool:v1"))
    assert pulled.returncode == 1
    assert "unauthorized" in pulled.stderr


def test_the_registry_sends_clients_to_the_token_endpoint(transire: Transire, instance: Instance, registry: Registry) -> None:
    assert registry.challenge() == f'Bearer realm="{transire.realm}",service="{instance.service}"'
    assert (registry.settings["realm"], registry.settings["service"]) == (transire.realm, instance.service)


@each_kind
def test_the_token_endpoint_answers_as_clients_expect(transire: Transire, instance: Instance, issue: Issue) -> None:
    credential = issue(transire, instance)
    answer = exchange(
        transire.realm, instance, credential, "repository:team/tool:pull,push repository:team/base:pull", "registry:catalog:*"
    )
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    transire.remember("token", made["token"])
    assert made["access_token"] == made["token"]
    assert made["expires_in"] == 300
    assert datetime.fromisoformat(made["issued_at"]).tzinfo
    assert "refresh_token" not in made, "only who asks gets one"
    said = claims(made["token"])
    assert said["aud"] == instance.service
    assert {entry["name"] for entry in said["access"]} == {"team/tool", "team/base", "catalog"}  # type: ignore[attr-defined]


@each_kind
@each_tool
def test_a_wrong_secret_is_refused(transire: Transire, instance: Instance, registry: Registry, issue: Issue, tool: str) -> None:
    credential = issue(transire, instance)
    changed = "A" if credential.secret[-1] != "A" else "B"
    assert_refused(registry, replace(credential, secret=credential.secret[:-1] + changed), tool)
    assert_refused(registry, replace(credential, secret="not-one-of-ours"), tool)


@each_kind
@each_tool
def test_a_wrong_username_is_refused(transire: Transire, instance: Instance, registry: Registry, issue: Issue, tool: str) -> None:
    credential = issue(transire, instance)
    stranger = transire.new_account("stranger")
    assert_refused(registry, replace(credential, username=stranger.id), tool)
    assert_refused(registry, replace(credential, username="somebody"), tool)


@each_kind
@each_tool
def test_a_credential_of_another_instance_is_refused(
    transire: Transire, account: Account, registry: Registry, issue: Issue, tool: str
) -> None:
    """Of the same account, even: a credential belongs to one instance."""
    assert_refused(registry, issue(transire, transire.new_instance(account, "second")), tool)


@each_tool
def test_a_disabled_credential_is_refused_until_it_is_enabled(
    transire: Transire, instance: Instance, registry: Registry, tool: str
) -> None:
    credential = ISSUERS["longterm"](transire, instance)
    names = ("--instance", instance.tcr_id, "--id", credential.id)
    assert_logs_in(registry, credential, tool)
    transire.cli("credential", "disable", *names)
    wait_until("the running service to see it", lambda: exchange(transire.realm, instance, credential).status == 401)
    assert_refused(registry, credential, tool)
    transire.cli("credential", "enable", *names)
    wait_until("the running service to see it", lambda: exchange(transire.realm, instance, credential).status == 200)
    assert_logs_in(registry, credential, tool)


@each_tool
def test_a_deleted_credential_is_refused(transire: Transire, instance: Instance, registry: Registry, tool: str) -> None:
    credential = ISSUERS["longterm"](transire, instance)
    assert_logs_in(registry, credential, tool)
    # The instance answers to its other id as well.
    transire.cli("credential", "delete", "--instance", instance.cri_id, "--id", credential.id)
    wait_until("the running service to see it", lambda: exchange(transire.realm, instance, credential).status == 401)
    assert_refused(registry, credential, tool)


@pytest.mark.parametrize("kind", ["temp", "authorization-token"])
def test_a_temporary_credential_ends_with_the_key_that_asked_for_it(
    transire: Transire, account: Account, instance: Instance, registry: Registry, kind: str
) -> None:
    credential = ISSUERS[kind](transire, instance)
    assert_logs_in(registry, credential)
    transire.cli("access-key", "disable", "--id", account.key.id)
    wait_until("the running service to see it", lambda: exchange(transire.realm, instance, credential).status == 401)
    assert_refused(registry, credential)


def test_a_refusal_says_why_in_the_registrys_own_form(transire: Transire, instance: Instance) -> None:
    refused = exchange(transire.realm, instance, Credential(instance.account.id, "not-one-of-ours", 0))
    assert refused.status == 401
    [error] = refused.json()["errors"]
    assert error["code"] == "UNAUTHORIZED"
    assert re.search(r"\w", error["message"])


def test_a_credential_outlives_a_kill(transire: Transire, instance: Instance, new_registry: Callable[..., Registry]) -> None:
    """Once the client has its answer, not even kill -9 takes a long-term credential away."""
    credentials = []
    for _ in range(3):
        credentials.append(ISSUERS["longterm"](transire, instance))
        transire.kill()
        transire.start()
    registry = new_registry(transire, instance)
    for credential in credentials:
        assert_logs_in(registry, credential)
