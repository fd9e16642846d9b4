"""What monitoring systems make of the metrics: Prometheus' tools, and the alerts and the dashboard of contrib/."""

import json
import os
import re
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.sts.v20180813 import models as sts
from tencentcloud.sts.v20180813.sts_client import StsClient
from tencentcloud.tcr.v20190924 import models

import alibaba
import promql
import tencent
from authority import Authority
from credential import Credential
from documents import take_one
from processes import wait_until
from service import REGION, Account, Answer, Clock, Instance, Transire, fetch

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "contrib" / "prometheus"
DASHBOARD = json.loads((ROOT / "contrib" / "grafana" / "dashboard.json").read_text())
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
SCRAPE = take_one("docs/observability.md", "Metrics", "yaml")
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
# An outcome that no request may have had yet.
WORDS = {"outcome": {"ok", "refused", "failed"}}
NOTHING = {"version": "2.0", "statement": [{"effect": "deny", "action": "tcr:*", "resource": "*"}]}

Samples = dict[str, list[dict[str, str]]]


class Page:
    """The page in one form, of a running service."""

    def __init__(self, transire: Transire, accept: str = "") -> None:
        answer = fetch(f"http://{transire.metrics}/metrics", {"Accept": accept} if accept else {})
        assert answer.status == 200
        self.content_type = answer.headers["Content-Type"]
        self.text = answer.body.decode()

    def families(self) -> list[Any]:
        return list(parse_open_metrics(self.text))

    def samples(self) -> Samples:
        """The labels of every sample, by its name."""
        samples: Samples = {}
        for family in self.families():
            for sample in family.samples:
                samples.setdefault(sample.name, []).append(sample.labels)
        return samples

    def value(self, name: str, **labels: str) -> float | None:
        found = [sample.value for family in self.families() for sample in family.samples if sample.name == name and sample.labels == labels]
        return found[0] if found else None


@pytest.fixture
def transire(new_transire: Callable[..., Transire], authority: Authority, clock: Clock) -> Transire:
    transire = new_transire(authority=authority, clock=clock, settings={"TRANSIRE_METRICS_LISTEN": "0"})
    transire.start()
    return transire


def exchange_by_tls(transire: Transire, instance: Instance, log_in: Credential) -> Answer:
    path = f"/token?service={instance.service}&scope=repository:team/app:pull"
    return transire.fetch(path, {"Authorization": log_in.basic()})


@pytest.fixture
def seen(transire: Transire, account: Account, instance: Instance, clock: Clock, tmp_path: Path) -> Transire:
    """A service that has seen traffic of each kind, and was backed up."""
    issued = [tencent.issue(transire, account.key, instance.tcr_id), alibaba.issue(transire, account.key, instance.cri_id)]
    for log_in in issued:
        answer = exchange_by_tls(transire, instance, log_in)
        assert answer.status == 200
        transire.remember("token", answer.json()["token"])
    refused = transire.fetch(f"/token?service={instance.service}", {"Authorization": "Basic eDp5"})
    assert refused.status == 401
    form = b"grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=x"
    assert transire.fetch("/oauth/token", data=form).status in {400, 401}
    with pytest.raises(TencentCloudSDKException):
        tencent.issue(transire, account.key, "tcr-nothere1")
    request = models.CreateServiceAccountRequest()
    permissions = [{"Resource": "team", "Actions": ["tcr:PullRepository"]}]
    request.from_json_string(json.dumps({"RegistryId": instance.tcr_id, "Name": "robot", "Duration": 3, "Permissions": permissions}))
    robot = tencent.client(transire, account.key).CreateServiceAccount(request)
    transire.remember("service account password", robot.Password)
    guest = sts.GetFederationTokenRequest()
    guest.Name, guest.Policy = "guest", urllib.parse.quote(json.dumps(NOTHING))
    key = credential.Credential(account.key.id, account.key.secret)
    session = StsClient(key, REGION, tencent.profile(transire)).GetFederationToken(guest).Credentials
    transire.remember("session secret", session.TmpSecretKey)
    transire.remember("session token", session.Token)
    transire.cli("backup", str(tmp_path / "backup"))
    # Housekeeping reads of the backup within a minute, and counts credentials within an hour.
    clock.move("+61m")
    wait_until("the report", lambda: Page(transire, OPEN_METRICS).value("transire_credentials_ending", kind="service-account") == 1)
    return transire


def test_prometheus_finds_nothing_to_improve_in_the_page(seen: Transire) -> None:
    page = Page(seen)
    assert page.content_type == "text/plain; version=0.0.4; charset=utf-8"
    done = subprocess.run([os.environ["TRANSIRE_TEST_PROMTOOL"], "check", "metrics"], input=page.text, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_open_metrics_show_requests_whose_ids_are_in_the_log(seen: Transire) -> None:
    page = Page(seen, OPEN_METRICS)
    assert page.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert page.text.endswith("\n# EOF\n")
    [durations] = [family for family in page.families() if family.name == "transire_request_duration_seconds"]
    refused = seen.fetch("/token?service=nobody.example.com", {"Authorization": "Basic eDp5"}).headers["X-Request-Id"]
    exemplars = {sample.exemplar.labels["request_id"] for sample in durations.samples if sample.exemplar}
    assert exemplars and all(re.fullmatch("[0-9A-Fa-f-]{36}", exemplar) for exemplar in exemplars), exemplars
    logged = set(re.findall('request_id="?([0-9A-Fa-f-]{36})', seen.log.read_text()))
    assert exemplars & logged or refused in logged
    for sample in durations.samples:
        if sample.exemplar:
            assert sample.exemplar.value <= float(sample.labels["le"])


def test_metrics_tell_of_backups_certificates_and_the_process(seen: Transire) -> None:
    page = Page(seen, OPEN_METRICS)
    started = page.value("process_start_time_seconds")
    backed_up = page.value("transire_last_backup_timestamp_seconds")
    assert started and backed_up and abs(backed_up - started) < 600
    ends = page.value("transire_certificate_expiration_timestamp_seconds", certificate="tls", algorithm="", key="")
    assert ends and ends > started
    build = page.samples()["transire_build_info"]
    assert [sample["version"] for sample in build] == [seen.run("--version").stdout.split()[1]]
    open_files, limit = page.value("process_open_fds"), page.value("process_max_fds")
    assert open_files and limit and open_files < limit


def documented() -> dict[str, set[str]]:
    """The metrics of the documents' table, each with its labels."""
    table = (ROOT / "docs" / "observability.md").read_text().partition("### Every metric")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `(\w+)(?:\{([\w,]+)\})?` \|", table, re.MULTILINE)
    return {name: set(filter(None, labels.split(","))) for name, labels in rows}


def test_the_table_of_metrics_is_that_of_a_running_service(seen: Transire) -> None:
    there = {}
    for family in Page(seen, OPEN_METRICS).families():
        ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = {label for sample in family.samples for label in sample.labels}
        there[family.name + ending] = labels - {"le"}
    assert documented() == there


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression of the alerts and the dashboard, with the place that has it."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.sub(r"^label_values\((.*), \w+\)$", r"\1", variable["definition"])


def test_alerts_and_dashboard_ask_for_metrics_that_there_are(seen: Transire) -> None:
    samples = Page(seen, OPEN_METRICS).samples()
    found = [f"{place}: {fault}" for place, asked in expressions() for fault in promql.faults(asked, samples, WORDS)]
    assert found == []
    # A panel for each part of the page but the histogram's own sums.
    asked = {metric for _, expression in expressions() for metric, _ in promql.read(expression).selectors}
    unused = {name for name in samples if name not in asked and not name.endswith(("_sum", "_count"))}
    assert unused <= {"process_virtual_memory_bytes"}


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("rate(transire_request_total[5m])", "there is no transire_request_total"),
        ('transire_alarm{sort="x"} == 1', "transire_alarm has no label sort"),
        ('transire_alarm{kind="leaf-end"}', "transire_alarm has no kind=leaf-end"),
        ('transire_alarm{kind=~"leaf|ca"}', "transire_alarm has no kind like leaf|ca"),
        ("sum by (api) (transire_alarm)", "nothing has the label api"),
        ("sum(transire_alarm) by (api)", "nothing has the label api"),
    ],
)
def test_a_metric_or_label_that_is_not_there_is_found(expression: str, fault: str) -> None:
    samples = {"transire_alarm": [{"kind": "leaf-ends"}]}
    assert list(promql.faults(expression, samples, WORDS)) == [fault]


def test_what_a_legend_shows_is_left_by_its_expression() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            asked = promql.read(target["expr"])
            assert shown <= (asked.grouped or {"instance"}), panel["title"]


def test_prometheus_takes_the_settings_of_the_page(tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_text(f"{SCRAPE.text}\nrule_files: [{PROMETHEUS / 'alerts.yml'}]\n")
    done = subprocess.run([os.environ["TRANSIRE_TEST_PROMTOOL"], "check", "config", config], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_in_a_test_and_says_what_to_do() -> None:
    promtool = os.environ["TRANSIRE_TEST_PROMTOOL"]
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in RULES}
    headings = set(re.findall(r"^### (\w+)$", (ROOT / "docs" / "observability.md").read_text(), re.MULTILINE))
    for rule in RULES:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (page, anchor) == ("docs/observability.md", rule["alert"].lower())
        assert rule["alert"] in headings, rule["alert"]
