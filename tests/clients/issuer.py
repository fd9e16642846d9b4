"""An OpenID Connect issuer of another make, whose tokens another library signs, as CI platforms and clusters have them."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from loopback import HttpServer, Reply
from service import Account, Transire

AUDIENCE = "sts.example.com"
LOOPBACK = {"TRANSIRE_OUTGOING__ALLOW_HTTP": "true", "TRANSIRE_OUTGOING__ALLOW_PRIVATE_ADDRESSES": "true"}


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An issuer on loopback with one RSA key."""

    def __init__(self, kid: str = "one") -> None:
        self._kid = kid
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._server = HttpServer(self._answer)
        self.url = self._server.url

    def _answer(self, path: str, _headers: Mapping[str, str]) -> Reply:
        document = self.documents().get(path)
        return (200 if document else 404), {}, json.dumps(document).encode()

    def stop(self) -> None:
        self._server.stop()

    def keys(self) -> dict[str, Any]:
        numbers = self._key.public_key().public_numbers()
        n, e = (encode(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "kid": self._kid, "use": "sig", "alg": "RS256", "n": n, "e": e}]}

    def documents(self) -> dict[str, Any]:
        description = {"issuer": self.url, "jwks_uri": f"{self.url.rstrip('/')}/keys"}
        return {"/.well-known/openid-configuration": description, "/keys": self.keys()}

    @staticmethod
    def now() -> int:
        """The time in a token's form."""
        return int(time.time())

    def token(self, subject: str, **claims: Any) -> str:
        now = self.now()
        usual = {"iss": self.url, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + 600}
        parts = ({"alg": "RS256", "typ": "JWT", "kid": self._kid}, usual | claims)
        signed = ".".join(encode(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{encode(signature)}"


# What the tokens of each platform say beside the issuer, the audience and the times.
JOBS = {
    "GitHub": ("repo:example-org@123456/app@456789:ref:refs/heads/main", {"repository": "example-org/app", "repository_id": "456789"}),
    "GitLab": ("project_path:example-group/app:ref_type:branch:ref:main", {"project_path": "example-group/app", "ref_protected": "true"}),
    "Forgejo": ("repo:example-org/app:ref:refs/heads/main", {"repository": "example-org/app", "ref": "refs/heads/main"}),
    "Buildkite": (
        "organization:example-org:pipeline:app:ref:refs/heads/main:commit:0123456789abcdef:step:push",
        {"organization_slug": "example-org", "pipeline_slug": "app"},
    ),
    "Kubernetes": (
        "system:serviceaccount:ci:builder",
        {"aud": [AUDIENCE], "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "builder", "uid": "1"}}},
    ),
}


def job_token(transire: Transire, issuer: Issuer, platform: str) -> str:
    subject, claims = JOBS[platform]
    return transire.remember("OIDC token", issuer.token(subject, **claims))


def create_provider(transire: Transire, account: Account, issuer: str, *options: str | Path) -> Any:
    return transire.cli(
        *("oidc-provider", "create", "--account", account.id, "--name", "ci", "--issuer", issuer, "--audience", AUDIENCE), *options
    )


def create_builder(transire: Transire, account: Account, issuer: Issuer, folder: Path) -> Any:
    """A role for the holders of the issuer's tokens about one repository, project and pipeline, and one service account of a cluster."""
    create_provider(transire, account, issuer.url)
    trust = {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Federated": [f"acs:ram::{account.id}:oidc-provider/ci"]},
                "Condition": {
                    "StringEquals": {"oidc:aud": AUDIENCE},
                    "StringLike": {
                        "oidc:sub": [
                            "repo:example-org/app:*",
                            "repo:example-org@123456/app@456789:*",
                            "project_path:example-group/app:ref_type:branch:ref:main",
                            "organization:example-org:pipeline:app:*",
                            "system:serviceaccount:ci:builder",
                        ]
                    },
                },
            }
        ],
    }
    file = folder / "trust.json"
    file.write_text(json.dumps(trust))
    role = transire.cli("role", "create", "--account", account.id, "--name", "builder", "--trust-policy", file)
    for policy in ("QcloudTCRFullAccess", "AliyunContainerRegistryFullAccess"):
        transire.cli("policy", "attach", "--account", account.id, "--name", policy, "--role", "builder")
    return role
