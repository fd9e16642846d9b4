"""What registries trust, and how it changes: the certificate authority, and the one key of a zot."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import image
import tencent
from credential import Credential, exchange
from processes import wait_until
from registry import Registry, run, skopeo_login
from service import Account, Clock, Instance, Transire, fetch
from traffic import Traffic
from zot import Zot, header_of


class Operator:
    """The command line, at a time of its own."""

    def __init__(self, transire: Transire, folder: Path) -> None:
        self._transire = transire
        self._clock = Clock(folder / "operators-clock")

    def does(self, *arguments: str | Path, at: str = "+0") -> Any:
        self._clock.move(at)
        done = self._transire.run(*arguments, environment=self._clock.environment())
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def is_refused(self, *arguments: str | Path, at: str = "+0", exit_code: int = 1) -> str:
        self._clock.move(at)
        done = self._transire.run(*arguments, environment=self._clock.environment())
        assert (done.returncode, done.stdout) == (exit_code, ""), done.stdout
        return done.stderr

    def keys(self, kind: str) -> list[dict[str, Any]]:
        return [key for key in self._transire.items("keys", "list") if key["kind"] == kind]


@pytest.fixture
def operator(transire: Transire, tmp_path: Path) -> Operator:
    return Operator(transire, tmp_path)


def temporary(transire: Transire, instance: Instance) -> Credential:
    return tencent.issue(transire, instance.account.key, instance.tcr_id)


def token_of(transire: Transire, instance: Instance, credential: Credential, *scopes: str) -> str:
    return exchange(transire.realm, instance, credential, *scopes).json()["token"]


def token_when(
    what: str, is_so: Callable[[str], bool], transire: Transire, instance: Instance, credential: Credential, *scopes: str
) -> str:
    """The first token of which something is so."""

    def attempt() -> str | None:
        token = token_of(transire, instance, credential, *scopes)
        return token if is_so(token) else None

    return wait_until(what, attempt)


def leaf_of(token: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(base64.b64decode(header_of(token)["x5c"][0]))


def days_of(certificate: x509.Certificate) -> int:
    return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days


def bundle(transire: Transire) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(fetch(f"http://{transire.endpoint}/bundle.pem").body)


def is_believed(registry: Registry, token: str) -> bool:
    status = fetch(f"http://{registry.address}/v2/", {"Authorization": f"Bearer {token}"}).status
    assert status in (200, 401)
    return status == 200


# -- rotation


def test_pushes_and_pulls_go_on_while_the_authority_is_rotated(
    transire: Transire,
    clock: Clock,
    operator: Operator,
    instance: Instance,
    new_registry: Callable[..., Registry],
    tmp_path: Path,
) -> None:
    """Only the registry's own restart is excepted: nothing is in flight while it is down."""
    registry, stale = new_registry(transire, instance), new_registry(transire, instance)
    credential = temporary(transire, instance)
    image.write_oci_layout(tmp_path / "in", "v1")
    assert skopeo_login(registry, credential).returncode == 0
    [first] = bundle(transire)
    traffic = Traffic(registry, tmp_path / "in")
    try:
        traffic.go_on(2)
        made = operator.does("keys", "rotate", "ca")
        assert (made["state"], "restart" in made["next"]) == ("next", True)
        assert operator.does("keys", "rotate", "ca") == made, "done again, it names the same"
        wait_until("both in the bundle", lambda: len(bundle(transire)) == 2)
        assert "seconds" in operator.is_refused("keys", "rotate", "ca", "--activate")
        traffic.go_on(2)
        with traffic.held_up():
            registry.restart(transire, instance)
        traffic.go_on(2)
        before = token_of(transire, instance, credential)
        leaf_of(before).verify_directly_issued_by(first)
        assert is_believed(registry, before) and is_believed(stale, before), "until it is activated the old bundle is enough"

        clock.move("+40s")
        activated = operator.does("keys", "rotate", "ca", "--activate", at="+40s")
        assert (activated["key_id"], activated["state"]) == (made["key_id"], "in use")
        second = next(certificate for certificate in bundle(transire) if certificate != first)
        # Before it is heard of, the old leaf is as good at a registry with both.
        after = token_when(
            "a leaf of the new one", lambda token: leaf_of(token).issuer == second.subject, transire, instance, credential
        )
        leaf_of(after).verify_directly_issued_by(second)
        assert header_of(after)["kid"] == header_of(before)["kid"], "the signing key stays"
        assert is_believed(registry, after) and is_believed(registry, before)
        assert is_believed(stale, before) and not is_believed(stale, after), "a registry that wasn't restarted"
        traffic.go_on(2)

        # A signing key is rotated meanwhile, under the new one.
        operator.does("keys", "rotate", "signing", at="+40s")
        assert "from" in operator.is_refused("keys", "rotate", "ca", "--retire", at="+100m")
        assert operator.does("keys", "rotate", "ca", "--retire", at="+125m")["state"] == "gone"
        wait_until("the new one alone in the bundle", lambda: bundle(transire) == [second])
        with traffic.held_up():
            registry.restart(transire, instance)
        traffic.go_on(2)
        assert not is_believed(registry, before), "what only the old one vouches for"
    finally:
        traffic.stop()
    assert traffic.failures == []
    assert [(ca["state"], ca["private_key"]) for ca in operator.keys("ca")] == [("in use", "here")]


def test_an_authority_that_is_next_can_be_given_up(transire: Transire, operator: Operator) -> None:
    made = operator.does("keys", "rotate", "ca")
    assert [ca["state"] for ca in operator.keys("ca")] == ["next", "in use"]
    assert operator.does("keys", "rotate", "ca", "--cancel")["key_id"] == made["key_id"]
    wait_until("one in the bundle", lambda: len(bundle(transire)) == 1)
    for step in ("--activate", "--cancel"):
        assert "No certificate authority is next" in operator.is_refused("keys", "rotate", "ca", step)
    assert "no old certificate authority" in operator.is_refused("keys", "rotate", "ca", "--retire", at="+5h")
    actions = {line["action"] for line in transire.items("audit", "list", "--since", "2000-01-01T00:00:00Z")}
    assert actions >= {"authority.create", "authority.cancel"}


# -- kept elsewhere


def openssl(*arguments: str | Path) -> None:
    done = run("openssl", *arguments)
    assert done.returncode == 0, done.stderr


P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def new_authority(folder: Path, name: str, *options: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    openssl("req", "-x509", "-nodes", "-subj", f"/O=acme/CN={name}", "-keyout", key, "-out", certificate, *options)
    return certificate, key


USUAL = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature"


def sign(request: Path, authority: Path, key: Path, days: int, extensions: str = USUAL) -> Path:
    """Signs a request as an operator would, with nothing but openssl."""
    section, certificate = request.with_suffix(".ext"), request.with_suffix(".crt")
    section.write_text(extensions + "\n")
    openssl(
        *("x509", "-req", "-in", request, "-CA", authority, "-CAkey", key, "-CAcreateserial"),
        *("-days", str(days), "-extfile", section, "-out", certificate),
    )
    return certificate


def requests(operator: Operator, folder: Path, at: str = "+0") -> dict[str, Path]:
    return {item["key_id"]: Path(item["file"]) for item in operator.does("keys", "csr", "--out", folder, at=at)["items"]}


def test_the_authority_is_taken_offline_and_certificates_come_from_openssl(
    transire: Transire, clock: Clock, operator: Operator, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    credential = temporary(transire, instance)
    kept = tmp_path / "ca.pem"
    taken = operator.does("keys", "take-ca-offline", "--out", kept)
    assert kept.stat().st_mode & 0o777 == 0o600
    transire.remember("authority's private key", kept.read_text().splitlines()[1])
    assert [(ca["key_id"], ca["state"], ca["private_key"]) for ca in operator.keys("ca")] == [(taken["key_id"], "in use", "elsewhere")]
    assert "not kept here" in operator.is_refused("keys", "take-ca-offline", "--out", tmp_path / "again.pem")
    assert not (tmp_path / "again.pem").exists()
    assert is_believed(registry, token_of(transire, instance, credential)), "the leaf that is there goes on"

    # The leaf is renewed, for a year.
    [(key, request)] = requests(operator, tmp_path / "csr").items()
    openssl("req", "-in", request, "-noout", "-verify")
    imported = operator.does("keys", "import-leaf", sign(request, kept, kept, 365))
    assert (imported["key_id"], imported["ca_state"]) == (key, "in use")
    year = token_when("the year's leaf", lambda token: days_of(leaf_of(token)) == 365, transire, instance, credential)
    assert is_believed(registry, year)

    # Whatever a registry would refuse is refused here, with the reason.
    for extensions, days, why in [
        ("basicConstraints=critical,CA:TRUE", 30, "CA:TRUE"),
        ("keyUsage=critical,keyEncipherment", 30, "digitalSignature"),
        ("nameConstraints=critical,permitted;DNS:example.com", 30, "critical"),
        ("basicConstraints=CA:FALSE", 4000, "five years"),
        ("basicConstraints=CA:FALSE", 1, "within a day"),
    ]:
        assert why in operator.is_refused("keys", "import-leaf", sign(request, kept, kept, days, extensions), at="+1m", exit_code=2), why
    stranger, strangers_key = new_authority(tmp_path, "stranger", *P256, "-days", "9")
    by_a_stranger = sign(request, stranger, strangers_key, 30)
    assert "No certificate authority signed it" in operator.is_refused("keys", "import-leaf", by_a_stranger, exit_code=2)
    assert "none of the signing keys" in operator.is_refused("keys", "import-leaf", stranger, exit_code=2)

    # A rotated signing key waits for its certificate, and then for half a minute.
    waiting = operator.does("keys", "rotate", "signing")
    assert waiting["state"] == "waiting for its certificate"
    assert operator.does("keys", "rotate", "signing") == waiting
    request = requests(operator, tmp_path / "csr")[waiting["key_id"]]
    assert operator.does("keys", "import-leaf", sign(request, kept, kept, 90))["key_id"] == waiting["key_id"]
    first = header_of(token_of(transire, instance, credential))["kid"]
    # The half minute counts from when the service read it: a clock that is moved before would begin it anew.
    published = f"http://{transire.endpoint}/.well-known/jwks.json"
    wait_until("the service to know the new key", lambda: len(fetch(published).json()["keys"]) == 2)
    clock.move("+40s")
    rotated = token_when("the new key to sign", lambda token: header_of(token)["kid"] != first, transire, instance, credential)
    assert is_believed(registry, rotated)


def test_without_a_renewal_an_offline_authoritys_tokens_stop_with_a_reason(
    transire: Transire, clock: Clock, operator: Operator, instance: Instance, tmp_path: Path
) -> None:
    operator.does("keys", "take-ca-offline", "--out", tmp_path / "ca.pem")
    long_term = tencent.issue(transire, instance.account.key, instance.tcr_id, "longterm")
    transire.stop()
    clock.move("+8d")
    transire.start()
    assert exchange(transire.realm, instance, long_term).status == 200
    wait_until("a warning", lambda: "transire keys csr" in transire.log.read_text(), within=90)
    transire.stop()
    clock.move("+15d")
    transire.start()
    refused = exchange(transire.realm, instance, long_term)
    assert refused.status == 500, "never a token that a registry refuses without a word"
    assert "must be renewed" in transire.log.read_text()


@pytest.mark.parametrize("new_key", [["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], ["rsa:3072"]], ids=["P-384", "RSA"])
def test_an_operators_own_authority_takes_over(
    transire: Transire, clock: Clock, operator: Operator, instance: Instance, registry: Registry, tmp_path: Path, new_key: list[str]
) -> None:
    credential = temporary(transire, instance)
    options = ("-newkey", *new_key, "-days", "3650", "-addext", "keyUsage=critical,keyCertSign")
    certificate, key = new_authority(tmp_path, "own", *options)
    imported = operator.does("keys", "import-ca", certificate)
    assert (imported["state"], operator.does("keys", "import-ca", certificate)) == ("next", imported)
    wait_until("both in the bundle", lambda: len(bundle(transire)) == 2)
    assert "keys csr" in operator.is_refused("keys", "rotate", "ca", "--activate", at="+40s")
    [(_, request)] = requests(operator, tmp_path / "csr").items()
    assert operator.does("keys", "import-leaf", sign(request, certificate, key, 90))["ca_state"] == "next"
    before = token_of(transire, instance, credential)
    assert is_believed(registry, before), "nothing changes until it is activated"
    registry.restart(transire, instance)
    clock.move("+40s")
    operator.does("keys", "rotate", "ca", "--activate", at="+40s")
    subject = x509.load_pem_x509_certificate(certificate.read_bytes()).subject
    after = token_when("a leaf of the operator's", lambda token: leaf_of(token).issuer == subject, transire, instance, credential)
    assert is_believed(registry, after) and is_believed(registry, before)


def test_an_authority_that_got_a_longer_certificate_takes_over_with_the_leaves_that_are_there(
    transire: Transire, operator: Operator, instance: Instance, registry: Registry, tmp_path: Path
) -> None:
    kept, longer = tmp_path / "ca.pem", tmp_path / "longer.pem"
    operator.does("keys", "take-ca-offline", "--out", kept)
    transire.remember("authority's private key", kept.read_text().splitlines()[1])
    openssl("x509", "-in", kept, "-signkey", kept, "-days", "9000", "-out", longer)
    made = operator.does("keys", "import-ca", longer)
    registry.restart(transire, instance)
    assert operator.does("keys", "rotate", "ca", "--activate", at="+40s")["key_id"] == made["key_id"]
    operator.does("keys", "rotate", "ca", "--retire", at="+125m")
    wait_until("the longer one alone in the bundle", lambda: [days_of(one) for one in bundle(transire)] == [9000])
    registry.restart(transire, instance)
    assert is_believed(registry, token_of(transire, instance, temporary(transire, instance)))


def test_an_authority_that_registries_would_not_take_is_refused(operator: Operator, tmp_path: Path) -> None:
    for name, options, why in [
        ("ed", ["-newkey", "ed25519", "-days", "99"], "neither RSA nor"),
        ("small", ["-newkey", "rsa:1024", "-days", "99"], "1024 bits"),
        ("leaf", [*P256, "-days", "99", "-addext", "basicConstraints=critical,CA:FALSE"], "CA:TRUE"),
        ("usage", [*P256, "-days", "99", "-addext", "keyUsage=critical,digitalSignature"], "keyCertSign"),
        ("short", [*P256, "-days", "1"], "within a day"),
    ]:
        certificate, _ = new_authority(tmp_path, name, *options)
        assert why in operator.is_refused("keys", "import-ca", certificate, at="+1m", exit_code=2), why
    assert "not exactly one" in operator.is_refused("keys", "import-ca", tmp_path / "ed.key", exit_code=2)


# -- zot


def new_zot(transire: Transire, account: Account, name: str, *options: str) -> Instance:
    return transire.new_instance(account, name, "--kind", "zot", *options)


def config_of(transire: Transire, instance: Instance, folder: Path, *options: str) -> Zot:
    written = transire.cli(
        *("registry-config", "--instance", instance.tcr_id, "--kind", "zot", "--out", folder),
        *("--realm", transire.realm, "--listen", "127.0.0.1:5000", *options),
    )
    zot = Zot(Path(written["config"]))
    assert zot.bearer == {"realm": transire.realm, "service": instance.service, "cert": written["key"]}
    assert zot.settings["http"]["address"] == "127.0.0.1" and zot.settings["http"]["port"] == "5000"
    return zot


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_token_for_one_zot_is_worth_nothing_at_another_nor_at_a_shared_registry(
    transire: Transire, account: Account, instance: Instance, registry: Registry, tmp_path: Path, algorithm: str
) -> None:
    a, b = (new_zot(transire, account, name, "--alg", algorithm) for name in ("zot-a", "zot-b"))
    at_a, at_b = (config_of(transire, one, tmp_path / one.tcr_id) for one in (a, b))
    scope = "repository:team/app:pull"
    mine = token_of(transire, a, temporary(transire, a), scope)
    theirs = token_of(transire, b, temporary(transire, b), scope)
    shared = token_of(transire, instance, temporary(transire, instance), scope)
    now = time.time()
    assert at_a.accepts(mine, "team/app", "pull", now) and not at_a.accepts(mine, "team/app", "push", now)
    assert at_b.accepts(theirs, "team/app", "pull", now)
    for zot, token in [(at_b, mine), (at_a, theirs), (at_a, shared), (at_b, shared)]:
        assert not zot.accepts(token, "team/app", "pull", now)
    # zot allows no skew: a clock that is most of a minute behind takes it too.
    assert at_a.accepts(mine, "team/app", "pull", now - 55)
    # Nor does a registry of the other kind believe it; and the published keys are none of theirs.
    assert not is_believed(registry, mine) and is_believed(registry, shared)
    assert "x5c" not in header_of(mine)
    published = {key["kid"] for key in fetch(f"http://{transire.endpoint}/.well-known/jwks.json").json()["keys"]}
    assert header_of(shared)["kid"] in published
    assert published.isdisjoint({header_of(mine)["kid"], header_of(theirs)["kid"]})
    own = {key["instance"]: key["state"] for key in transire.items("keys", "list") if key["instance"]}
    assert own == {a.tcr_id: "in use", b.tcr_id: "in use"}


def test_a_zots_key_changes_when_the_operator_says_so(
    transire: Transire, account: Account, operator: Operator, clock: Clock, tmp_path: Path
) -> None:
    zot = new_zot(transire, account, "zot-a")
    credential = temporary(transire, zot)
    scope = "repository:team/app:pull"
    old = config_of(transire, zot, tmp_path / "old")

    def accepted(by: Zot) -> bool:
        return by.accepts(token_of(transire, zot, credential, scope), "team/app", "pull", time.time())

    rotate = ("keys", "rotate", "signing", "--instance", zot.tcr_id)
    assert "No key of instance" in operator.is_refused(*rotate, "--activate")
    made = operator.does(*rotate)
    assert (made["state"], operator.does(*rotate)) == ("next", made)
    # The shared rotation doesn't touch it, nor does time.
    operator.does("keys", "rotate", "signing")
    clock.move("+40s")
    new = config_of(transire, zot, tmp_path / "new", "--key", "next")
    assert old.accepts(token_of(transire, zot, credential, scope), "team/app", "pull", time.time() + 40)
    assert not accepted(new)
    assert operator.does(*rotate, "--activate")["key_id"] == made["key_id"]
    wait_until("the new key to sign", lambda: new.accepts(token_of(transire, zot, credential, scope), "team/app", "pull", time.time() + 40))
    assert not accepted(old)
    assert [key["key_id"] for key in operator.keys("signing") if key["instance"]] == [made["key_id"]]
    # It goes with its instance.
    transire.cli("instance", "delete", "--instance", zot.tcr_id)
    assert [key for key in operator.keys("signing") if key["instance"]] == []


def test_each_kind_of_registry_gets_its_own_configuration(
    transire: Transire, account: Account, instance: Instance, operator: Operator, tmp_path: Path
) -> None:
    zot = new_zot(transire, account, "zot-a")
    kinds = {item["tcr_id"]: item["kind"] for item in transire.items("instance", "list")}
    assert kinds == {instance.tcr_id: "distribution", zot.tcr_id: "zot"}
    for one, kind in [(instance, "zot"), (zot, "distribution"), (zot, "pulp")]:
        refused = transire.cli_refused("registry-config", "--instance", one.tcr_id, "--kind", kind, "--out", tmp_path / "out")
        assert f"--kind {kinds[one.tcr_id]}" in refused and f"transire instance create --kind {kind}" in refused
    assert not (tmp_path / "out").exists()
    assert "shares its signing keys" in operator.is_refused("keys", "rotate", "signing", "--instance", instance.tcr_id)
