"""The tables of docs/observability.md against what is emitted."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

from tests.postgres import postgres_for_tests
from tests.postgres.fixtures import upgrade
from tests.telemetry.documented import PAGE, names_in_table
from tests.telemetry.receiver import Receiver
from tests.telemetry.running import run_pipeline
from tests.telemetry.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

BESIDE = PAGE.parent / "observability"
# Emitted when something goes wrong, or takes longer than these tests have.
SELDOM = {
    "cicd.system.errors",
    "towpath.cancel.duration",
    "towpath.limit.wait",
    "towpath.queue.wait",
    "towpath.work.claims",
    "towpath.work.lease_expired",
    "db.client.connection.count",
    "towpath.background.failures",
    "towpath.commit.failures",
    "towpath.ingest.log_lines",
    "towpath.rpc.open_streams",
    "towpath.schedule.lag",
    "towpath.schedule.slots",
    "towpath.watch.lag",
}
SELDOM_ATTRIBUTES = {
    "db.namespace",
    "db.operation.batch.size",
    "db.response.status_code",
    "error.type",
    "rpc.status_code",
    "towpath.background.loop",
    "towpath.batch.rejected",
    "towpath.batch.updates",
    "towpath.claim.runs",
    "towpath.commit.log_lines",
    "towpath.deployment.name",
    "towpath.error.reason",
    "towpath.sampling",
    "towpath.tags",
    "towpath.task_run.map_index",
    "towpath.wait.slot_seconds",
    "towpath.work.pool",
    "towpath.work.queue",
    "towpath.work.worker",
}
PROMETHEUS = re.compile(r"\b((?:cicd|towpath|rpc|db)_[a-z_]+)\b")
SUFFIXES = ("_total", "_seconds", "_bucket", "_sum", "_count", "_ratio")


def test_what_is_emitted_is_in_the_tables_and_what_is_in_them_is_emitted(tmp_path: Path) -> None:
    with Receiver() as receiver:
        with serving(tmp_path, receiver.environment):
            run_pipeline("etl", tmp_path, receiver.environment)
            receiver.wait_for(lambda got: got.named("RUN etl"), "root")
            receiver.wait_for(
                lambda got: any(p.name == "cicd.pipeline.run.active" for p in got.points), "metrics"
            )
        emitted = {point.name for point in receiver.points}
        spans = list(receiver.spans)
        points = list(receiver.points)
    documented = names_in_table("Metrics")
    assert emitted <= documented, emitted - documented
    assert documented <= emitted | SELDOM, documented - emitted - SELDOM
    attributes = {name for span in spans for name in span.attributes}
    told = names_in_table("Attributes of spans")
    assert attributes <= told, attributes - told
    assert told <= attributes | SELDOM_ATTRIBUTES, told - attributes - SELDOM_ATTRIBUTES
    links = {str(link.attributes["towpath.link.type"]) for s in spans for link in s.links}
    assert links <= names_in_table("Links"), links
    for point in points:
        assert not [name for name in point.attributes if name.endswith((".id", "run.name"))]


def test_the_dashboard_and_the_alerts_ask_for_metrics_that_there_are() -> None:
    known = {name.replace(".", "_") for name in names_in_table("Metrics")}
    for name in ("grafana-dashboard.json", "prometheus-alerts.yaml"):
        text = (BESIDE / name).read_text()
        asked = set(PROMETHEUS.findall(text)) - {
            "towpath_run_state",
            "towpath_run_kind",
            "towpath_run_from_state",
        }
        assert asked
        labels = {label.replace(".", "_") for label in LABELS}
        for metric in asked - labels:
            assert metric in known or any(
                metric.removesuffix(a).removesuffix(b) in known
                for a in (*SUFFIXES, "")
                for b in (*SUFFIXES, "")
            ), metric
    assert json.loads((BESIDE / "grafana-dashboard.json").read_text())["panels"]


LABELS = {
    "cicd.pipeline.name",
    "cicd.pipeline.run.state",
    "cicd.pipeline.result",
    "towpath.run.from_state",
    "towpath.run.kind",
    "towpath.run.state",
    "db.operation.name",
    "db.client.connection.state",
    "rpc.method",
    "rpc.status_code",
    "towpath.update.outcome",
    "towpath.background.loop",
    "cicd.worker.state",
    "towpath.cancel.proof",
    "towpath.lease.phase",
    "towpath.limit.kind",
    "towpath.queue.state",
    "towpath.schedule.outcome",
    "towpath.worker.slot_state",
}


def test_metrics_are_at_their_page_only_when_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as server:
        assert server.get("/metrics") == (
            404,
            "nothing is measured: start the server with --metrics\n",
        )
    with serving(tmp_path, {}, "--metrics") as server:
        assert not run_pipeline("fine", tmp_path, {}).returncode
        status, text = server.get("/metrics")
    assert status == 200
    assert "towpath_ingest_updates_total{" in text
    assert "cicd_pipeline_run_duration_seconds_bucket" in text
    assert 'rpc_method="towpath.api.v1.IngestService/' in text


def test_a_warning_of_the_service_reaches_its_log_as_json_and_the_collector(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with Receiver() as receiver, postgres_for_tests({"fsync": "off"}) as postgres:
        asyncio.run(upgrade(postgres.dsn()))
        environment = {**receiver.environment, "OTEL_LOGS_EXPORTER": "otlp"}
        options = ("--log-format", "json", "--database", postgres.dsn())
        with serving(tmp_path, environment, *options, log=log):
            receiver.wait_for(lambda got: got.logs, "log records")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    [warning] = [line for line in lines if line["severity"] == "WARNING"]
    assert warning["logger"] == "towpath_service.database.postgres.database"
    assert "fsync" in warning["message"]
    assert [record.body for record in receiver.logs] == [warning["message"]]
