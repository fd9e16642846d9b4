"""Docker's credential helper: the log-ins of the profile's registries, and a credential that is kept for half of its life."""

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import image
from client import Client, Liar, endpoint, keys
from registry import Registry, run
from service import Account, Instance, Transire

NOT_FOUND = "credentials not found in native keychain"


@pytest.fixture
def helper(client: Client, transire: Transire, account: Account, instance: Instance, registry: Registry) -> Mapping[str, str]:
    """A user whose profile names the registry; the variables of a key, which docker hands on to its helper."""
    client.write_profile(registry.address, endpoint=endpoint(transire), instance=instance.tcr_id)
    return keys(account.key)


def test_docker_gets_log_ins_from_the_helper(client: Client, registry: Registry, helper: Mapping[str, str], transire: Transire) -> None:
    done = client.run_as("docker-credential-transire", "get", stdin=f"{registry.address}\n", **helper)
    answer = json.loads(done.stdout)
    transire.remember("secret of the client", answer["Secret"])
    assert set(answer) == {"ServerURL", "Username", "Secret"} and answer["ServerURL"] == registry.address
    listed = client.run_as("docker-credential-transire", "list", stdin="unused", **helper)
    assert json.loads(listed.stdout) == {registry.address: "transire"}
    assert client.run_as("docker-credential-transire", "version").stdout.startswith("transire ")


def test_the_helper_says_not_found_for_every_other_registry(client: Client, helper: Mapping[str, str], liar: Liar) -> None:
    for server in (liar.address, "https://index.docker.io/v1/", "registry.example.com"):
        done = client.run_as("docker-credential-transire", "get", stdin=server, **helper)
        assert (done.returncode, done.stdout) == (1, f"{NOT_FOUND}\n")
    assert liar.asked == []


def test_the_helper_drops_what_docker_stores(client: Client, registry: Registry, helper: Mapping[str, str]) -> None:
    stored = json.dumps({"ServerURL": registry.address, "Username": "x", "Secret": "passwordEXAMPLE"})
    for verb, stdin in (("store", stored), ("erase", registry.address)):
        done = client.run_as("docker-credential-transire", verb, stdin=stdin, **helper)
        assert (done.returncode, done.stdout) == (0, "") and "when they are needed" in done.stderr


@pytest.fixture
def tools(client: Client, registry: Registry, helper: Mapping[str, str], tmp_path: Path) -> Mapping[str, str]:
    """The environment in which docker and skopeo find the helper."""
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"credHelpers": {registry.address: "transire"}}))
    home = {"HOME": str(client.home), "XDG_CONFIG_HOME": str(client.home / ".config"), "DOCKER_CONFIG": str(folder)}
    return {**helper, **home, "PATH": f"{client.programs}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(runtime_folder(client))}


def runtime_folder(client: Client) -> Path:
    folder = client.home / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def issued(transire: Transire) -> int:
    """How many credentials the service issued; it is stopped, so that its audit is written."""
    transire.stop()
    return len(transire.items("audit", "list", "--since", "1h", "--action", "credential.issue-temporary"))


def test_docker_and_skopeo_work_through_the_helper_with_one_credential(
    transire: Transire, registry: Registry, tools: Mapping[str, str], tmp_path: Path
) -> None:
    image.write_oci_layout(tmp_path / "in", "v1")
    file = Path(tools["DOCKER_CONFIG"]) / "config.json"
    # Docker 20.10, which Debian 12 has, inspects no manifest in OCI's format.
    copy = ("skopeo", "--insecure-policy", "copy", "--format=v2s2", f"--dest-authfile={file}", "--dest-tls-verify=false")
    pushed = run(*copy, f"oci:{tmp_path / 'in'}:v1", registry.reference("team/tool:v1"), environment=tools)
    assert pushed.returncode == 0, pushed.stderr
    inspect = (os.environ["TRANSIRE_TEST_DOCKER"], "manifest", "inspect", "--insecure")
    looked = run(*inspect, f"{registry.address}/team/tool:v1", environment=tools)
    assert looked.returncode == 0 and "layers" in looked.stdout, looked.stderr
    assert issued(transire) == 1


@pytest.fixture
def get(client: Client, registry: Registry, helper: Mapping[str, str], transire: Transire) -> Callable[..., tuple[str, str]]:
    """Asks the helper: the secret, and what it notes on standard error."""

    def get(**variables: str) -> tuple[str, str]:
        usual = {**helper, "XDG_RUNTIME_DIR": str(runtime_folder(client))}
        done = client.run_as("docker-credential-transire", "get", stdin=registry.address, **usual | variables)
        assert done.returncode == 0, done.stdout
        return transire.remember("secret of the client", json.loads(done.stdout)["Secret"]), done.stderr

    return get


def test_processes_that_start_at_once_ask_the_service_once(transire: Transire, get: Callable[..., tuple[str, str]]) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda _: get(), range(8)))
    assert len(answers) == 1 and issued(transire) == 1


def test_what_a_profile_says_anew_brings_a_credential_of_its_own(
    transire: Transire, client: Client, registry: Registry, instance: Instance, get: Callable[..., tuple[str, str]]
) -> None:
    first = get()
    client.write_profile(registry.address, endpoint=endpoint(transire), instance=instance.cri_id)
    second = get()
    assert first != second
    client.write_profile(registry.address, endpoint=endpoint(transire), instance=instance.tcr_id)
    assert get() == first and issued(transire) == 2


@pytest.mark.parametrize("how", ["logout", "docker logout", "no runtime folder"])
def test_a_kept_credential_can_be_dropped(
    transire: Transire, client: Client, registry: Registry, tools: Mapping[str, str], get: Callable[..., tuple[str, str]], how: str
) -> None:
    first = get()
    if how == "logout":
        client.does("logout", registry.address, XDG_RUNTIME_DIR=tools["XDG_RUNTIME_DIR"])
    elif how == "docker logout":
        done = run(os.environ["TRANSIRE_TEST_DOCKER"], "logout", registry.address, environment=tools)
        assert done.returncode == 0, done.stderr
    variables = {"XDG_RUNTIME_DIR": ""} if how == "no runtime folder" else {}
    assert get(**variables) != first and issued(transire) == 2


def kept_file(client: Client) -> Path:
    (file,) = (file for file in (runtime_folder(client) / "transire").iterdir() if not file.name.startswith("lock-"))
    return file


@pytest.mark.parametrize("trick", ["a link", "others may open it", "something else"])
def test_a_planted_file_is_not_used_and_said_so(transire: Transire, client: Client, get: Callable[..., tuple[str, str]], trick: str) -> None:
    first, _ = get()
    file = kept_file(client)
    match trick:
        case "a link":
            file.rename(client.home / "planted")
            file.symlink_to(client.home / "planted")
        case "others may open it":
            file.chmod(0o644)
        case _:
            file.unlink()
            file.mkdir()
    second, notes = get()
    assert second != first and trick in notes
    assert first not in notes and second not in notes and issued(transire) == 2


@pytest.mark.parametrize("folder", ["run", "run/transire"])
def test_a_folder_that_others_may_open_keeps_nothing_and_it_is_said_so(
    transire: Transire, client: Client, get: Callable[..., tuple[str, str]], folder: str
) -> None:
    (runtime_folder(client) / "transire").mkdir()
    (client.home / folder).chmod(0o755)
    if folder == "run":
        (runtime_folder(client) / "transire").chmod(0o700)
    answers = [get(), get()]
    assert answers[0][0] != answers[1][0] and all("chmod go=" in notes for _, notes in answers)
    assert list((runtime_folder(client) / "transire").iterdir()) == []
