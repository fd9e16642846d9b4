"""A registry credential as a client holds it, whichever cloud's API gave it."""

import base64
import urllib.parse
from dataclasses import dataclass

from service import Answer, Instance, fetch


@dataclass(frozen=True)
class Credential:
    username: str
    secret: str
    expires_at: int
    """Unix milliseconds."""
    id: str = ""
    """Empty when temporary."""

    def basic(self) -> str:
        pair = f"{self.username}:{self.secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def exchange(realm: str, instance: Instance, credential: Credential | None, *scopes: str, **parameters: str) -> Answer:
    """Asks the token endpoint directly, as a client does once the registry has sent it there."""
    query = urllib.parse.urlencode([("service", instance.service), *parameters.items(), *(("scope", scope) for scope in scopes)])
    return fetch(f"{realm}?{query}", {"Authorization": credential.basic()} if credential else {})
