"""A cluster whose service accounts a role trusts, by the lines of docs/kubernetes.md."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from documents import Shell, take, take_one
from issuer import Issuer
from service import Account, Transire

NAMESPACE, SERVICE_ACCOUNT = "team", "builder"
AUDIENCE = "https://transire.example.com"
REGISTRY = "registry.example.com"
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_PAGE = "docs/kubernetes.md"
_TRUST, _TRUST_POLICY = take(_PAGE, "Trust the cluster"), take_one(_PAGE, "Trust the cluster", "json")
_PULL_SECRET = take_one(_PAGE, "A pull secret that is renewed", "yaml")


def documented(kind: str) -> dict[str, Any]:
    """The one object of this kind of the documented pull secret."""
    (found,) = (object_ for object_ in _PULL_SECRET.objects() if object_.get("kind") == kind)
    return found



def token(issuer: Issuer, account: str = SERVICE_ACCOUNT, audience: str = AUDIENCE, life: timedelta = timedelta(hours=1)) -> str:
    """A token of a service account, as the API server makes it."""
    claims = {"namespace": NAMESPACE, "serviceaccount": {"name": account, "uid": "1"}}
    end = issuer.now() + int(life.total_seconds())
    subject = f"system:serviceaccount:{NAMESPACE}:{account}"
    return issuer.token(subject, iss=_ISSUER, aud=[audience], exp=end, **{"kubernetes.io": claims})


def trust(transire: Transire, account: Account, issuer: Issuer, folder: Path) -> None:
    """Runs the document's lines for the operator; `kubectl` has the cluster's keys."""
    shell = Shell(folder, {"transire": transire.binary})
    (shell.folder / "keys").write_text(json.dumps(issuer.keys()))
    shell.add("kubectl", 'test "$*" = "get --raw /openid/v1/jwks" && cat keys')
    (shell.folder / "trust.json").write_text(_TRUST_POLICY.text.replace("100000000001", account.id))
    for block in _TRUST:
        shell.does(block.commands(), {"100000000001": account.id}, {"TRANSIRE_DATA_DIR": str(transire.data_dir)})
