"""Amazon Web Services' own SDK and command line, with nothing but their endpoint changed."""

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import botocore
import botocore.exceptions
from botocore.config import Config

from credential import Credential
from processes import wait_until
from registry import run
from service import AccessKey, Transire

REGION = "us-east-1"


def client(transire: Transire, key: AccessKey | None, service: str, **options: Any) -> Any:
    """A client of boto3's; without a key, one that signs nothing."""
    unsigned = {} if key else {"signature_version": botocore.UNSIGNED}
    return boto3.session.Session().client(
        service,
        region_name=REGION,
        endpoint_url=f"{transire.scheme}://{transire.endpoint}",
        verify=str(transire.authority.file) if transire.authority else None,
        aws_access_key_id=key and key.id,
        aws_secret_access_key=key and key.secret,
        aws_session_token=key and key.token,
        config=Config(retries={"total_max_attempts": 1}, **unsigned, **options),
    )


def log_in_of(transire: Transire, answer: dict[str, Any]) -> Credential:
    """The log-in in an answer of GetAuthorizationToken, cut as clients cut it."""
    [data] = answer["authorizationData"]
    username, secret = base64.b64decode(data["authorizationToken"]).decode().split(":")
    return Credential(username, transire.remember("authorization token", secret), int(data["expiresAt"].timestamp() * 1000))


def issue(transire: Transire, key: AccessKey) -> Credential:
    """A credential by GetAuthorizationToken."""
    return log_in_of(transire, client(transire, key, "ecr").get_authorization_token())


def await_issue(transire: Transire, key: AccessKey) -> Credential:
    """As `issue`, once the service follows the policies that a command changed."""

    def issued() -> Credential | None:
        try:
            return issue(transire, key)
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDeniedException", error
            return None

    return wait_until("the policy to be followed", issued)


def aws(transire: Transire, key: AccessKey | None, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command line, as a job runs it: with a key, or with what variables say instead."""
    named = {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": key.secret} if key else {}
    environment = {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_ENDPOINT_URL": f"{transire.scheme}://{transire.endpoint}",
        **named,
        **variables,
    }
    return run(sys.executable, Path(sys.executable).with_name("aws"), *arguments, environment=environment)
