"""A real Pulp takes transire's tokens.

It compares the issuer with its realm, and looks a token's subject up among its own users: the tokens of the other kinds
of instances were all refused.
"""

from pathlib import Path

import image
import tencent
from credential import Credential, exchange
from processes import wait_until
from pulp import Pulp
from registry import run, skopeo
from service import Account, Transire, fetch


def log_in(pulp: Pulp, credential: Credential) -> None:
    command = ("skopeo", "login", "--tls-verify=false", "--username", credential.username, "--password-stdin", pulp.address)
    done = run(*command, stdin=credential.secret)
    assert done.returncode == 0, done.stderr


def status_of(pulp: Pulp, token: str, path: str) -> int:
    return fetch(f"http://{pulp.address}{path}", {"Authorization": f"Bearer {token}"}).status


def test_an_image_goes_into_a_pulp_and_comes_out_and_its_key_is_rotated(
    transire: Transire, account: Account, pulp: Pulp, tmp_path: Path
) -> None:
    credential = tencent.issue(transire, account.key, pulp.instance.tcr_id)
    log_in(pulp, credential)
    digest = image.write_oci_layout(tmp_path / "in", "v1")
    pushed = skopeo("copy", "--dest-tls-verify=false", f"oci:{tmp_path / 'in'}:v1", pulp.reference("team/tool:v1"))
    assert pushed.returncode == 0, pushed.stderr
    pulled = skopeo("copy", "--src-tls-verify=false", pulp.reference("team/tool:v1"), f"oci:{tmp_path / 'out'}:v1")
    assert pulled.returncode == 0, pulled.stderr
    assert image.manifest_digest(tmp_path / "out") == digest

    # A token opens what it says, and nothing beside it; and one of another instance opens nothing.
    def token(scope: str) -> str:
        return exchange(transire.realm, pulp.instance, credential, scope).json()["token"]

    tags = "/v2/team/tool/tags/list"
    assert status_of(pulp, token("repository:team/tool:pull"), tags) == 200
    assert status_of(pulp, token("repository:team/other:pull"), tags) == 401
    other = transire.new_instance(account, "other", "--kind", "pulp", "--issuer", transire.realm)
    foreign = exchange(transire.realm, other, tencent.issue(transire, account.key, other.tcr_id), "repository:team/tool:pull")
    assert status_of(pulp, foreign.json()["token"], tags) == 401

    # Pulp reads its key for each request: no restart.
    rotate = ("keys", "rotate", "signing", "--instance", pulp.instance.tcr_id)
    transire.cli(*rotate)
    transire.cli(*pulp.configuration, "--key", "next", "--key-only", "--force")
    assert status_of(pulp, token("repository:team/tool:pull"), tags) == 401
    transire.cli(*rotate, "--activate")
    wait_until("the new key to sign", lambda: status_of(pulp, token("repository:team/tool:pull"), tags) == 200)


def test_pulps_realm_and_issuer_are_one(transire: Transire, account: Account, tmp_path: Path) -> None:
    instance = transire.new_instance(account, "pulp", "--kind", "pulp")
    command = ("registry-config", "--instance", instance.tcr_id, "--kind", "pulp", "--out", "-")
    assert f'TOKEN_SERVER = "{instance.realm}"\n' in transire.cli(*command)["text"]
    [listed] = transire.items("instance", "list")
    assert (listed["issuer"], listed["token_ttl"]) == (instance.realm, 300)
    refused = transire.cli_refused(*command, "--realm", "https://moved.example.com/token", exit_code=2)
    assert "--issuer https://moved.example.com/token" in refused
    transire.cli("instance", "update", "--instance", instance.tcr_id, "--issuer", "https://moved.example.com/token")
    assert 'TOKEN_SERVER = "https://moved.example.com/token"\n' in transire.cli(*command)["text"]
