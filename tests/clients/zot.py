"""What zot asks of a token, written down from its source (pkg/api/bearer.go): zot itself is not here.

It has one key, read from the file that `http.auth.bearer.cert` names. It looks at neither issuer nor audience.
"""

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def header_of(token: str) -> dict[str, Any]:
    return json.loads(_decoded(token.split(".")[0]))


class Zot:
    """The verifier of a zot that was configured by `transire registry-config`."""

    def __init__(self, config: Path) -> None:
        self.settings = json.loads(config.read_text())
        self.bearer = self.settings["http"]["auth"]["bearer"]
        self._key = load_pem_public_key(Path(self.bearer["cert"]).read_bytes())

    def accepts(self, token: str, repository: str, action: str, now: float) -> bool:
        signed, _, signature = token.rpartition(".")
        head, body = (json.loads(_decoded(part)) for part in signed.split("."))
        if not self._is_signed(head["alg"], signed.encode(), _decoded(signature)):
            return False
        # No leeway on any of them.
        if not (now < body["exp"] and body["nbf"] <= now and body["iat"] <= now):
            return False
        return any(
            entry["type"] == "repository" and entry["name"] == repository and action in entry["actions"] for entry in body["access"]
        )

    def _is_signed(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        try:
            if algorithm == "ES256" and isinstance(self._key, ec.EllipticCurvePublicKey):
                r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
                self._key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
            elif algorithm == "RS256" and isinstance(self._key, rsa.RSAPublicKey):
                self._key.verify(signature, message, padding.PKCS1v15(), SHA256())
            else:
                return False
        except InvalidSignature:
            return False
        return True
