"""Transactions have spans and are counted, whichever subject opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from towpath_auth import LOCAL_TENANT_ID
from towpath_service.app.stores import stores_on
from towpath_service.core.names import Scope
from towpath_service.database.sqlite.database import SqliteDatabase
from towpath_service.runs.ports.ingest import ChangeSet, LogLine, ProducerKey
from towpath_service.telemetry.ingestion import Flights
from towpath_service.telemetry.metrics import make_instruments
from towpath_service.telemetry.run_store import ObservedRunStore
from towpath_service.telemetry.transactions import ObservedDatabase, current_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towpath_service.core.transactions import Transaction
    from towpath_service.runs.ports.ingest import IngestTransaction
    from towpath_service.telemetry.runs import RunWatcher

SCOPE = Scope(LOCAL_TENANT_ID, "default")
PRODUCER = ProducerKey(*SCOPE, "01978d2a-7c1e-7aaa-8bbb-0123456789ab")


class Noted:
    """What a watcher of runs is told."""

    def __init__(self) -> None:
        self.changes: list[ChangeSet] = []

    def note(self, changes: ChangeSet, known: Any) -> None:
        del known
        self.changes.append(changes)


class Site:
    """A database in memory whose transactions are observed."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.metrics = InMemoryMetricReader()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        instruments = make_instruments(MeterProvider([self.metrics]).get_meter("test"))
        self.database = ObservedDatabase(
            SqliteDatabase(None), provider.get_tracer("test"), instruments
        )
        self.noted = Noted()
        watcher = cast("RunWatcher", self.noted)
        inner = stores_on(self.database).runs
        self.runs = ObservedRunStore(inner, instruments, watcher, Flights())

    def named(self) -> list[str]:
        return [span.name for span in self.spans.get_finished_spans()]

    def counted(self) -> dict[str, Any]:
        found = self.metrics.get_metrics_data()
        if found is None:
            return {}
        return {
            metric.name: point
            for resource in found.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.database.open()
    yield made
    made.database.close()


def line(sequence: int) -> LogLine:
    return LogLine(
        sequence=sequence,
        run_id=PRODUCER.producer_id,
        attempt=1,
        occurred_us=1,
        severity=9,
        logger="test",
        body="a line",
        attributes=None,
        failure=None,
        trace_id="",
        span_id="",
    )


def write(transaction: IngestTransaction) -> None:
    transaction.write_logs(PRODUCER, [line(1), line(2)], 1)


async def test_a_commit_of_runs_has_a_span_and_is_measured(site: Site) -> None:
    await site.runs.write({LOCAL_TENANT_ID}, write)
    [span] = site.spans.get_finished_spans()
    assert span.name == "commit"
    assert span.attributes == {"towpath.commit.transitions": 0, "towpath.commit.log_lines": 2}
    counted = site.counted()
    assert counted["towpath.ingest.log_lines"].value == 2
    assert counted["towpath.commit.duration"].count == 1


async def test_a_commit_that_fails_says_so_and_counts_nothing(site: Site) -> None:
    def failing(transaction: IngestTransaction) -> None:
        write(transaction)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await site.runs.write({LOCAL_TENANT_ID}, failing)
    [span] = site.spans.get_finished_spans()
    assert (span.name, dict(span.attributes or {})) == ("commit", {"error.type": "RuntimeError"})
    counted = site.counted()
    assert counted["towpath.commit.failures"].value == 1
    assert "towpath.ingest.log_lines" not in counted


async def test_a_transaction_without_a_name_has_no_span(site: Site) -> None:
    await site.database.write(lambda _: None)
    assert site.named() == []
    assert "towpath.commit.duration" not in site.counted()


async def test_a_background_loop_that_moves_no_run_has_no_span(site: Site) -> None:
    token = current_loop.set("reaper")
    try:
        await site.runs.write({LOCAL_TENANT_ID}, lambda _: None)
    finally:
        current_loop.reset(token)
    assert site.named() == []


async def test_what_another_subjects_transaction_did_to_runs_is_counted(site: Site) -> None:
    def work(transaction: Transaction) -> None:
        site.runs.on(transaction).write(ChangeSet(now_us=1))

    await site.database.write(work, tenants={LOCAL_TENANT_ID})
    assert len(site.noted.changes) == 1

    def failing(transaction: Transaction) -> None:
        work(transaction)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await site.database.write(failing, tenants={LOCAL_TENANT_ID})
    assert len(site.noted.changes) == 1
