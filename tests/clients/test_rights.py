"""Users and policies: a credential does what its user may do, and the real clients say what was denied."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import alibaba
import image
import tencent
from credential import exchange
from processes import wait_until
from registry import LOG_INS, REFUSALS, Registry, skopeo, skopeo_login
from service import AccessKey, Account, Instance, Transire


@pytest.fixture
def user(transire: Transire, account: Account) -> AccessKey:
    """The key of a user that may do nothing yet."""
    made = transire.cli("user", "create", "--account", account.id, "--name", "ci")
    assert made["user_id"].startswith("2")
    key = transire.cli("access-key", "create", "--account", account.id, "--user", "ci")
    return AccessKey(key["access_key_id"], transire.remember("access key secret", key["access_key_secret"]))


@pytest.fixture
def allow(transire: Transire, account: Account, tmp_path: Path) -> Callable[..., None]:
    """Gives the user a policy."""

    def attach(name: str, document: dict[str, Any]) -> None:
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(document))
        assert transire.cli("policy", "create", "--account", account.id, "--name", name, "--document", file)["warnings"] == []
        transire.cli("policy", "attach", "--account", account.id, "--name", name, "--user", "ci")

    return attach


def reader(instance: Instance) -> dict[str, Any]:
    """Credentials, and pulling from one namespace."""
    return {
        "version": "2.0",
        "statement": [
            {"effect": "allow", "action": "tcr:CreateInstanceToken", "resource": f"qcs::tcr:::instance/{instance.tcr_id}"},
            {"effect": "allow", "action": "tcr:PullRepository", "resource": f"qcs::tcr:::repository/{instance.tcr_id}/team/*"},
        ],
    }


def test_a_user_without_a_policy_hears_what_it_lacks(transire: Transire, instance: Instance, user: AccessKey) -> None:
    with pytest.raises(TencentCloudSDKException) as tencent_says:
        tencent.issue(transire, user, instance.tcr_id)
    assert tencent_says.value.code == "AuthFailure.UnauthorizedOperation"
    assert "(tcr:CreateInstanceToken)" in tencent_says.value.message
    with pytest.raises(ClientException) as alibaba_says:
        alibaba.issue(transire, user, instance.cri_id)
    assert (alibaba_says.value.code, alibaba_says.value.status_code) == ("NoPrivilege", 403)
    assert alibaba_says.value.access_denied_detail["NoPermissionType"] == "ImplicitDeny"


def test_a_reader_pulls_from_its_namespace_and_pushes_nowhere(
    transire: Transire, instance: Instance, registry: Registry, user: AccessKey, allow: Callable[..., None], tmp_path: Path
) -> None:
    allow("reader", reader(instance))
    image.write_oci_layout(tmp_path / "in", "v1")
    copy = ("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1")
    assert skopeo_login(registry, tencent.issue(transire, instance.account.key, instance.tcr_id)).returncode == 0
    for repository in ("team/tool", "other/tool"):
        assert skopeo(*copy, registry.reference(f"{repository}:v1")).returncode == 0

    assert skopeo_login(registry, tencent.issue(transire, user, instance.tcr_id)).returncode == 0
    assert skopeo("inspect", "--tls-verify=false", registry.reference("team/tool:v1")).returncode == 0
    for refused in (
        skopeo("inspect", "--tls-verify=false", registry.reference("other/tool:v1")),
        skopeo(*copy, registry.reference("team/tool:v2")),
    ):
        assert refused.returncode == 1
        assert "denied" in refused.stderr or "unauthorized" in refused.stderr, refused.stderr


def test_a_deny_beats_an_allow_in_whichever_language(
    transire: Transire, instance: Instance, registry: Registry, user: AccessKey, allow: Callable[..., None], tmp_path: Path
) -> None:
    allow("everything", {"version": "2.0", "statement": [{"effect": "allow", "action": "tcr:*", "resource": "*"}]})
    image.write_oci_layout(tmp_path / "in", "v1")
    copy = ("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1")
    assert skopeo_login(registry, tencent.issue(transire, user, instance.tcr_id)).returncode == 0
    assert skopeo(*copy, registry.reference("team/tool:v1")).returncode == 0
    frozen = {"Effect": "Deny", "Action": "cr:PushRepository", "Resource": f"acs:cr:*:*:repository/{instance.cri_id}/team/*"}
    allow("frozen", {"Version": "1", "Statement": [frozen]})
    wait_until("the deny to be obeyed", lambda: skopeo(*copy, registry.reference("team/tool:v2")).returncode == 1, within=5)
    assert skopeo(*copy, registry.reference("other/tool:v1")).returncode == 0
    assert skopeo("inspect", "--tls-verify=false", registry.reference("team/tool:v1")).returncode == 0


def test_a_denial_at_the_registry_is_in_the_log_with_its_reason(
    transire: Transire, instance: Instance, user: AccessKey, allow: Callable[..., None]
) -> None:
    allow("reader", reader(instance))
    answer = exchange(transire.realm, instance, tencent.issue(transire, user, instance.tcr_id), "repository:team/tool:pull,push")
    assert answer.status == 200
    [line] = [line for line in transire.log.read_text().splitlines() if answer.headers["X-Request-Id"] in line]
    assert "scope=repository:team/tool:pull,push granted=repository:team/tool:pull" in line
    assert "push: no statement allows it" in line and "closest came reader statement[0]" in line and "other actions" in line


def test_every_scope_that_is_not_granted_whole_is_in_the_log_with_its_reason(
    transire: Transire, account: Account, instance: Instance, user: AccessKey, allow: Callable[..., None]
) -> None:
    """The catalog, `*` and unknown types were left out of a token without a word to the operator."""
    allow("reader", reader(instance))
    reduced = {
        "repository:team/tool:*": "closest came reader statement[0]",
        "repository:other/tool:pull": "closest came reader statement[1]",
        "registry:catalog:*": "closest came reader statement[0]",
        "registry:other:*": "nothing but its catalog",
        "helm:team/tool:pull": "nothing is ever granted on a resource of this type",
    }
    whole = "repository:team/whole:pull"
    answer = exchange(transire.realm, instance, tencent.issue(transire, user, instance.tcr_id), whole, *reduced)
    assert answer.status == 200
    [line] = [line for line in transire.log.read_text().splitlines() if answer.headers["X-Request-Id"] in line]
    # All in one line: a request with 62 denied scopes wrote 62, and one connection 39 MB a second.
    parts = line.partition("reduced: ")[2].split(" | ")
    assert len(parts) == len(reduced), parts
    for scope, reason in reduced.items():
        [part] = [part for part in parts if part.startswith(f"scope={scope} ")]
        assert reason in part, part
    many = [f"repository:other/tool{number}:pull" for number in range(30)]
    answer = exchange(transire.realm, instance, tencent.issue(transire, user, instance.tcr_id), *many)
    [line] = [line for line in transire.log.read_text().splitlines() if answer.headers["X-Request-Id"] in line]
    assert line.count("scope=repository:other/tool") == 10 and "more=20" in line and len(line) <= 4096, line
    wait_until("the audit line", lambda: len(transire.items("audit", "list", "--since", "1h", "--outcome", "reduced")) == 2)


def refusals(transire: Transire, outcome: str, causes: set[str]) -> dict[str, dict[str, Any]]:
    """The audit's lines of an outcome by their causes, once all of these are there."""

    def listed() -> dict[str, dict[str, Any]]:
        return {line["cause"]: line for line in transire.items("audit", "list", "--since", "1h", "--outcome", outcome)}

    # A writer of its own stores them.
    wait_until(f"{causes} to be in the audit", lambda: causes <= listed().keys())
    return listed()


def test_a_refused_call_is_in_the_audit_with_its_cause(
    transire: Transire, account: Account, instance: Instance, user: AccessKey
) -> None:
    """The audit had no refused signed call at all, though its help says so."""
    with pytest.raises(TencentCloudSDKException) as failure:
        tencent.issue(transire, AccessKey(account.key.id, "wrong-EXAMPLE"), instance.tcr_id)
    with pytest.raises(ClientException) as refusal:
        alibaba.issue(transire, user, instance.cri_id)
    assert (failure.value.code, refusal.value.code) == ("AuthFailure.SignatureFailure", "NoPrivilege")
    wrong = refusals(transire, "refused", {"signature-mismatch"})["signature-mismatch"]
    assert (wrong["action"], wrong["claimed"], wrong["principal"]) == ("tcr:CreateInstanceToken", account.key.id, None)
    denied = refusals(transire, "denied", {"access-denied"})["access-denied"]
    assert (denied["action"], denied["claimed"]) == ("cr:GetAuthorizationToken", None)
    assert denied["principal"].startswith(f"{account.id}:user#")
    assert denied["request_id"] in transire.log.read_text()
    detail = denied["detail"]
    assert detail["permission"] == "tcr:CreateInstanceToken" and instance.tcr_id in detail["resource"], detail
    assert detail["decided"] == "no statement allows it: no policy that is attached says anything of it"


def test_a_refused_log_in_is_in_log_and_audit_with_its_cause(transire: Transire, account: Account, instance: Instance) -> None:
    """Neither had the username or a cause: expired, revoked and mistyped looked alike to the operator, too."""
    right = tencent.issue(transire, account.key, instance.tcr_id, "longterm")
    transire.cli("credential", "disable", "--instance", instance.tcr_id, "--id", right.id)
    causes = {
        "no-password": replace(right, secret="wrong-EXAMPLE1"),
        "unreadable-secret": replace(right, secret=right.secret[:-1]),
        "credential-disabled": right,
    }
    answers = {cause: exchange(transire.realm, instance, credential) for cause, credential in causes.items()}
    assert {(answer.status, answer.body) for answer in answers.values()} == {(401, answers["no-password"].body)}
    lines = refusals(transire, "refused", set(causes))
    for cause, answer in answers.items():
        request_id = answer.headers["X-Request-Id"]
        assert (lines[cause]["request_id"], lines[cause]["claimed"]) == (request_id, right.username)
        [logged] = [line for line in transire.log.read_text().splitlines() if request_id in line]
        assert cause in logged and f"claimed={right.username}" in logged


@pytest.mark.parametrize("tool", sorted(LOG_INS))
def test_a_log_in_that_a_tool_is_refused_says_in_the_audit_what_decided(
    transire: Transire, account: Account, instance: Instance, registry: Registry, tool: str
) -> None:
    """The audit had no word on whose credential it was, nor for which instance."""
    elsewhere = tencent.issue(transire, account.key, transire.new_instance(account, "elsewhere").tcr_id)
    right = tencent.issue(transire, account.key, instance.tcr_id)
    decided = {
        "other-instance": (elsewhere, "it is for tcr-"),
        "other-username": (replace(right, username="ci"), f"it logs in as {right.username}"),
    }
    for credential, _ in decided.values():
        refused = LOG_INS[tool](registry, credential)
        assert refused.returncode != 0 and REFUSALS[tool] in refused.stderr, refused.stderr
        assert "it is for" not in refused.stderr and "it logs in as" not in refused.stderr
    lines = refusals(transire, "refused", set(decided))
    for cause, (credential, text) in decided.items():
        line = lines[cause]
        assert line["claimed"] == credential.username and line["service"] == instance.service, line
        assert text in line["detail"]["decided"], line


def test_an_address_condition_is_obeyed_and_explained(
    transire: Transire, account: Account, instance: Instance, user: AccessKey, allow: Callable[..., None]
) -> None:
    elsewhere = {"ip_equal": {"qcs:ip": ["192.0.2.0/24"]}}
    document = reader(instance)
    document["statement"][1]["condition"] = elsewhere
    allow("from-elsewhere", document)
    credential = tencent.issue(transire, user, instance.tcr_id)
    token = exchange(transire.realm, instance, credential, "repository:team/tool:pull")
    assert token.status == 200
    pull = (f"{account.id}:user/ci", "pull", f"{instance.tcr_id}/team/tool")
    assert transire.explain(*pull, "--ip", "192.0.2.7")["decision"] == "allowed"
    denied = transire.explain(*pull, "--ip", "127.0.0.1")
    assert denied["decision"] == "denied"
    assert "from-elsewhere statement[1]" in denied["reason"]


def test_explain_exits_with_1_when_it_is_denied_and_with_2_when_it_can_not_say(
    transire: Transire, account: Account, instance: Instance, user: AccessKey, tmp_path: Path
) -> None:
    """It exited with 0 for what is denied: a script took it for allowed."""
    assert transire.explain(f"{account.id}:user/ci", "push", f"{instance.tcr_id}/team/tool")["decision"] == "denied"
    assert transire.explain(account.id, "push", f"{instance.cri_id}/team/tool")["decision"] == "allowed"
    ask = ("policy", "explain", "--action", "pull", "--resource", instance.tcr_id)
    assert "no user nobody" in transire.cli_refused(*ask, "--principal", f"{account.id}:user/nobody", exit_code=2)
    assert "a principal is written" in transire.cli_refused(*ask, "--principal", "nobody", exit_code=2)
    missing = tmp_path / "missing.toml"
    transire.cli_refused("--config", missing, *ask, "--principal", account.id, exit_code=2)


def test_a_real_denial_is_explained_by_its_request_id(
    transire: Transire, account: Account, instance: Instance, registry: Registry, user: AccessKey, allow: Callable[..., None], tmp_path: Path
) -> None:
    allow("reader", reader(instance))
    assert skopeo_login(registry, tencent.issue(transire, user, instance.tcr_id)).returncode == 0
    image.write_oci_layout(tmp_path / "in", "v1")
    push = ("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"))
    assert skopeo(*push).returncode == 1

    def reduced() -> list[dict[str, Any]]:
        return transire.items("audit", "list", "--since", "1h", "--outcome", "reduced")

    wait_until("the audit to have it", reduced, within=15)
    request_id = reduced()[-1]["request_id"]
    done = transire.run("policy", "explain", "--request-id", request_id)
    assert done.returncode == 1, done.stderr
    explained = json.loads(done.stdout)
    assert (explained["action"], explained["outcome"]) == ("token.exchange", "reduced")
    place = f"{instance.tcr_id}/team/tool"
    [denied] = [one for one in explained["decisions"] if one["action"] == "push"]
    assert (denied["resource"], denied["was_granted"], denied["decision"], denied["decided_by"]) == (place, False, "denied", "policies")
    assert "closest came reader statement[0]" in denied["reason"]

    document = reader(instance)
    document["statement"][1]["action"] = "tcr:PushRepository"
    allow("writer", document)
    explained = transire.cli("policy", "explain", "--request-id", request_id)
    assert {one["decision"] for one in explained["decisions"]} == {"allowed"}
    wait_until("the right to be heard of", lambda: skopeo(*push).returncode == 0, within=5)


def test_who_may_and_what_somebody_may_is_listed(
    transire: Transire, account: Account, instance: Instance, user: AccessKey, allow: Callable[..., None]
) -> None:
    allow("reader", reader(instance))
    place = f"{instance.tcr_id}/team/tool"
    who = transire.items("policy", "explain", "--who", "pull", place)
    assert [(one["principal"], one["when"]) for one in who] == [(f"{account.id}:root", "always"), (f"{account.id}:user/ci", "always")]
    assert who[1]["reason"] == "allowed by reader statement[1]"
    assert [one["principal"] for one in transire.items("policy", "explain", "--who", "push", place)] == [f"{account.id}:root"]
    what = transire.items("policy", "explain", "--what", f"{account.id}:user/ci")
    assert [(one["statement"], one["actions"]) for one in what] == [("statement[0]", ["issue-temporary", "issue-long-term"]), ("statement[1]", ["pull"])]
    assert "an action is" in transire.cli_refused("policy", "explain", "--who", "fly", place, exit_code=2)
    assert "no event of this request" in transire.cli_refused("policy", "explain", "--request-id", "none", exit_code=2)


def test_principals_are_taken_as_lists_and_the_clouds_write_them(
    transire: Transire, account: Account, instance: Instance, user: AccessKey, allow: Callable[..., None]
) -> None:
    allow("reader", reader(instance))
    credential = tencent.issue(transire, user, instance.tcr_id)
    [listed] = [key["principal"] for key in transire.items("access-key", "list", "--account", account.id) if key["access_key_id"] == user.id]
    uin = listed.partition("#")[2]
    for written in (listed, f"qcs::cam::uin/{account.id}:uin/{uin}", f"acs:ram::{account.id}:user/ci"):
        assert transire.explain(written, "pull", f"{instance.tcr_id}/team/tool")["decision"] == "allowed"
    assert exchange(transire.realm, instance, credential).status == 200
    assert transire.cli("revoke", "--principal", f"qcs::cam::uin/{account.id}:uin/{uin}")["principal"] == listed
    wait_until("it to be refused", lambda: exchange(transire.realm, instance, credential).status == 401, within=2)


def test_a_disabled_user_stops_within_a_second(
    transire: Transire, account: Account, instance: Instance, user: AccessKey, allow: Callable[..., None]
) -> None:
    allow("reader", reader(instance))
    credentials = [tencent.issue(transire, user, instance.tcr_id, kind) for kind in ("temp", "longterm")]
    for credential in credentials:
        assert exchange(transire.realm, instance, credential).status == 200
    by_user = transire.items("audit", "list", "--since", "1h", "--principal", f"{account.id}:user/ci")
    assert {line["credential_id"] for line in by_user if line["action"] == "credential.issue-long-term"} == {credentials[1].id}
    transire.cli("user", "disable", "--account", account.id, "--name", "ci")
    # Two seconds: the promised one, and a busy machine's.
    wait_until("both to be refused", lambda: all(exchange(transire.realm, instance, c).status == 401 for c in credentials), within=2)


def test_a_policy_is_refused_with_its_place(transire: Transire, account: Account, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(json.dumps({"version": "2.0", "statement": [{"effect": "allow", "action": "tcr:Fly", "resource": "*"}]}))
    refused = transire.cli_refused("policy", "create", "--account", account.id, "--name", "bad", "--document", file, exit_code=2)
    assert "statement[0].action" in refused and "Fly" in refused
