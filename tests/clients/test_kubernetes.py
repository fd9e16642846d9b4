"""The manifests of packaging/kubernetes: rendered by kubectl, held to Kubernetes' own schemas, and run by their settings.

No package of Debian's or Python's brings a cluster.
"""

import base64
import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from authority import Authority
from documents import Shell, take, take_one
from namespace import Namespace
from processes import Daemon, wait_until
from service import fetch

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "packaging" / "kubernetes"
KUBECTL = Path(sys.executable).with_name("kubectl")
VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
# A volume that is an image is new; docs/install-kubernetes.md says since when.
NEW = {"DaemonSet": 31}

OVERLAYS = ["overlays/sqlite", "overlays/postgres"]
PROFILES = ["kubelet-provider/kubeadm", "kubelet-provider/k3s", "kubelet-provider/eks"]
PAGE = "docs/install-kubernetes.md"
OVERLAY = take_one(PAGE, "Make an overlay of your own", "yaml")
INGRESS = take_one(PAGE, "Apply", "yaml")
FOR_BOTH, FOR_POSTGRES = take(PAGE, "Make the secrets")

Object = dict[str, Any]


@cache
def _rendered(folder: Path) -> str:
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rendered(folder: str | Path) -> list[Object]:
    return list(yaml.safe_load_all(_rendered(MANIFESTS / folder)))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """The objects of the page's overlay, beside a copy of the manifests."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(MANIFESTS, checkout / "packaging" / "kubernetes")
    (checkout / "overlay").mkdir()
    (checkout / "overlay" / "kustomization.yaml").write_text(OVERLAY.text)
    return rendered(checkout / "overlay")


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [object_ for object_ in objects if object_["kind"] == kind]


def one(objects: list[Object], kind: str, name: str = "") -> Object:
    (found,) = (object_ for object_ in of_kind(objects, kind) if object_["metadata"]["name"].startswith(name))
    return found


def pods(objects: list[Object]) -> Iterator[Object]:
    for object_ in objects:
        if "template" in object_.get("spec", {}):
            yield object_["spec"]["template"]


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


# --- by the schemas -----------------------------------------------------------------------------------------------------


def assert_valid(object_: Object) -> None:
    """Holds an object to the schemas of all versions that it is for."""
    for version in VERSIONS:
        if int(version.partition(".")[2]) >= NEW.get(object_["kind"], 0):
            kubernetes_validate.validate(object_, version, strict=True)


@pytest.mark.parametrize("folder", [*OVERLAYS, *PROFILES, "pull-secret"])
def test_all_objects_are_valid_by_kubernetes_schemas(folder: str) -> None:
    objects = rendered(folder)
    assert len(objects) > 3
    for object_ in objects:
        assert_valid(object_)


def test_the_documents_own_objects_are_valid(own: list[Object]) -> None:
    for object_ in [*own, *INGRESS.objects()]:
        if object_["kind"] != "PodMonitor":
            assert_valid(object_)


def test_the_schemas_refuse_a_field_that_does_not_exist() -> None:
    deployment = one(rendered("overlays/sqlite"), "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenessprobe"):
        assert_valid(deployment)


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def test_every_selector_is_that_of_the_pods(own: list[Object]) -> None:
    (pod,) = pods(own)
    labels = pod["metadata"]["labels"]
    selectors = [
        one(own, "Service")["spec"]["selector"],
        one(own, "Deployment")["spec"]["selector"]["matchLabels"],
        one(own, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(own, "PodMonitor")["spec"]["selector"]["matchLabels"],
        *(policy["spec"]["podSelector"]["matchLabels"] for policy in of_kind(own, "NetworkPolicy")),
        *(spread["labelSelector"]["matchLabels"] for spread in pod["spec"]["topologySpreadConstraints"]),
    ]
    assert len(selectors) == 9
    assert all(selects(selector, labels) for selector in selectors), selectors
    assert {object_["metadata"].get("namespace", "transire") for object_ in own} == {"transire"}


def test_every_port_that_is_named_is_the_containers(own: list[Object]) -> None:
    (pod,) = pods(own)
    (container,) = containers(pod)
    ports = {port["name"] for port in container["ports"]}
    named = [port["targetPort"] for port in one(own, "Service")["spec"]["ports"]]
    named += [end["port"] for end in one(own, "PodMonitor")["spec"]["podMetricsEndpoints"]]
    rules = [rule for policy in of_kind(own, "NetworkPolicy") for rule in policy["spec"].get("ingress", [])]
    named += [port["port"] for rule in rules for port in rule["ports"]]
    named += [container[probe]["httpGet"]["port"] for probe in PROBES]
    assert set(named) == ports == {"http", "metrics"}
    (rule,) = INGRESS.objects()[0]["spec"]["rules"]
    backends = {path["path"]: path["backend"]["service"] for path in rule["http"]["paths"]}
    assert backends["/"] == {"name": one(own, "Service")["metadata"]["name"], "port": {"name": "http"}}


def test_the_service_has_no_rights_on_its_node_or_in_its_cluster() -> None:
    """By the standard `restricted`, which the namespace enforces, and beyond it."""
    for folder in OVERLAYS:
        objects = rendered(folder)
        assert one(objects, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        (pod,) = pods(objects)
        spec = pod["spec"]
        assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        (container,) = containers(pod)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


# --- by the service -----------------------------------------------------------------------------------------------------

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def settings(objects: list[Object]) -> dict[str, str]:
    """The ConfigMap that the pods take their settings from."""
    (pod,) = pods(objects)
    (source,) = containers(pod)[0]["envFrom"]
    return one(objects, "ConfigMap", source["configMapRef"]["name"])["data"]


def secrets(objects: list[Object]) -> dict[str, tuple[str, str]]:
    """The variables that come from Secrets: their names and keys."""
    (pod,) = pods(objects)
    references = {variable["name"]: variable["valueFrom"]["secretKeyRef"] for variable in containers(pod)[0]["env"]}
    return {name: (reference["name"], reference["key"]) for name, reference in references.items()}


@pytest.fixture
def made(tmp_path: Path) -> dict[str, dict[str, str]]:
    """The Secrets that the page's commands make."""
    shell = Shell(tmp_path / "operator", {"transire": Path(os.environ["TRANSIRE_TEST_PROGRAM"])})
    shell.add(
        "kubectl",
        'test "$1" = create && exit\n'
        f'{KUBECTL} "$@" --dry-run=client --output json | jq --compact-output . >> made',
    )
    (shell.folder / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    shell.does(FOR_BOTH.commands() + FOR_POSTGRES.commands(), {}, {})
    objects = [json.loads(line) for line in (shell.folder / "made").read_text().splitlines()]
    assert {object_["metadata"]["namespace"] for object_ in objects} == {"transire"}
    return {object_["metadata"]["name"]: object_["data"] for object_ in objects}


def decoded(data: str) -> str:
    return base64.b64decode(data).decode()


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_secret_and_file_that_a_pod_reads_is_made_by_the_pages_commands(folder: str, made: dict[str, dict[str, str]]) -> None:
    objects = rendered(folder)
    for name, key in secrets(objects).values():
        assert key in made[name]
    (pod,) = pods(objects)
    (container,) = containers(pod)
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    files = set()
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        if secret := volume.get("secret"):
            # Others than the owner and its group may not read a key.
            assert secret["defaultMode"] == 0o440 and pod["spec"]["securityContext"]["fsGroup"]
            files |= {f"{mount['mountPath']}/{key}" for key in made[secret["secretName"]]}
        else:
            assert volume["persistentVolumeClaim"]["claimName"] == one(objects, "PersistentVolumeClaim")["metadata"]["name"]
            assert settings(objects)["TRANSIRE_DATA_DIR"].startswith(f"{mount['mountPath']}/")
    if key_file := settings(objects).get("TRANSIRE_MASTER_KEY_FILE"):
        assert key_file in files
        [root] = re.findall(r"sslrootcert=(\S+)", decoded(made["transire-database"]["url"]))
        assert root in files


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_program_accepts_the_settings(
    folder: str, made: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    objects = rendered(folder)
    authority = Authority(tmp_path / "authority")
    for change, expected in ({}, 0), ({"TRANSIRE_LISTENS": "8480"}, 1):
        environment = settings(objects) | {name: decoded(made[secret][key]) for name, (secret, key) in secrets(objects).items()}
        # The files of Secrets are the kubelet's to bring.
        environment = {name: value.replace("/etc/transire", str(tmp_path)) for name, value in environment.items()} | change
        for name, text in ("master-key/master.key", "12" * 32), ("database/ca.crt", authority.file.read_text()):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch(mode=0o600)
            (tmp_path / name).write_text(text)
        command = [os.environ["TRANSIRE_TEST_PROGRAM"], "config", "check"]
        checked = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert checked.returncode == expected, checked.stderr


def default(setting: str) -> int:
    """The default of a setting, as the program prints it."""
    printed = subprocess.run(
        [os.environ["TRANSIRE_TEST_PROGRAM"], "config", "example"], capture_output=True, text=True, check=True
    ).stdout
    [(number, unit)] = re.findall(rf"^#{setting} = \"?(\d+)([smh]?)\"?$", printed, re.MULTILINE)
    return int(number) * {"": 1, "s": 1, "m": 60, "h": 3600}[unit]


def test_a_pod_has_the_time_that_its_settings_give_it() -> None:
    for folder in OVERLAYS:
        objects = rendered(folder)
        (pod,) = pods(objects)
        delay = int(settings(objects)["TRANSIRE_SHUTDOWN__DELAY_SECONDS"])
        assert pod["spec"]["terminationGracePeriodSeconds"] == delay + default("drain_seconds") + 10
        readiness = containers(pod)[0]["readinessProbe"]
        assert readiness["periodSeconds"] * readiness["failureThreshold"] == default("max_staleness_seconds")
        startup = containers(pod)[0]["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] > 5 * default("start_seconds")


# No node has to learn that a pod ends.
_AT_ONCE = {"TRANSIRE_SHUTDOWN__DELAY_SECONDS": "0"}


class Pod:
    """The service as a pod runs it, but for its addresses."""

    def __init__(self, objects: list[Object], folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir()
        (self._pod,) = pods(objects)
        (self.container,) = containers(self._pod)
        program, *arguments = self.container["command"]
        assert program == "transire"
        given = settings(objects) | environment
        assert given.keys() >= secrets(objects).keys()
        given |= {"TRANSIRE_LISTEN": "127.0.0.1:0", "TRANSIRE_METRICS_LISTEN": "127.0.0.1:0", **_AT_ONCE}
        self._daemon = Daemon([os.environ["TRANSIRE_TEST_PROGRAM"], *arguments], folder, folder / "log", given, announces=True)

    def ports(self) -> dict[str, str]:
        line = self._daemon.first_line()
        assert line, self._daemon.read_log()
        announced = json.loads(line)
        return {"http": announced["listening"], "metrics": announced["metrics"]}

    def answers(self, ports: Mapping[str, str]) -> dict[str, int]:
        probes = {probe: self.container[probe]["httpGet"] for probe in PROBES}
        return {probe: fetch(f"http://{ports[get['port']]}{get['path']}").status for probe, get in probes.items()}

    def stop(self) -> int:
        return self._daemon.stop()


def test_three_replicas_set_up_one_empty_database_and_the_probes_find_them_ready(
    replicated: dict[str, str], redis: Any, tmp_path: Path
) -> None:
    objects = rendered("overlays/postgres")
    assert one(objects, "Deployment")["spec"]["replicas"] == 3
    environment = {**os.environ, **replicated, "TRANSIRE_SHARED__URL": redis.url}
    replicas = [Pod(objects, tmp_path / f"replica-{number}", environment) for number in range(3)]
    try:
        for replica in replicas:
            ports = replica.ports()
            wait_until("the probes' answers", lambda: set(replica.answers(ports).values()) == {200})  # noqa: B023
            assert fetch(f"http://{ports['metrics']}/metrics").status == 200
            ready = fetch(f"http://{ports['metrics']}/readyz").json()
            assert (ready["missing"], ready["warnings"]) == ([], [])
    finally:
        ended = [replica.stop() for replica in replicas]
    assert ended == [0, 0, 0]


def test_the_numbers_of_the_ports_are_those_of_the_settings() -> None:
    for folder in OVERLAYS:
        objects = rendered(folder)
        (pod,) = pods(objects)
        ports = {port["name"]: f"0.0.0.0:{port['containerPort']}" for port in containers(pod)[0]["ports"]}
        given = settings(objects)
        assert ports == {"http": given["TRANSIRE_LISTEN"], "metrics": given["TRANSIRE_METRICS_LISTEN"]}


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a file system read-only")
def test_the_service_writes_to_its_volume_and_nowhere_else(tmp_path: Path) -> None:
    objects = rendered("overlays/sqlite")
    (pod,) = pods(objects)
    (mount,) = containers(pod)[0]["volumeMounts"]
    given = settings(objects)
    volume = tmp_path / "volume"
    volume.mkdir()
    data = given["TRANSIRE_DATA_DIR"].replace(mount["mountPath"], str(volume))
    machine = Namespace(tmp_path / "machine", [])
    daemon = None
    try:
        # As a volume whose own folder is open to all.
        assert machine.run("mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", volume).returncode == 0
        assert machine.run("mount", "-o", "remount,bind,ro", "/").returncode == 0
        assert machine.run("touch", tmp_path / "file").returncode != 0
        environment = given | {"TRANSIRE_DATA_DIR": data, "TRANSIRE_MASTER_KEY": "0123456789abcdef" * 4, **_AT_ONCE}
        command = machine.command(os.environ["TRANSIRE_TEST_PROGRAM"], "serve", folder=Path("/"))
        daemon = Daemon(command, tmp_path, tmp_path / "log", environment)
        ready = ("curl", "--silent", "--fail", "http://127.0.0.1:9480/readyz")
        wait_until("it to be ready or end", lambda: not daemon.is_running() or machine.run(*ready).returncode == 0)
        assert daemon.is_running(), daemon.read_log()
        [mode] = machine.run("stat", "--format=%a", data).stdout.split()
        assert stat.S_IMODE(int(mode, 8)) == 0o700
    finally:
        if daemon:
            daemon.stop()
        machine.end()


# --- one place for each fact ----------------------------------------------------------------------------------------------


def test_the_image_is_named_in_one_place_and_its_tag_is_the_version(own: list[Object]) -> None:
    named = [file for file in MANIFESTS.rglob("*") if file.is_file() and "images.example.com/transire" in file.read_text()]
    assert named == [MANIFESTS / "components" / "image" / "kustomization.yaml"]
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    plain = [pod for folder in (*OVERLAYS, "pull-secret") for pod in pods(rendered(folder))]
    images = {container["image"] for pod in plain for container in containers(pod)}
    for folder in PROFILES:
        (pod,) = pods(rendered(folder))
        images |= {volume["image"]["reference"] for volume in pod["spec"]["volumes"] if "image" in volume}
    assert images == {f"images.example.com/transire:{version}"}
    # An overlay changes it in one place, too.
    (pod,) = pods(own)
    assert [container["image"] for container in containers(pod)] == [f"images.example.com/mirror/transire:{version}"]


def test_an_overlays_settings_are_merged_with_those_of_the_base(own: list[Object]) -> None:
    ours, theirs = settings(rendered("overlays/postgres")), settings(own)
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == {"TRANSIRE_TRUSTED_PROXIES"}


def documented(heading: str, language: str = "yaml") -> list[Object]:
    return [object_ for block in take("docs/kubernetes.md", heading, language) for object_ in block.objects()]


def test_the_pull_secrets_manifest_is_the_pages() -> None:
    theirs = documented("A pull secret that is renewed")
    by_name = lambda object_: (object_["kind"], object_["metadata"]["name"])  # noqa: E731
    ours = rendered("pull-secret")
    for objects in (ours, theirs):
        for pod in pods(objects):
            containers(pod)[0]["image"] = "transire"
    assert sorted(ours, key=by_name) == sorted(theirs, key=by_name)


def test_the_kubelets_configuration_and_its_rights_are_the_pages() -> None:
    role, binding, configuration = documented("The kubelet's credential provider")
    for profile in PROFILES:
        objects = rendered(profile)
        assert [one(objects, "ClusterRole"), one(objects, "ClusterRoleBinding")] == [role, binding]
        data = one(objects, "ConfigMap")["data"]
        assert yaml.safe_load(data["credential-provider.yaml"]) == configuration
    assert json.loads(data["transire.json"]) == configuration
    assert list(yaml.safe_load_all((MANIFESTS / "kubelet-provider/talos/machine.yaml").read_text())) == documented("Talos")


# --- the kubelet's provider on a node --------------------------------------------------------------------------------------


class Node:
    """A node, whose root is a folder, and the container that changes it."""

    def __init__(self, profile: str, folder: Path) -> None:
        objects = rendered(f"kubelet-provider/{profile}")
        (pod,) = pods(objects)
        (self._container,) = pod["spec"]["initContainers"]
        self.places = {variable["name"]: variable["value"] for variable in self._container["env"]}
        self.root = folder / "root"
        (self.root / "run").mkdir(parents=True)
        self._programs, self._configuration = folder / "programs", folder / "configuration"
        self._configuration.mkdir()
        for name, text in one(objects, "ConfigMap")["data"].items():
            (self._configuration / name).write_text(text)
        self.program = folder / "transire"
        self.program.write_text("one\n")
        self._programs.mkdir()
        self._add("on-node", _ON_NODE)
        self._add("systemctl", 'case "$1" in is-active) test "$3" = "$RUNS";; *) echo "$@" >> "$HOST/restarted";; esac')

    def _add(self, name: str, script: str) -> None:
        (self._programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self._programs / name).chmod(0o755)

    def file(self, place: str) -> Path:
        return self.root / self.places[place].lstrip("/")

    def install(self, runs: str) -> subprocess.CompletedProcess[str]:
        command, script = self._container["command"]
        assert (command, Path(script).name) == ("sh", "install.sh")
        return subprocess.run(
            ["busybox", command, self._configuration / "install.sh"],
            env=self.places
            | {"HOST": str(self.root), "PROGRAM": str(self.program), "ON_NODE": str(self._programs / "on-node"), "RUNS": runs}
            | {"PATH": f"{self._programs}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def restarted(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.root / "restarted").read_text().splitlines()
        return []


# In place of nsenter: a path of an argument is the node's.
_ON_NODE = """\
count=$#
for argument in "$@"; do
    case $argument in /*) argument=$HOST$argument;; esac
    set -- "$@" "$argument"
done
shift "$count"
exec "$@"
"""


@pytest.mark.parametrize(("profile", "unit"), [("kubeadm", "kubelet"), ("k3s", "k3s"), ("k3s", "k3s-agent"), ("eks", "kubelet")])
def test_a_node_gets_the_program_and_the_configuration_and_one_restart(profile: str, unit: str, tmp_path: Path) -> None:
    node = Node(profile, tmp_path)
    if profile == "eks":
        node.file("CONFIGURATION").parent.mkdir(parents=True)
        theirs = {"kind": "CredentialProviderConfig", "providers": [{"name": "ecr-credential-provider"}]}
        node.file("CONFIGURATION").write_text(json.dumps(theirs))
    for content, restarts in ("one\n", 1), ("one\n", 1), ("two\n", 2):
        node.program.write_text(content)
        done = node.install(unit)
        assert done.returncode == 0, done.stderr
        assert node.restarted() == [f"restart {unit}"] * restarts
        program = node.file("PROGRAMS") / "transire"
        assert (program.read_text(), stat.S_IMODE(program.stat().st_mode)) == (content, 0o755)
    providers = yaml.safe_load(node.file("CONFIGURATION").read_text())["providers"]
    assert [provider["name"] for provider in providers] == (["ecr-credential-provider"] if profile == "eks" else []) + ["transire"]
    documented_lines = take("docs/kubernetes.md", {"eks": "EKS"}.get(profile, profile))[0].text
    assert node.places["CONFIGURATION"] in documented_lines and node.places["PROGRAMS"] in documented_lines
    if "FLAGS" in node.places:
        assert node.file("FLAGS").read_text() in documented_lines.replace("'", "\n")


def test_a_restart_that_failed_is_made_up_for(tmp_path: Path) -> None:
    node = Node("kubeadm", tmp_path)
    assert "none of these runs on this node" in node.install("none").stderr
    assert node.restarted() == []
    assert node.install("kubelet").returncode == 0
    assert node.restarted() == ["restart kubelet"]


def test_providers_and_arguments_of_others_stay_on_a_node(tmp_path: Path) -> None:
    node = Node("kubeadm", tmp_path)
    node.file("CONFIGURATION").parent.mkdir(parents=True)
    node.file("CONFIGURATION").write_text("providers:\n  - name: other\n    matchImages: []\n")
    assert "has other providers" in node.install("kubelet").stderr
    assert "other" in node.file("CONFIGURATION").read_text()
    node.file("CONFIGURATION").unlink()
    node.file("FLAGS").parent.mkdir(parents=True)
    node.file("FLAGS").write_text('KUBELET_EXTRA_ARGS="--node-ip=192.0.2.7"\n')
    assert "sets KUBELET_EXTRA_ARGS" in node.install("kubelet").stderr
    assert node.restarted() == []
