"""The admin API, by curl's rules and by the command line, and the lines of docs/admin-api.md."""

import json
import re
import subprocess
from pathlib import Path

import pytest

import alibaba
import tencent
from documents import Shell, take
from operators import Operators
from processes import wait_until
from service import Transire, fetch

PAGE = "docs/admin-api.md"
TOKEN, COMMANDS, CURL = take(PAGE, "Begin")


def test_a_stranger_is_refused_and_so_is_an_auditor_who_changes(operators: Operators) -> None:
    auditor = operators.token("bob", "auditor")
    for token in [None, "nonsense", "trso_EXAMPLE"]:
        status, headers, problem = operators.ask("GET", "/admin/v1/accounts", token)
        assert (status, headers["content-type"]) == (401, "application/problem+json")
        assert headers["www-authenticate"] == 'Bearer realm="operators"'
        assert problem["request_id"] == headers["x-request-id"]
    assert operators.ask("GET", "/admin/v1/accounts", auditor)[0] == 200
    status, _, problem = operators.ask("POST", "/admin/v1/accounts", auditor, {"name": "acme"})
    assert (status, problem["kind"]) == (403, "operator-denied")
    find = ("audit", "list", "--request-id", problem["request_id"])
    wait_until("the refusal to be stored", lambda: operators.transire.items(*find))
    [line] = operators.transire.items(*find)
    assert (line["principal"], line["action"], line["outcome"]) == ("operator/bob", "admin:CreateAccount", "denied")


# A fixed word of a path isn't taken for the id of a thing.
@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("PUT", "accounts", "GET, POST"), ("GET", "notices/test", "POST"), ("GET", "keys/signing", "POST")]
)
def test_another_method_is_a_problem_that_names_those_of_the_path(operators: Operators, method: str, path: str, allowed: str) -> None:
    body = {} if method == "PUT" else None
    status, headers, problem = operators.ask(method, f"/admin/v1/{path}", operators.token("alice", "admin"), body)
    assert (status, headers["content-type"], headers["allow"]) == (405, "application/problem+json", allowed)
    assert (problem["kind"], problem["request_id"]) == ("method-not-allowed", headers["x-request-id"])


def test_the_admin_api_is_not_where_clients_call(operators: Operators) -> None:
    answer = fetch(f"http://{operators.transire.endpoint}/admin/openapi.json")
    assert answer.status == 404
    assert fetch(f"{operators.at}/token?service=registry.example.com").status == 404


def test_the_description_is_the_one_that_is_checked_in(operators: Operators) -> None:
    status, _, served = operators.ask("GET", "/admin/openapi.json")
    kept = Path(__file__).parents[2] / "docs" / "openapi.json"
    assert (status, served["openapi"]) == (200, "3.1.0")
    assert served == json.loads(kept.read_text())


def test_a_repeated_creation_makes_one_thing(operators: Operators) -> None:
    token, another = operators.token("alice", "admin"), operators.token("carol", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    users = "/admin/v1/accounts/100000000001/users"
    status, _, first = operators.ask("POST", users, token, {"name": "ci"}, Idempotency_Key="k")
    assert (status, "replayed" in first) == (201, False)
    status, _, second = operators.ask("POST", users, token, {"name": "ci"}, Idempotency_Key="k")
    assert (status, second["replayed"], second["user_id"]) == (201, True, first["user_id"])
    status, _, other = operators.ask("POST", users, token, {"name": "cd"}, Idempotency_Key="k")
    assert (status, other["kind"]) == (422, "replayed")
    assert operators.ask("POST", users, another, {"name": "cd"}, Idempotency_Key="k")[0] == 201
    assert [user["name"] for user in operators.transire.items("user", "list", "--account", "100000000001")] == ["ci", "cd"]


def test_a_group_is_made_filled_shown_and_deleted(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    account = "/admin/v1/accounts/100000000001"
    operators.ask("POST", f"{account}/users", token, {"name": "ci"})
    status, _, made = operators.ask("POST", f"{account}/groups", token, {"name": "builders"})
    assert (status, made) == (201, {"name": "builders"})
    member = f"{account}/groups/builders/members/ci"
    assert operators.ask("PUT", member, token)[2] == {"name": "builders", "user": "ci", "member": True}
    assert operators.ask("GET", f"{account}/groups/builders", token)[2]["members"] == ["ci"]
    assert operators.ask("DELETE", member, token)[2]["member"] is False
    assert operators.ask("DELETE", f"{account}/groups/builders", token)[2]["state"] == "deleted"
    assert operators.ask("GET", f"{account}/groups/builders", token)[0] == 404


def test_an_access_key_shows_its_secret_once_and_is_deleted_for_ever(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    keys, new = "/admin/v1/access-keys", {"account": "100000000001"}
    status, _, made = operators.ask("POST", keys, token, new, Idempotency_Key="k")
    secret = operators.transire.remember("access key", made["access_key_secret"])
    assert (status, len(secret)) == (201, 32)
    key = f"{keys}/{made['access_key_id']}"
    status, _, again = operators.ask("POST", keys, token, new, Idempotency_Key="k")
    assert (status, again.pop("replayed")) == (201, True)
    assert again == operators.ask("GET", key, token)[2]
    assert sorted(again) == ["access_key_id", "account_id", "created_at", "last_used_at", "principal", "state"]
    assert operators.ask("POST", f"{key}/disable", token)[2]["state"] == "disabled"
    assert [item["state"] for item in operators.ask("GET", f"{keys}?account=100000000001", token)[2]["items"]] == ["disabled"]
    assert operators.ask("DELETE", key, token)[2]["state"] == "deleted"
    status, _, problem = operators.ask("GET", key, token)
    assert (status, problem["noun"]) == (404, "access key")


def test_an_account_admin_sees_no_access_key_of_another_account(operators: Operators) -> None:
    transire = operators.transire
    for name, account in [("acme", "100000000001"), ("other", "100000000002")]:
        transire.cli("account", "create", "--name", name, "--id", account)
    foreign = transire.cli("access-key", "create", "--account", "100000000002")["access_key_id"]
    token = operators.token("carol", "account-admin", "--account", "100000000001")
    assert operators.ask("GET", f"/admin/v1/access-keys/{foreign}", token)[0] == 404
    assert operators.ask("DELETE", f"/admin/v1/access-keys/{foreign}", token)[0] == 404
    assert operators.ask("GET", "/admin/v1/access-keys?account=100000000002", token)[0] == 403
    assert operators.ask("GET", "/admin/v1/access-keys", token)[2]["items"] == []


def test_a_role_is_made_by_its_text_and_refuses_a_token_as_a_field(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    roles, new = "/admin/v1/accounts/100000000001/roles", {"name": "builder", "trust_policy": TRUST, "max_session": "1h"}
    status, _, made = operators.ask("POST", roles, token, new, Idempotency_Key="k")
    assert (status, made["alibaba_arn"]) == (201, "acs:ram::100000000001:role/builder")
    _, _, again = operators.ask("POST", roles, token, new, Idempotency_Key="k")
    assert (again["role_id"], again["trust_policy"], again["replayed"]) == (made["role_id"], TRUST, True)
    status, _, problem = operators.ask("PATCH", f"{roles}/builder", token, {})
    assert (status, problem["parameter"]) == (400, "trust_policy")
    # 401 would be about the operator's token.
    status, _, problem = operators.ask("POST", f"{roles}/builder/test", token, {"token": STRANGE_JWT})
    assert (status, problem["parameter"]) == (400, "token")
    assert "web-identity-no-such-provider" in problem["detail"]
    status, _, problem = operators.ask("POST", f"{roles}/builder/test", token, {"token": "nonsense"})
    assert (status, problem["kind"]) == (422, "web-identity-malformed")


def test_a_policy_goes_to_one_object_at_a_time(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    account = "/admin/v1/accounts/100000000001"
    operators.ask("POST", f"{account}/users", token, {"name": "ci"})
    new = {"name": "pull", "document": POLICY}
    status, _, made = operators.ask("POST", f"{account}/policies", token, new, Idempotency_Key="k")
    assert (status, made["name"]) == (201, "pull")
    _, headers, shown = operators.ask("GET", f"{account}/policies/pull", token)
    assert shown == {"name": "pull", "document": POLICY}
    assert operators.ask("POST", f"{account}/policies", token, new, Idempotency_Key="k")[2] == shown | {"replayed": True}
    changed = {"document": POLICY.replace("Pull", "Push")}
    assert operators.ask("PATCH", f"{account}/policies/pull", token, changed, If_Match=headers["etag"])[0] == 200
    assert operators.ask("PATCH", f"{account}/policies/pull", token, changed, If_Match=headers["etag"])[0] == 409
    attach = f"{account}/policies/pull/attach"
    status, _, problem = operators.ask("POST", attach, token, {"user": "ci", "role": "builder"})
    assert (status, problem["parameter"]) == (400, "user")
    assert operators.ask("POST", attach, token, {"user": "ci"})[2] == {"name": "pull", "target": "user/ci", "attached": True}
    [item] = operators.ask("GET", f"{account}/policies", token)[2]["items"]
    assert item["attached_to"] == ["user/ci"]


def test_those_who_may_do_it_come_page_by_page(operators: Operators) -> None:
    transire, token = operators.transire, operators.token("alice", "auditor")
    transire.cli("account", "create", "--name", "acme", "--id", "100000000001")
    made = transire.cli("instance", "create", "--account", "100000000001", "--name", "demo", "--service", "registry.example.com")
    holders = f"/admin/v1/explain/holders?action=pull&resource={made['tcr_id']}/team/app"
    status, _, page = operators.ask("GET", holders, token)
    assert (status, [item["principal"] for item in page["items"]], page["next"]) == (200, ["100000000001:root"], None)
    status, _, problem = operators.ask("GET", f"{holders}&after=nonsense", token)
    assert (status, problem["parameter"]) == (400, "after")
    question = {"principal": "100000000001:root", "token": STRANGE_JWT, "action": "pull", "resource": made["tcr_id"]}
    status, _, problem = operators.ask("POST", "/admin/v1/explain", token, question)
    assert (status, problem["parameter"]) == (400, "token")


def test_a_provider_of_a_platform_comes_with_a_trust_policy(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    providers = "/admin/v1/accounts/100000000001/oidc-providers"
    new = {"name": "ci", "preset": "github", "audience": ["acme"]}
    status, _, made = operators.ask("POST", providers, token, new, Idempotency_Key="k")
    assert (status, made["algorithms"], made["keys"]) == (201, ["RS256"], "fetched")
    assert "acs:ram::100000000001:oidc-provider/ci" in made["trust_policy"]
    _, _, again = operators.ask("POST", providers, token, new, Idempotency_Key="k")
    assert (again["issuer"], again["jwks"], again["replayed"]) == (made["issuer"], None, True)
    status, _, problem = operators.ask("POST", providers, token, {"name": "other", "audience": ["acme"]})
    assert (status, problem["parameter"]) == (400, "issuer")
    assert operators.ask("PATCH", f"{providers}/ci", token, {})[0] == 400
    assert operators.ask("PATCH", f"{providers}/ci", token, {"algorithm": ["ES256"]})[2]["algorithms"] == ["ES256"]
    status, _, problem = operators.ask("POST", f"{providers}/ci/check", token, {"token": STRANGE_JWT})
    assert (status, problem["kind"].startswith("web-identity-")) == (422, True)
    assert operators.ask("DELETE", f"{providers}/ci", token)[2] == {"name": "ci", "state": "deleted"}


def test_a_subject_is_refused_until_it_is_accepted(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    subjects = "/admin/v1/accounts/100000000001/refused-subjects"
    subject = {"subject": "repo:example-org/app", "issuer": "https://issuer.example.com"}
    both = subject | {"oidc_provider": "ci"}
    status, _, problem = operators.ask("POST", subjects, token, both)
    assert (status, problem["parameter"]) == (400, "issuer")
    assert operators.ask("POST", subjects, token, subject)[2]["state"] == "refused"
    [item] = operators.ask("GET", subjects, token)[2]["items"]
    assert item["subject"] == "repo:example-org/app"
    named = "subject=repo:example-org/app&issuer=https://issuer.example.com"
    assert operators.ask("DELETE", f"{subjects}?{named}", token)[2]["state"] == "accepted"
    assert operators.ask("DELETE", f"{subjects}?{named}", token)[0] == 404


def test_an_auditor_revokes_nothing(operators: Operators) -> None:
    token = operators.token("bob", "auditor")
    status, _, problem = operators.ask("POST", "/admin/v1/revoke", token, {"principal": "100000000001:root"})
    assert (status, problem["kind"]) == (403, "operator-denied")


def test_a_repeated_account_is_the_one_that_was_made(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    first = operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme"}, Idempotency_Key="k")
    again = operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme"}, Idempotency_Key="k")
    assert (first[0], again[0]) == (201, 201)
    assert (again[2]["account_id"], again[2]["replayed"]) == (first[2]["account_id"], True)


def test_a_change_names_what_it_saw(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    account = "/admin/v1/accounts/100000000001"
    _, headers, _ = operators.ask("GET", account, token)
    change = {"service_account_grant": "vendor"}
    assert operators.ask("PATCH", account, token, change, If_Match=headers["etag"])[0] == 200
    status, _, problem = operators.ask("PATCH", account, token, change, If_Match=headers["etag"])
    assert (status, problem["kind"]) == (409, "precondition-failed")


def test_a_list_has_pages_an_order_and_filters(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    users = "/admin/v1/accounts/100000000001/users"
    for name in ["c", "a", "d", "b"]:
        operators.ask("POST", users, token, {"name": name})
    operators.ask("POST", f"{users}/d/disable", token)
    names, after = [], ""
    while True:
        _, _, page = operators.ask("GET", f"{users}?limit=3&sort=-name{after}", token)
        names += [user["name"] for user in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert names == ["d", "c", "b", "a"]
    _, _, page = operators.ask("GET", f"{users}?state=disabled", token)
    assert [user["name"] for user in page["items"]] == ["d"]
    status, _, problem = operators.ask("GET", f"{users}?colour=red", token)
    assert (status, problem["kind"], problem["parameter"]) == (400, "unknown-parameter", "colour")


def test_an_instance_is_made_changed_and_deleted_from_elsewhere(operators: Operators) -> None:
    token_file = operators.token_file("alice", "admin")
    token = token_file.read_text()
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    new = {"account": "100000000001", "name": "demo", "service": "zot.example.com", "kind": "zot"}
    status, _, made = operators.ask("POST", "/admin/v1/instances", token, new, Idempotency_Key="k")
    assert (status, made["kind"], made["token_ttl"]) == (201, "zot", 3600)
    _, _, again = operators.ask("POST", "/admin/v1/instances", token, new, Idempotency_Key="k")
    assert (again["tcr_id"], again["region"], again["replayed"]) == (made["tcr_id"], "ap-guangzhou", True)
    instance = f"/admin/v1/instances/{made['tcr_id']}"
    change = {"no_registry_url": True, "registry_url": "https://registry.example.com"}
    status, _, problem = operators.ask("PATCH", instance, token, change)
    assert (status, problem["parameter"]) == (400, "no_registry_url")
    _, _, page = operators.ask("GET", "/admin/v1/instances?kind=zot", token)
    assert [item["name"] for item in page["items"]] == ["demo"]
    command = ["instance", "delete", "--instance", made["cri_id"], "--with-contents", "--output", "json"]
    at = ["--server", operators.at, "--token-file", token_file]
    deleted = subprocess.run([operators.transire.binary, *at, *command], capture_output=True, text=True, check=True)
    assert json.loads(deleted.stdout) == {"tcr_id": made["tcr_id"], "state": "deleted"}
    assert operators.ask("GET", instance, token)[0] == 404


TRUST = json.dumps({
    "version": "2.0",
    "statement": [{
        "effect": "allow",
        "action": "name/sts:AssumeRole",
        "principal": {"qcs": ["qcs::cam::uin/100000000001:root"]},
    }],
})

POLICY = json.dumps({
    "version": "2.0",
    "statement": [{"effect": "allow", "action": "tcr:PullRepository", "resource": "*"}],
})

# The issuer is https://issuer.example.com, of which there is no provider.
STRANGE_JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlLmNvbSIsInN1YiI6IkVYQU1QTEUiLCJhdWQiOiJFWEFNUExFIiwiaWF0IjowLCJleHAiOjQxMDI0NDQ4MDB9.RVhBTVBMRQ"


def test_an_operator_is_made_and_rotated_from_elsewhere(operators: Operators) -> None:
    admin, operator = operators.token("alice", "admin"), "/admin/v1/operators/bob"
    new = {"name": "bob", "role": "account-admin"}
    status, _, problem = operators.ask("POST", "/admin/v1/operators", admin, new)
    assert (status, problem["kind"], problem["parameter"]) == (400, "invalid-parameter", "account")
    status, _, made = operators.ask("POST", "/admin/v1/operators", admin, {"name": "bob", "role": "auditor"}, Idempotency_Key="k")
    first = operators.transire.remember("operator token", made["token"])
    assert (status, set(made)) == (201, {"operator_id", "name", "role", "account", "token"})
    _, _, again = operators.ask("POST", "/admin/v1/operators", admin, {"name": "bob", "role": "auditor"}, Idempotency_Key="k")
    assert (again["operator_id"], again["replayed"], "token" in again) == (made["operator_id"], True, False)
    _, _, rotated = operators.ask("POST", f"{operator}/rotate", admin, {"grace": "0"}, Idempotency_Key="r")
    second = operators.transire.remember("operator token", rotated["token"])
    _, _, again = operators.ask("POST", f"{operator}/rotate", admin, {"grace": "0"}, Idempotency_Key="r")
    assert (again["replayed"], "token" in again) == (True, False)
    assert [operators.ask("GET", operator, token)[0] for token in (first, second)] == [401, 200]
    assert operators.ask("POST", f"{operator}/rotate", second)[0] == 403
    assert operators.ask("POST", f"{operator}/disable", admin)[2] == {"name": "bob", "state": "disabled"}
    assert operators.ask("GET", operator, second)[0] == 401


def test_a_command_shows_a_token_from_elsewhere(operators: Operators) -> None:
    at = ["--server", operators.at, "--token-file", operators.token_file("alice", "admin"), "--output", "json"]
    for command in [["create", "--role", "auditor"], ["rotate", "--grace", "1h"]]:
        done = subprocess.run([operators.transire.binary, *at, "operator", *command, "--name", "bob"], capture_output=True, text=True, check=True)
        token = operators.transire.remember("operator token", json.loads(done.stdout)["token"])
        assert operators.ask("GET", "/admin/v1/operators/bob", token)[0] == 200


def test_a_namespace_is_recorded_shown_and_deleted(operators: Operators) -> None:
    token, auditor = operators.token("alice", "admin"), operators.token("bob", "auditor")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    new = {"account": "100000000001", "name": "demo", "service": "registry.example.com"}
    instance = f"/admin/v1/instances/{operators.ask('POST', '/admin/v1/instances', token, new)[2]['tcr_id']}"
    status, _, made = operators.ask("POST", f"{instance}/namespaces", token, {"name": "team", "public": True}, Idempotency_Key="k")
    assert (status, made["visibility"], made["auto_create"]) == (201, "public", True)
    _, _, again = operators.ask("POST", f"{instance}/namespaces", token, {"name": "team", "public": True}, Idempotency_Key="k")
    assert again == {**made, "replayed": True}
    assert operators.ask("GET", f"{instance}/namespaces/team", token)[2] == made
    assert operators.ask("GET", f"{instance}/namespaces?visibility=public", token)[2]["items"] == [made]
    _, _, unrecorded = operators.ask("PUT", f"{instance}/unrecorded-namespaces", token, {"state": "closed"})
    assert unrecorded["unrecorded_namespaces"] == "closed"
    assert operators.ask("DELETE", f"{instance}/namespaces/team", auditor)[0] == 403
    assert operators.ask("DELETE", f"{instance}/namespaces/team", token)[2] == {"name": "team", "state": "deleted"}
    assert operators.ask("GET", f"{instance}/namespaces/team", token)[0] == 404


def test_a_repository_is_recorded_shown_and_deleted(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    new = {"account": "100000000001", "name": "demo", "service": "registry.example.com"}
    instance = f"/admin/v1/instances/{operators.ask('POST', '/admin/v1/instances', token, new)[2]['tcr_id']}"
    operators.ask("POST", f"{instance}/namespaces", token, {"name": "team"})
    repository = {"namespace": "team", "name": "lint"}
    status, _, made = operators.ask("POST", f"{instance}/repositories", token, repository, Idempotency_Key="k")
    assert (status, made["name"]) == (201, "team/lint")
    _, _, again = operators.ask("POST", f"{instance}/repositories", token, repository, Idempotency_Key="k")
    assert again == {**made, "replayed": True}
    assert operators.ask("GET", f"{instance}/repositories/team/lint", token)[2] == made
    assert operators.ask("GET", f"{instance}/repositories/team/tools%2Flint", token)[0] == 404
    assert operators.ask("GET", f"{instance}/repositories?namespace=team", token)[2] == {"items": [made], "next": None}
    assert operators.ask("GET", f"{instance}/repositories?namespace=other", token)[2]["items"] == []
    status, _, refused = operators.ask("DELETE", f"{instance}/namespaces/team", token)
    assert (status, refused["kind"], refused["noun"]) == (409, "precondition-failed", "namespace")
    status, _, refused = operators.ask("POST", f"{instance}/repositories/import", token)
    assert (status, refused["kind"]) == (403, "unsupported")
    _, _, deleted = operators.ask("DELETE", f"{instance}/repositories/team/lint", token)
    assert deleted == {"name": "team/lint", "state": "deleted"}


def test_an_allow_list_is_filled_and_switched(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    new = {"account": "100000000001", "name": "demo", "service": "registry.example.com"}
    instance = operators.ask("POST", "/admin/v1/instances", token, new)[2]["tcr_id"]
    allow_list = f"/admin/v1/instances/{instance}/allow-list"
    entry = {"cidr": "192.0.2.7/24", "comment": "office"}
    status, _, added = operators.ask("POST", f"{allow_list}/entries", token, entry, Idempotency_Key="k")
    assert (status, added) == (201, {"cidr": "192.0.2.7/24", "state": "added"})
    _, _, again = operators.ask("POST", f"{allow_list}/entries", token, entry, Idempotency_Key="k")
    assert again == {**entry, "replayed": True}
    assert operators.ask("GET", f"/admin/v1/instances/{instance}", token)[2]["allow_list"] == "enabled"
    status, _, refused = operators.ask("POST", f"{allow_list}/entries", token, {"cidr": "office"})
    assert (status, refused["parameter"]) == (400, "cidr")
    assert operators.ask("POST", f"{allow_list}/disable", token)[2] == {"instance": instance, "state": "disabled"}
    assert operators.ask("POST", f"{allow_list}/enable", token)[2] == {"instance": instance, "state": "enabled"}
    removed = operators.ask("DELETE", f"{allow_list}/entries/192.0.2.0%2F24", token)[2]
    assert removed == {"cidr": "192.0.2.0/24", "state": "removed"}
    assert operators.ask("GET", f"{allow_list}/entries", token)[2]["items"] == []


def test_a_long_list_has_each_item_once(operators: Operators) -> None:
    """Its pages are read from the store, by what the page before ended with."""
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    new = {"account": "100000000001", "name": "demo", "service": "registry.example.com"}
    namespaces = f"/admin/v1/instances/{operators.ask('POST', '/admin/v1/instances', token, new)[2]['tcr_id']}/namespaces"
    names = [f"team-{number}" for number in range(7)]
    for name in names:
        operators.ask("POST", namespaces, token, {"name": name})
    found, after = [], ""
    while True:
        _, _, page = operators.ask("GET", f"{namespaces}?limit=3{after}", token)
        found += [item["name"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
        # The list shrinks in front of the page that comes next.
        operators.ask("DELETE", f"{namespaces}/{found[len(found) // 3 - 1]}", token)
    assert found == names


def make_credentials(transire: Transire, instance: dict[str, str]) -> str:
    """Makes credentials of each kind by the clouds' APIs; the id of a long-term one."""
    key, id = transire.new_access_key("100000000001"), instance["tcr_id"]
    tencent.create_service_account(transire, key, id, "robot")
    alibaba.reset_login_password(transire, key, instance["cri_id"], "correct-horse-1-EXAMPLE")
    return [tencent.issue(transire, key, id, "longterm").id for _ in range(2)][0]


def test_credentials_are_shown_stopped_and_deleted(operators: Operators) -> None:
    token, auditor = operators.token("alice", "admin"), operators.token("bob", "auditor")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    new = {"account": "100000000001", "name": "demo", "service": "registry.example.com"}
    made = operators.ask("POST", "/admin/v1/instances", token, new)[2]
    instance = f"/admin/v1/instances/{made['tcr_id']}"
    id = make_credentials(operators.transire, made)
    credential = f"{instance}/credentials/{id}"
    _, _, shown = operators.ask("GET", credential, auditor)
    assert (shown["id"], shown["principal"], shown["state"]) == (id, "100000000001:root", "active")
    assert operators.ask("POST", f"{credential}/disable", auditor)[0] == 403
    assert operators.ask("POST", f"{credential}/disable", token)[2] == {"id": id, "state": "disabled"}
    _, _, page = operators.ask("GET", f"{instance}/credentials?state=disabled", token)
    assert [item["id"] for item in page["items"]] == [id]
    assert operators.ask("DELETE", credential, token)[2] == {"id": id, "state": "deleted"}
    assert operators.ask("GET", credential, token)[0] == 404
    assert operators.ask("GET", f"{instance}/credentials/nonsense", token)[0] == 400
    [password] = operators.ask("GET", f"{instance}/passwords", token)[2]["items"]
    assert password["principal"] == "100000000001:root"
    assert operators.ask("DELETE", f"{instance}/passwords/100000000001:root", token)[2]["state"] == "deleted"
    assert operators.ask("GET", f"{instance}/passwords", token)[2]["items"] == []


def test_a_service_account_is_shown_and_stopped(operators: Operators) -> None:
    token = operators.token("alice", "admin")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    new = {"account": "100000000001", "name": "demo", "service": "registry.example.com"}
    made = operators.ask("POST", "/admin/v1/instances", token, new)[2]
    make_credentials(operators.transire, made)
    accounts = f"/admin/v1/instances/{made['tcr_id']}/service-accounts"
    assert operators.ask("POST", f"{accounts}/robot/disable", token)[2] == {"name": "robot", "state": "disabled"}
    _, _, shown = operators.ask("GET", f"{accounts}/tcr$robot", token)
    assert (shown["name"], shown["disabled_by"], "password" in shown) == ("tcr$robot", "operator", False)
    assert operators.ask("GET", accounts, token)[2]["items"] == [shown]
    made_by = "/admin/v1/service-accounts?made_by=100000000001:root"
    assert operators.ask("GET", made_by, token)[2]["items"] == [shown]
    status, _, refused = operators.ask("GET", "/admin/v1/service-accounts", token)
    assert (status, refused["kind"], refused["parameter"]) == (400, "missing-parameter", "made_by")


def test_a_registrys_files_are_answered_for_its_machine(operators: Operators, tmp_path: Path) -> None:
    token_file = operators.token_file("alice", "admin")
    token, auditor = token_file.read_text(), operators.token("bob", "auditor")
    operators.ask("POST", "/admin/v1/accounts", token, {"name": "acme", "id": "100000000001"})
    new = {"account": "100000000001", "name": "demo", "service": "zot.example.com", "kind": "zot"}
    instance = operators.ask("POST", "/admin/v1/instances", token, new)[2]["tcr_id"]
    files = f"/admin/v1/instances/{instance}/registry-config?kind=zot&directory="
    status, _, shown = operators.ask("GET", f"{files}/etc/zot&storage=/srv/images", auditor)
    assert (status, shown["config"]["path"], shown["trusted"]["path"]) == (200, "/etc/zot/config.json", "/etc/zot/key.pem")
    config = json.loads(shown["config"]["text"])
    assert (config["storage"]["rootDirectory"], config["http"]["auth"]["bearer"]["cert"]) == ("/srv/images", "/etc/zot/key.pem")
    for path, parameter in [("etc", "directory"), ("/etc/zot&storage=images", "storage"), ("/etc/zot&realm=nonsense", "realm")]:
        status, _, refused = operators.ask("GET", files + path, token)
        assert (status, refused["parameter"]) == (400, parameter)
    command = ["registry-config", "--instance", instance, "--kind", "zot", "--out", "out", "--output", "json"]
    at = ["--server", operators.at, "--token-file", token_file]
    written = subprocess.run([operators.transire.binary, *at, *command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(written.stdout)["key"] == str(tmp_path / "out" / "key.pem")
    assert (tmp_path / "out" / "key.pem").read_text() == shown["trusted"]["text"]
    again = subprocess.run([operators.transire.binary, *at, *command, "--listen", "127.0.0.1:5001"], capture_output=True, text=True, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (1, "") and "--force" in again.stderr


COMMANDS_IN_BOTH_WAYS = [
    ["activity"],
    ["activity", "--span", "30d"],
    ["operator", "list"],
    ["operator", "list", "--filter", "role=auditor"],
    ["operator", "show", "--name", "bob"],
    ["operator", "show", "--name", "nobody"],
    ["operator", "disable", "--name", "bob"],
    ["operator", "enable", "--name", "bob"],
    ["operator", "delete", "--name", "nobody"],
    ["operator", "create", "--name", "bob", "--role", "auditor"],
    ["operator", "create", "--name", "carol", "--role", "account-admin"],
    ["operator", "create", "--name", "carol", "--role", "admin", "--account", "100000000001"],
    ["operator", "rotate", "--name", "bob", "--grace", "31d"],
    ["operator", "rotate", "--name", "nobody"],
    ["status"],
    ["audit", "list", "--action", "user.create"],
    ["audit", "list", "--action", "user.create", "--limit", "1", "--reverse"],
    ["audit", "list", "--instance", "INSTANCE", "--outcome", "ok"],
    ["audit", "list", "--principal", "100000000001:user/nobody"],
    ["audit", "list", "--instance", "tcr-00000000"],
    ["audit", "list", "--since", "2125-01-01"],
    ["apply", "--file", "STATE", "--dry-run"],
    ["apply", "--file", "STATE", "--dry-run", "--exit-code", "--prune"],
    ["apply", "--file", "GARBAGE"],
    ["export"],
    ["export", "--account", "100000000009"],
    ["keys", "list"],
    ["keys", "list", "--filter", "kind=ca"],
    ["keys", "show", "--id", "nothing"],
    ["keys", "rotate", "ca"],
    ["keys", "rotate", "ca", "--activate"],
    ["keys", "rotate", "ca", "--retire"],
    ["keys", "rotate", "ca", "--cancel"],
    ["keys", "rotate", "signing", "--algorithm", "RS256"],
    ["keys", "rotate", "signing", "--instance", "INSTANCE"],
    ["keys", "rotate", "signing", "--instance", "ZOT"],
    ["keys", "rotate", "signing", "--instance", "ZOT", "--activate"],
    ["keys", "rotate", "signing", "--instance", "ZOT", "--cancel"],
    ["keys", "csr", "--out", "FOLDER"],
    ["keys", "import-leaf", "GARBAGE"],
    ["keys", "import-ca", "GARBAGE"],
    ["import", "htpasswd", "HTPASSWD", "--account", "100000000001", "--instance", "INSTANCE", "--dry-run"],
    ["import", "htpasswd", "HTPASSWD", "--account", "100000000001", "--instance", "INSTANCE", "--pull", "team", "--rename", "nobody=carol"],
    ["import", "htpasswd", "HTPASSWD", "--account", "100000000001", "--instance", "tcr-00000000"],
    ["import", "docker-auth", "DOCKER_AUTH", "--account", "100000000001", "--instance", "INSTANCE", "--dry-run"],
    ["import", "docker-auth", "GARBAGE", "--account", "100000000001", "--instance", "INSTANCE"],
    ["account", "list"],
    ["account", "show", "--id", "100000000001"],
    ["account", "update", "--id", "100000000001", "--service-account-grant", "vendor"],
    ["user", "list", "--account", "100000000001"],
    ["user", "list", "--account", "100000000001", "--sort", "-name", "--limit", "1"],
    ["user", "list", "--account", "100000000001", "--filter", "state=disabled"],
    ["user", "show", "--account", "100000000001", "--name", "alice"],
    ["user", "disable", "--account", "100000000001", "--name", "alice"],
    ["user", "enable", "--account", "100000000001", "--name", "alice"],
    ["user", "show", "--account", "100000000001", "--name", "nobody"],
    ["user", "create", "--account", "100000000001", "--name", "alice"],
    ["user", "delete", "--account", "100000000001", "--name", "nobody"],
    ["group", "create", "--account", "100000000001", "--name", "builders"],
    ["group", "list", "--account", "100000000001"],
    ["group", "show", "--account", "100000000001", "--name", "builders"],
    ["group", "show", "--account", "100000000001", "--name", "nobody"],
    ["group", "add", "--account", "100000000001", "--name", "builders", "--user", "bob"],
    ["group", "remove", "--account", "100000000001", "--name", "builders", "--user", "alice"],
    ["group", "delete", "--account", "100000000001", "--name", "nobody"],
    ["access-key", "create", "--account", "100000000001", "--user", "nobody"],
    ["access-key", "list"],
    ["access-key", "list", "--account", "100000000001", "--columns", "principal,state"],
    ["access-key", "list", "--account", "100000000002"],
    ["access-key", "show", "--id", "KEY"],
    ["access-key", "show", "--id", "AKIDEXAMPLE0123456789abcdefghij01234"],
    ["access-key", "disable", "--id", "KEY"],
    ["access-key", "enable", "--id", "KEY"],
    ["access-key", "delete", "--id", "AKIDEXAMPLE0123456789abcdefghij01234"],
    ["role", "list", "--account", "100000000001"],
    ["role", "show", "--account", "100000000001", "--name", "builder"],
    ["role", "show", "--account", "100000000001", "--name", "nobody"],
    ["role", "create", "--account", "100000000001", "--name", "builder", "--trust-policy", "TRUST"],
    ["role", "create", "--account", "100000000001", "--name", "other", "--trust-policy", "TOKEN"],
    ["role", "create", "--account", "100000000001", "--name", "other", "--trust-policy", "TRUST", "--max-session", "13h"],
    ["role", "update", "--account", "100000000001", "--name", "builder", "--trust-policy", "TRUST", "--max-session", "1h"],
    ["role", "update", "--account", "100000000001", "--name", "builder", "--trust-policy", "TOKEN"],
    ["role", "test", "--account", "100000000001", "--name", "builder", "--token", "TOKEN"],
    ["role", "test", "--account", "100000000001", "--name", "nobody", "--token", "TOKEN"],
    ["role", "delete", "--account", "100000000001", "--name", "nobody"],
    ["policy", "list", "--account", "100000000001"],
    ["policy", "show", "--account", "100000000001", "--name", "pull"],
    ["policy", "show", "--account", "100000000001", "--name", "QcloudTCRFullAccess"],
    ["policy", "show", "--account", "100000000001", "--name", "nobody"],
    ["policy", "create", "--account", "100000000001", "--name", "pull", "--document", "POLICY"],
    ["policy", "create", "--account", "100000000001", "--name", "other", "--document", "TRUST"],
    ["policy", "update", "--account", "100000000001", "--name", "pull", "--document", "POLICY"],
    ["policy", "update", "--account", "100000000001", "--name", "nobody", "--document", "POLICY"],
    ["policy", "delete", "--account", "100000000001", "--name", "nobody"],
    ["policy", "delete", "--account", "100000000001", "--name", "pull"],
    ["policy", "attach", "--account", "100000000001", "--name", "pull", "--user", "alice"],
    ["policy", "attach", "--account", "100000000001", "--name", "pull", "--role", "nobody"],
    ["policy", "detach", "--account", "100000000001", "--name", "pull", "--group", "builders"],
    ["policy", "check", "--document", "POLICY"],
    ["policy", "explain", "--principal", "100000000001:user/alice", "--action", "pull", "--resource", "APP"],
    ["policy", "explain", "--principal", "100000000001:user/alice", "--action", "push", "--resource", "APP", "--address", "192.0.2.1"],
    ["policy", "explain", "--principal", "100000000001:user/alice", "--action", "pull", "--resource", "APP", "--session-policy", "TRUST"],
    ["policy", "explain", "--principal", "100000000001:user/alice", "--action", "pull", "--resource", "APP", "--session-policy", "POLICY"],
    ["policy", "explain", "--principal", "100000000001:user/nobody", "--action", "pull", "--resource", "APP"],
    ["policy", "explain", "--principal", "100000000001:user/alice", "--action", "pull", "--resource", "tcr-00000000"],
    ["policy", "explain", "--token", "TOKEN", "--action", "pull", "--resource", "APP"],
    ["policy", "explain", "--who", "pull", "APP"],
    ["policy", "explain", "--who", "pull", "APP", "--columns", "principal"],
    ["policy", "explain", "--who", "nothing", "APP"],
    ["policy", "explain", "--what", "100000000001:user/alice"],
    ["policy", "explain", "--what", "100000000001:user/nobody"],
    ["policy", "explain", "--request-id", "REQUEST"],
    ["policy", "explain", "--request-id", "nonsense", "--since", "1h"],
    ["oidc-provider", "create", "--account", "100000000001", "--name", "ci", "--preset", "github", "--audience", "acme"],
    ["oidc-provider", "create", "--account", "100000000001", "--name", "k8s", "--preset", "kubernetes", "--audience", "acme"],
    ["oidc-provider", "create", "--account", "100000000001", "--name", "other", "--issuer", "https://issuer.example.com", "--audience", "acme", "--jwks", "TOKEN"],
    ["oidc-provider", "list", "--account", "100000000001"],
    ["oidc-provider", "show", "--account", "100000000001", "--name", "ci"],
    ["oidc-provider", "show", "--account", "100000000001", "--name", "nobody"],
    ["oidc-provider", "update", "--account", "100000000001", "--name", "ci", "--audience", "acme", "--audience", "other", "--algorithm", "ES256"],
    ["oidc-provider", "update", "--account", "100000000001", "--name", "ci", "--jwks", "TOKEN"],
    ["oidc-provider", "check", "--account", "100000000001", "--name", "ci", "--token", "TOKEN"],
    ["oidc-provider", "check", "--account", "100000000001", "--name", "nobody", "--token", "TOKEN"],
    ["oidc-provider", "refused", "--account", "100000000001"],
    ["oidc-provider", "delete", "--account", "100000000001", "--name", "nobody"],
    ["revoke", "--principal", "100000000001:user/alice"],
    ["revoke", "--principal", "100000000001:user/nobody"],
    ["revoke", "--principal", "operator"],
    ["revoke", "--principal", "100000000001:root", "--credential", "0123456789abcdefghij"],
    ["revoke", "--subject", "builder", "--account", "100000000001", "--oidc-provider", "ci"],
    ["revoke", "--subject", "builder", "--account", "100000000001", "--issuer", "https://issuer.example.com"],
    ["revoke", "--subject", "builder", "--account", "100000000001", "--oidc-provider", "nobody"],
    ["revoke", "--subject", "builder", "--account", "100000000001"],
    ["revoke", "--subject", "builder", "--account", "100000000001", "--oidc-provider", "ci", "--take-back"],
    ["account", "create", "--name", "again", "--id", "100000000001"],
    ["instance", "list"],
    ["instance", "show", "--instance", "INSTANCE"],
    ["instance", "show", "--instance", "tcr-00000000"],
    ["instance", "update", "--instance", "INSTANCE", "--registry-url", "https://registry.example.com"],
    ["instance", "update", "--instance", "INSTANCE", "--specification", "basic", "--refresh-tokens", "on", "--public-endpoint", "closed"],
    ["instance", "update", "--instance", "INSTANCE", "--activate"],
    ["instance", "update", "--instance", "INSTANCE"],
    ["instance", "delete", "--instance", "tcr-00000000"],
    ["instance", "create", "--account", "100000000001", "--name", "again", "--service", "registry.example.com"],
    ["namespace", "list", "--instance", "INSTANCE"],
    ["namespace", "list", "--instance", "INSTANCE", "--limit", "1"],
    ["namespace", "list", "--instance", "INSTANCE", "--sort", "-name", "--filter", "visibility=private"],
    ["namespace", "list", "--instance", "tcr-00000000"],
    ["namespace", "show", "--instance", "INSTANCE", "--name", "team"],
    ["namespace", "show", "--instance", "INSTANCE", "--name", "nothing"],
    ["namespace", "create", "--instance", "INSTANCE", "--name", "team"],
    ["namespace", "create", "--instance", "INSTANCE", "--name", "Not Allowed"],
    ["namespace", "delete", "--instance", "INSTANCE", "--name", "team"],
    ["namespace", "delete", "--instance", "INSTANCE", "--name", "nothing"],
    ["namespace", "unrecorded", "--instance", "INSTANCE", "closed"],
    ["repository", "list", "--instance", "INSTANCE"],
    ["repository", "list", "--instance", "INSTANCE", "--namespace", "open", "--limit", "1"],
    ["repository", "list", "--instance", "INSTANCE", "--sort", "-name", "--filter", "visibility=private"],
    ["repository", "show", "--instance", "INSTANCE", "--namespace", "team", "--name", "lint"],
    ["repository", "show", "--instance", "INSTANCE", "--namespace", "team", "--name", "nothing"],
    ["repository", "apply-lifecycle", "--instance", "INSTANCE", "--namespace", "team", "--name", "lint", "--dry-run"],
    ["repository", "create", "--instance", "INSTANCE", "--namespace", "team", "--name", "app"],
    ["repository", "create", "--instance", "INSTANCE", "--namespace", "nothing", "--name", "app"],
    ["repository", "create", "--instance", "INSTANCE", "--namespace", "team", "--name", "Not Allowed"],
    ["repository", "delete", "--instance", "INSTANCE", "--namespace", "team", "--name", "nothing"],
    ["repository", "import", "--instance", "INSTANCE"],
    ["allow-list", "list", "--instance", "INSTANCE"],
    ["allow-list", "list", "--instance", "INSTANCE", "--filter", "comment=office"],
    ["allow-list", "add", "--instance", "INSTANCE", "--cidr", "192.0.2.0/24"],
    ["allow-list", "add", "--instance", "INSTANCE", "--cidr", "192.0.2.300"],
    ["allow-list", "add", "--instance", "tcr-00000000", "--cidr", "192.0.2.1"],
    ["allow-list", "remove", "--instance", "INSTANCE", "--cidr", "198.51.100.1"],
    ["allow-list", "disable", "--instance", "INSTANCE"],
    ["allow-list", "enable", "--instance", "INSTANCE"],
    ["allow-list", "enable", "--instance", "tcr-00000000"],
    ["credential", "list", "--instance", "INSTANCE"],
    ["credential", "list", "--instance", "INSTANCE", "--limit", "1"],
    ["credential", "list", "--instance", "INSTANCE", "--filter", "state=disabled"],
    ["credential", "show", "--instance", "INSTANCE", "--id", "CREDENTIAL"],
    ["credential", "show", "--instance", "INSTANCE", "--id", "0123456789abcdefghij"],
    ["credential", "show", "--instance", "INSTANCE", "--id", "nonsense"],
    ["credential", "disable", "--instance", "INSTANCE", "--id", "CREDENTIAL"],
    ["credential", "enable", "--instance", "INSTANCE", "--id", "CREDENTIAL"],
    ["credential", "delete", "--instance", "INSTANCE", "--id", "0123456789abcdefghij"],
    ["credential", "list-passwords", "--instance", "INSTANCE"],
    ["credential", "delete-password", "--instance", "INSTANCE", "--principal", "100000000001:user/alice"],
    ["credential", "delete-password", "--instance", "INSTANCE", "--principal", "100000000001:role/nobody"],
    ["service-account", "list", "--instance", "INSTANCE"],
    ["service-account", "list", "--made-by", "100000000001:root", "--sort", "-name"],
    ["service-account", "list", "--made-by", "100000000001:user/nobody"],
    ["service-account", "show", "--instance", "INSTANCE", "--name", "robot"],
    ["service-account", "show", "--instance", "INSTANCE", "--name", "tcr$robot"],
    ["service-account", "show", "--instance", "INSTANCE", "--name", "nobody"],
    ["service-account", "disable", "--instance", "INSTANCE", "--name", "robot"],
    ["service-account", "enable", "--instance", "INSTANCE", "--name", "tcr$robot"],
    ["service-account", "enable", "--instance", "INSTANCE", "--name", "nobody"],
    ["registry-config", "--instance", "INSTANCE", "--kind", "distribution", "--out", "-"],
    ["registry-config", "--instance", "INSTANCE", "--kind", "distribution", "--out", "-", "--bundle-only"],
    ["registry-config", "--instance", "INSTANCE", "--kind", "distribution", "--out", "-", "--storage", "images"],
    ["registry-config", "--instance", "INSTANCE", "--kind", "distribution", "--out", "registry"],
    ["registry-config", "--instance", "INSTANCE", "--kind", "distribution", "--out", "-", "--key-only"],
    ["registry-config", "--instance", "INSTANCE", "--kind", "zot", "--out", "-"],
    ["registry-config", "--instance", "tcr-00000000", "--kind", "zot", "--out", "-"],
    ["credential", "create", "--instance", "tcr-00000000"],
    ["credential", "create", "--instance", "INSTANCE", "--user", "nobody"],
    ["credential", "rotate", "--instance", "INSTANCE", "--id", "CREDENTIAL", "--grace", "31d"],
    ["credential", "rotate", "--instance", "INSTANCE", "--id", "0123456789abcdefghij"],
    ["service-account", "create", "--instance", "INSTANCE", "--name", "Not Allowed", "--permission", "team:pull"],
    ["service-account", "create", "--instance", "INSTANCE", "--name", "new", "--permission", "team:fly"],
    ["service-account", "rotate", "--instance", "INSTANCE", "--name", "nobody"],
    ["service-account", "delete", "--instance", "INSTANCE", "--name", "nobody"],
    ["report", "unused"],
    ["report", "unused", "--for", "1h", "--account", "100000000001", "--sort", "id"],
    ["report", "expiring", "--within", "9999d", "--filter", "kind=credential"],
    ["notice", "list"],
    ["notice", "list", "--account", "100000000001", "--filter", "state=dead"],
    ["notice", "show", "--id", "msg-0123456789abcdefghij"],
    ["notice", "retry", "--id", "msg-0123456789abcdefghij"],
    ["notice", "retry", "--id", "1"],
    ["notice", "test"],
]


# The latency of the database, and its size, are others at each look.
VARYING = re.compile(r'"database_(latency_ms|bytes)":\d+')
SINCE = re.compile(r"since \d{4}-\d\d-\d\dT[\d:]+Z")
FILES = {
    "STATE": '[[accounts]]\nid = "100000000001"\n[[accounts.users]]\nname = "carol"\n',
    "HTPASSWD": "dave:$2y$05$EXAMPLE\n",
    "DOCKER_AUTH": "users:\n  dave:\n    password: EXAMPLE\nacl:\n  - match: {account: dave}\n    actions: [pull]\n",
    "GARBAGE": "[nothing that is taken",
}


def write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


@pytest.mark.parametrize("command", COMMANDS_IN_BOTH_WAYS, ids=" ".join)
def test_a_command_says_the_same_here_and_there(operators: Operators, command: list[str], tmp_path: Path) -> None:
    transire, token_file = operators.transire, operators.token_file("alice", "admin")
    operators.token("bob", "auditor")
    transire.cli("account", "create", "--name", "acme", "--id", "100000000001")
    for name in ["alice", "bob"]:
        transire.cli("user", "create", "--account", "100000000001", "--name", name)
    builders = ["--account", "100000000001", "--name", "builders"]
    transire.cli("group", "create", *builders)
    transire.cli("group", "add", *builders, "--user", "bob")
    instance = transire.cli("instance", "create", "--account", "100000000001", "--name", "demo", "--service", "registry.example.com")
    key = transire.cli("access-key", "create", "--account", "100000000001", "--user", "bob")
    files = {name: tmp_path / name.lower() for name in ["TRUST", "TOKEN", "POLICY"]}
    files["TRUST"].write_text(TRUST)
    files["TOKEN"].write_text("nonsense")
    files["POLICY"].write_text(POLICY)
    transire.cli("role", "create", "--account", "100000000001", "--name", "builder", "--trust-policy", files["TRUST"])
    transire.cli("policy", "create", "--account", "100000000001", "--name", "pull", "--document", files["POLICY"])
    transire.cli("policy", "attach", "--account", "100000000001", "--name", "pull", "--user", "alice")
    transire.cli(
        *("oidc-provider", "create", "--account", "100000000001", "--name", "ci"),
        *("--issuer", "https://issuer.example.com", "--audience", "acme"),
    )
    names = {"INSTANCE": instance["tcr_id"], "KEY": key["access_key_id"]} | {name: str(file) for name, file in files.items()}
    names["APP"] = f"{instance['tcr_id']}/team/app"
    names["REQUEST"] = transire.items("audit", "list", "--action", "policy.attach")[0]["request_id"]
    command = [names.get(word, word) for word in command]
    of_instance = ["--instance", instance["tcr_id"]]
    transire.cli("namespace", "create", *of_instance, "--name", "team")
    transire.cli("namespace", "create", *of_instance, "--name", "open", "--public")
    transire.cli("repository", "create", *of_instance, "--namespace", "team", "--name", "app")
    transire.cli("repository", "create", *of_instance, "--namespace", "team", "--name", "lint")
    transire.cli("allow-list", "add", *of_instance, "--cidr", "192.0.2.0/24", "--comment", "office")
    places = {"INSTANCE": instance["tcr_id"]}
    if command[0] in ("credential", "service-account"):
        places["CREDENTIAL"] = make_credentials(transire, instance)
    zot = transire.cli("instance", "create", "--account", "100000000001", "--name", "own", "--service", "zot.example.com", "--kind", "zot")
    words = places | {"ZOT": zot["tcr_id"], "FOLDER": str(tmp_path / "folder")}
    words |= {name: str(write(tmp_path / name, text)) for name, text in FILES.items()}
    command = [words.get(word, word) for word in command]
    here = transire.run(*command)
    there = operators.run(token_file, *command)
    # The one may have run in the second after the other.
    said = [(done.returncode, VARYING.sub("", done.stdout), SINCE.sub("", done.stderr)) for done in (here, there)]
    assert said[1] == said[0]


# docs/admin-api.md says why they are for the service's machine, or ask for no service.
ON_THE_MACHINE = {
    *("serve", "quickstart", "mock", "init", "doctor", "config", "restore", "migrate-data", "backup verify"),
    *("keys generate-master", "keys take-ca-offline"),
    *("audit verify", "audit export", "audit public-key"),
}
ASKS_NO_ADMIN_API = {
    *("health", "get-login-password", "login", "logout", "whoami", "token", "docker-credential", "credential-provider"),
    *("pull-secret", "completions", "man", "policy check"),
}
# Each run of them makes another answer, so that tests of their own compare both ways.
TESTED_APART = {"backup"}


def leaves(program: Path, *path: str) -> list[str]:
    """The commands that do something, by what each says of itself."""
    told = subprocess.run([program, *path, "--help"], capture_output=True, text=True, check=True).stdout
    usage = told[told.index("Usage:") :].split("\n\n")[0].splitlines()
    found = [" ".join(path)] if any("<COMMAND>" not in line for line in usage) else []
    _, _, listed = told.partition("\nCommands:\n")
    below = re.findall(r"^  ([a-z][a-z-]*)", listed.split("\n\n")[0], re.MULTILINE)
    return found + [leaf for name in below if name != "help" for leaf in leaves(program, *path, name)]


def test_each_command_says_the_same_at_the_service_or_says_why_not(transire: Transire) -> None:
    """A new command is at the admin API from its first day, or is named above."""
    elsewhere = ON_THE_MACHINE | ASKS_NO_ADMIN_API | TESTED_APART
    both = [" ".join(command) + " " for command in COMMANDS_IN_BOTH_WAYS]
    found = leaves(transire.binary)
    assert len(found) > 80, found
    missing = [
        leaf
        for leaf in found
        if leaf not in elsewhere and leaf.split()[0] not in elsewhere and not any(row.startswith(leaf + " ") for row in both)
    ]
    assert missing == []


def test_a_command_that_needs_the_data_says_so(operators: Operators) -> None:
    token_file = operators.token_file("alice", "admin")
    refused = operators.run(token_file, "keys", "rotate", "master")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "without --server" in refused.stderr


def test_a_token_goes_over_plain_http_to_this_machine_alone(operators: Operators) -> None:
    token_file = operators.token_file("alice", "admin")
    command = [operators.transire.binary, "--server", "http://192.0.2.1:8481", "--token-file", token_file, "account", "list"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "https://" in refused.stderr


def test_the_lines_of_the_page_do_what_it_says(operators: Operators, tmp_path: Path) -> None:
    transire = operators.transire
    shell = Shell(tmp_path / "shell", {"transire": transire.binary})
    changes = {"http://127.0.0.1:8481": operators.at}
    shell.does(TOKEN.text, changes, transire.operator)
    transire.remember("operator token", (tmp_path / "shell" / "alice.token").read_text().strip())
    assert "ci-builder" in shell.does(COMMANDS.text, changes, {})
    [user] = json.loads(shell.does(CURL.text, changes, {}))["items"]
    assert user["name"] == "ci-builder"
