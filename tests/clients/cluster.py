"""A cluster whose service accounts a role trusts, by the lines of docs/kubernetes.md."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from documents import Shell, blocks
from issuer import Issuer
from service import Account, Transire

NAMESPACE, SERVICE_ACCOUNT = "team", "builder"
AUDIENCE = "https://transire.example.com"
REGISTRY = "registry.example.com"
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_DOCUMENT = blocks("docs/kubernetes.md")


def documented(kind: str, heading: str) -> dict[str, Any]:
    """The one object of this kind that the document shows below a heading."""
    below = (block for block in _DOCUMENT if block.heading == heading and block.language in ("yaml", "json"))
    (found,) = (object_ for block in below for object_ in block.objects() if object_.get("kind") == kind)
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
    for block in (block for block in _DOCUMENT if block.heading == "Trust the cluster"):
        if block.language == "json":
            (shell.folder / "trust.json").write_text(block.text.replace("100000000001", account.id))
        else:
            shell.does(block.commands(), {"100000000001": account.id}, {"TRANSIRE_DATA_DIR": str(transire.data_dir)})
