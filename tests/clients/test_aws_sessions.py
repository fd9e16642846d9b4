"""AWS's sessions that act as their caller, by its own SDK and command line."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

import aws
from credential import Credential
from processes import wait_until
from registry import Registry, assert_logs_in, assert_refused
from service import AccessKey, Instance, Transire

PULLS = {"version": "2.0", "statement": [{"effect": "allow", "action": ["tcr:CreateInstanceToken", "tcr:PullRepository"], "resource": "*"}]}


@pytest.fixture
def user(transire: Transire, instance: Instance) -> AccessKey:
    """The key of a user that may do everything at registries."""
    account = instance.account.id
    transire.cli("user", "create", "--account", account, "--name", "ci")
    key = transire.cli("access-key", "create", "--account", account, "--user", "ci")
    transire.cli("policy", "attach", "--account", account, "--name", "QcloudTCRFullAccess", "--user", "ci")
    return AccessKey(key["access_key_id"], transire.remember("access key secret", key["access_key_secret"]))


def session_of(transire: Transire, answer: dict[str, Any]) -> AccessKey:
    made = answer["Credentials"]
    return AccessKey(
        made["AccessKeyId"],
        transire.remember("session secret", made["SecretAccessKey"]),
        transire.remember("session token", made["SessionToken"]),
    )


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_a_session_of_a_users_own_logs_in(transire: Transire, instance: Instance, registry: Registry, user: AccessKey) -> None:
    number = instance.account.id.zfill(12)
    answer = aws.client(transire, user, "sts").get_session_token(DurationSeconds=900)
    ends_at = answer["Credentials"]["Expiration"].timestamp()
    assert ends_at == pytest.approx(time.time() + 900, abs=60)
    session = session_of(transire, answer)
    sts = aws.client(transire, session, "sts")
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{number}:user/ci"
    log_in = aws.issue(transire, session)
    assert log_in.expires_at / 1000 == pytest.approx(ends_at, abs=1)
    assert_logs_in(registry, log_in)
    for operation, parameters in (("get_session_token", {}), ("get_federation_token", {"Name": "deploy", "Policy": "{}"})):
        status, code, message = refusal(getattr(sts, operation), **parameters)
        assert (status, code) == (403, "AccessDenied")
        assert "with session credentials" in message
    # The command line's profile of a session, as people write it.
    done = aws.aws(transire, user, "sts", "get-session-token", "--output", "json")
    assert done.returncode == 0, done.stderr
    by_cli = session_of(transire, json.loads(done.stdout))
    done = aws.aws(transire, by_cli, "ecr", "get-login-password", AWS_SESSION_TOKEN=by_cli.token)
    assert done.returncode == 0, done.stderr
    assert_logs_in(registry, Credential("AWS", transire.remember("authorization token", done.stdout.strip()), 0))
    transire.cli("access-key", "disable", "--id", user.id, "--yes")
    assert refusal(aws.client(transire, session, "ecr").get_authorization_token)[1] == "ExpiredTokenException"
    assert_refused(registry, log_in)


def test_a_session_is_narrowed(transire: Transire, instance: Instance, registry: Registry, user: AccessKey) -> None:
    sts = aws.client(transire, user, "sts")
    status, code, message = refusal(sts.get_scoped_credentials, Policy=json.dumps(PULLS))
    assert (status, code) == (403, "AccessDenied")
    assert "without session credentials" in message
    session = session_of(transire, sts.get_session_token())
    of_session = aws.client(transire, session, "sts")
    answer = of_session.get_scoped_credentials(
        Policy=json.dumps(PULLS), DurationSeconds=600, ScopedSessionDescription="one build"
    )
    assert answer["SessionInfo"]["Arn"] == of_session.get_caller_identity()["Arn"]
    narrower = session_of(transire, answer)
    assert_logs_in(registry, aws.issue(transire, narrower))
    ecr = aws.client(transire, narrower, "ecr")
    assert refusal(ecr.describe_registry)[1] == "AccessDeniedException"
    again = aws.client(transire, narrower, "sts").get_scoped_credentials
    assert refusal(again, Policy=json.dumps(PULLS))[1] == "UnsupportedOperation"
    assert refusal(again, DurationSeconds=3600)[1] == "InsufficientSessionLifetime"

    def described() -> list[str]:
        lines = transire.items("audit", "list", "--since", "1h")
        return [line["detail"]["description"] for line in lines if line["action"] == "session.narrow"]

    # Lines of what changes nothing are written a moment later.
    wait_until("the session to be in the audit", lambda: described() == ["one build"])


def test_a_call_may_be_dated_otherwise(transire: Transire, instance: Instance) -> None:
    # The SDK writes its time into a Date that it finds, and leaves X-Amz-Date out.
    sts = aws.client(transire, instance.account.key, "sts")
    sent = []
    sts.meta.events.register_first("before-sign.sts", lambda request, **_: request.headers.add_header("Date", "now"))
    sts.meta.events.register("before-send.sts", lambda request, **_: sent.append(request.headers))
    assert sts.get_caller_identity()["Account"] == instance.account.id.zfill(12)
    assert "X-Amz-Date" not in sent[0]
    assert b";host" in sent[0]["Authorization"] and b"date" in sent[0]["Authorization"]


def test_the_account_of_a_key_is_told(transire: Transire, instance: Instance, user: AccessKey) -> None:
    number = instance.account.id.zfill(12)
    sts = aws.client(transire, user, "sts")
    assert sts.get_access_key_info(AccessKeyId=instance.account.key.id)["Account"] == number
    assert refusal(sts.get_access_key_info, AccessKeyId="AKIAEXAMPLEEXAMPLE00")[:2] == (403, "InvalidClientTokenId")
    done = aws.aws(transire, user, "sts", "get-access-key-info", "--access-key-id", user.id, "--output", "json")
    assert json.loads(done.stdout) == {"Account": number}
