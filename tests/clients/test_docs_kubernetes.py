"""The examples of docs/kubernetes.md for kubelets: each configuration is used as a kubelet uses it, where its lines put it.

What the document says of pull secrets is run by test_pull_secret.py.
"""

import fnmatch
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import cluster
from client import endpoint
from credential import Credential, exchange
from documents import Shell, take, take_one
from issuer import LOOPBACK, Issuer
from service import Account, Instance, Transire

PAGE = "docs/kubernetes.md"
RIGHTS, USUAL = take(PAGE, "The kubelet's credential provider", "yaml")
KUBEADM, K3S, EKS = (take_one(PAGE, heading) for heading in ("kubeadm", "k3s", "EKS"))
EKS_PROVIDER = take_one(PAGE, "EKS", "json")
TALOS, ONE_LOG_IN, NODES_KEY, FLUX, ARGO_CD = (
    take_one(PAGE, heading, "yaml")
    for heading in ("Talos", "One log-in for all pods of an account", "Before Kubernetes 1.34", "Flux", "Argo CD")
)
IMAGE = f"{cluster.REGISTRY}/team/app"


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "array", "items": _TEXT}
_TOKEN = _object(
    "serviceAccountTokenAudience cacheType requireServiceAccount",
    serviceAccountTokenAudience=_TEXT,
    cacheType={"enum": ["Token", "ServiceAccount"]},
    requireServiceAccount={"type": "boolean"},
    requiredServiceAccountAnnotationKeys=_TEXTS,
    optionalServiceAccountAnnotationKeys=_TEXTS,
)
_PROVIDER = _object(
    "name apiVersion matchImages defaultCacheDuration",
    name=_TEXT,
    apiVersion={"const": "credentialprovider.kubelet.k8s.io/v1"},
    matchImages=_TEXTS | {"minItems": 1},
    defaultCacheDuration={"type": "string", "pattern": r"^(\d+[hms])+$"},
    args=_TEXTS,
    env={"type": "array", "items": _object("name value", name=_TEXT, value=_TEXT)},
    tokenAttributes=_TOKEN,
)
# The kubelet refuses unknown fields.
CONFIGURATION = Draft202012Validator(
    _object(
        "apiVersion kind providers",
        apiVersion={"const": "kubelet.config.k8s.io/v1"},
        kind={"const": "CredentialProviderConfig"},
        providers={"type": "array", "items": _PROVIDER, "minItems": 1},
    )
)


def matches(pattern: str, image: str) -> bool:
    """As the kubelet matches: ports as texts, as many labels of the host, a plain prefix of the path."""
    (host, _, path), (of_image, _, rest) = pattern.partition("/"), image.partition("/")
    (name, _, port), (image_name, _, image_port) = host.partition(":"), of_image.partition(":")
    labels, image_labels = name.split("."), image_name.split(".")
    same_host = len(labels) == len(image_labels) and all(map(fnmatch.fnmatchcase, image_labels, labels))
    return port == image_port and same_host and rest.startswith(path)


@pytest.fixture
def transire(new_transire: Callable[..., Transire]) -> Transire:
    transire = new_transire(settings=LOOPBACK)
    transire.start()
    return transire


@pytest.fixture
def trusted(transire: Transire, account: Account, issuer: Issuer, tmp_path: Path) -> None:
    cluster.trust(transire, account, issuer, tmp_path / "operator")


class Node:
    """A node, whose root is a folder, with a kubelet that asks its provider."""

    def __init__(self, transire: Transire, instance: Instance, root: Path) -> None:
        self._transire, self._instance, self.root = transire, instance, root
        self.shell = Shell(root / "home", {})
        self.shell.add("sudo", 'exec "$@"')
        self.shell.add("systemctl", f'echo "$@" >> {root}/restarted')
        self.program = self.shell.folder / "transire"
        self.program.write_text(f'#!/bin/sh\nexec "{transire.binary}" "$@"\n')
        self.program.chmod(0o755)
        (root / "etc" / "default").mkdir(parents=True)

    def runs(self, commands: str) -> None:
        paths = {path: f"{self.root}{path}" for path in ("/usr/local/", "/etc/", "/var/lib/")}
        self.shell.does(commands, paths, {})
        assert self.restarted()

    def restarted(self) -> list[str]:
        return (self.root / "restarted").read_text().splitlines()

    def pulls(self, configuration: Path | dict[str, Any], programs: Path, token: str | None, **changes: str) -> None:
        """Asks the provider of the image as the kubelet does, and logs in with the answer."""
        read = configuration if isinstance(configuration, dict) else yaml.safe_load(configuration.read_text())
        CONFIGURATION.validate(read)
        (provider,) = (provider for provider in read["providers"] if any(matches(pattern, IMAGE) for pattern in provider["matchImages"]))
        request = {"kind": "CredentialProviderRequest", "apiVersion": provider["apiVersion"], "image": IMAGE}
        if token:
            assert provider["tokenAttributes"]["serviceAccountTokenAudience"] == cluster.AUDIENCE
            # Where the token itself is the log-in, what one pod got is not for another.
            is_exchanged = any(argument.startswith("--ttl") for argument in provider["args"])
            assert provider["tokenAttributes"]["cacheType"] == ("ServiceAccount" if is_exchanged else "Token")
            request |= {"serviceAccountToken": token, "serviceAccountAnnotations": {}}
        (self.root / "request").write_text(json.dumps(request))
        command = shlex.join([str(programs / provider["name"]), *provider.get("args", [])])
        environment = {variable["name"]: variable["value"] for variable in provider.get("env", [])} | changes
        answer = json.loads(self.shell.does(f"{command} < {self.root}/request", changes, environment))
        assert answer["apiVersion"] == provider["apiVersion"]
        (auth,) = (auth for pattern, auth in answer["auth"].items() if matches(pattern, IMAGE))
        self._transire.remember("secret of the client", auth["password"])
        credential = Credential(auth["username"], auth["password"], 0)
        assert exchange(self._transire.realm, self._instance, credential).status == 200


@pytest.fixture
def node(transire: Transire, instance: Instance, tmp_path: Path) -> Node:
    node = Node(transire, instance, tmp_path / "node")
    (node.shell.folder / "credential-provider.yaml").write_text(USUAL.text)
    return node


@pytest.fixture
def token(transire: Transire, issuer: Issuer, trusted: None) -> str:
    return transire.remember("OIDC token", cluster.token(issuer))


def test_a_kubelet_of_kubeadm_pulls(node: Node, token: str) -> None:
    node.runs(KUBEADM.commands())
    _, _, value = (node.root / "etc/default/kubelet").read_text().strip().partition("=")
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in value.strip('"').split())
    node.pulls(Path(flags["image-credential-provider-config"]), Path(flags["image-credential-provider-bin-dir"]), token)
    assert node.restarted() == ["restart kubelet"]


def test_a_kubelet_of_k3s_pulls(node: Node, token: str) -> None:
    node.runs(K3S.commands())
    folder = node.root / "var/lib/rancher/credentialprovider"
    node.pulls(folder / "config.yaml", folder / "bin", token)
    assert node.restarted() == ["restart k3s"]


def test_a_kubelet_of_eks_pulls_and_keeps_its_entry_for_ecr(node: Node, token: str) -> None:
    folder = node.root / "etc/eks/image-credential-provider"
    folder.mkdir(parents=True)
    ecr = {
        "name": "ecr-credential-provider",
        "matchImages": ["*.dkr.ecr.*.amazonaws.com"],
        "defaultCacheDuration": "12h",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
    }
    (folder / "config.json").write_text(
        json.dumps({"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [ecr]})
    )
    (node.shell.folder / "transire.json").write_text(EKS_PROVIDER.text)
    node.runs(EKS.commands())
    node.pulls(folder / "config.json", folder, token)
    assert json.loads((folder / "config.json").read_text())["providers"][0] == ecr


def test_a_kubelet_of_talos_pulls(node: Node, token: str) -> None:
    (document,) = TALOS.objects()
    assert (document["apiVersion"], document["kind"], len(document)) == ("v1alpha1", "KubeCredentialProviderConfig", 3)
    node.pulls(document["configuration"], node.program.parent, token)


def test_a_kubelet_keeps_one_log_in_for_all_pods_of_an_account(
    node: Node, transire: Transire, instance: Instance, token: str
) -> None:
    (document,) = ONE_LOG_IN.objects()
    places = {"https://transire.example.com": endpoint(transire), "tcr-abcd1234": instance.tcr_id}
    node.pulls(document, node.program.parent, token, **places)


def test_a_kubelet_without_tokens_pulls_by_the_nodes_key(node: Node, transire: Transire, account: Account, instance: Instance) -> None:
    (document,) = NODES_KEY.objects()
    key = {"TENCENTCLOUD_SECRET_ID": account.key.id, "TENCENTCLOUD_SECRET_KEY": account.key.secret}
    assert {variable["name"] for variable in document["providers"][0]["env"]} == set(key)
    places = {"https://transire.example.com": endpoint(transire), "tcr-abcd1234": instance.tcr_id}
    node.pulls(document, node.program.parent, None, **places, **key)


def test_all_configurations_with_tokens_are_one() -> None:
    (ours,) = USUAL.objects()
    (talos,) = TALOS.objects()
    assert ours == json.loads(EKS_PROVIDER.text) == talos["configuration"]


def test_nodes_may_ask_for_tokens_of_the_audience() -> None:
    role, binding = RIGHTS.objects()
    (rule,) = role["rules"]
    assert rule == {"apiGroups": [""], "resources": [cluster.AUDIENCE], "verbs": ["request-serviceaccounts-token-audience"]}
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": role["metadata"]["name"]}
    assert [subject["name"] for subject in binding["subjects"]] == ["system:nodes"]


def test_flux_and_argo_cd_name_the_pull_secret() -> None:
    deployment = cluster.documented("Deployment")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    options = dict(argument.removeprefix("--").split("=", 1) for argument in arguments if "=" in argument)
    (source,) = FLUX.objects()
    assert source["spec"]["secretRef"] == {"name": options["name"]} and source["metadata"]["namespace"] == options["namespace"]
    assert source["spec"]["url"].startswith(f"oci://{options['registry']}/")
    ((registry,),) = ARGO_CD.objects()[0].values()
    assert registry["credentials"] == f"pullsecret:{options['namespace']}/{options['name']}" and registry["prefix"] == options["registry"]


@pytest.mark.parametrize(
    ("pattern", "image", "expected"),
    [
        ("registry.example.com", "registry.example.com/team/app", True),
        ("registry.example.com", "registry.example.com:5000/team/app", False),
        ("*.example.com:5000", "registry.example.com:5000/team/app", True),
        ("*.com", "registry.example.com/team/app", False),
        ("registry.example.com/team", "registry.example.com/team/app", True),
        ("registry.example.com/*", "registry.example.com/team/app", False),
    ],
)
def test_images_are_matched_as_the_document_says(pattern: str, image: str, expected: bool) -> None:
    assert matches(pattern, image) is expected
