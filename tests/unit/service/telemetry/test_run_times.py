"""What the time of runs went to, as the service's metric tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NoOpTracer
from towpath._state_type import StateType
from towpath.cli.runs.time_spent import time_spent
from towpath.client import Transition
from towpath_auth import LOCAL_TENANT_ID
from towpath_service.app.stores import stores_on
from towpath_service.core.names import Scope
from towpath_service.database.sqlite.database import SqliteDatabase
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.decisions import Accepted
from towpath_service.runs.domain.reports import Creation, StateReport, Update
from towpath_service.runs.domain.states import RunKind, RunState, Source
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.telemetry.ingestion import Flights
from towpath_service.telemetry.metrics import make_instruments
from towpath_service.telemetry.run_store import ObservedRunStore
from towpath_service.telemetry.run_times import Entered, time_by_cause
from towpath_service.telemetry.runs import RunWatcher
from towpath_service.telemetry.sampling import ServiceSampler
from towpath_service.telemetry.transactions import ObservedDatabase

from tests.unit.sdk.deploy.test_retry_plan import run as shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from towpath_service.runs.ports.ingest import IngestTransaction

SECOND = 1_000_000
SCOPE = Scope(LOCAL_TENANT_ID, "default")
RUN = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"
UNTIL_RETRY = "ended, until it was retried"
Step = tuple[RunState, int, int | None]
"""A state, the second in which it was entered, and when the run was due to go on."""


def test_each_second_of_a_dispatched_run_has_one_cause() -> None:
    steps: list[Step] = [
        (RunState.SCHEDULED, 0, 60),
        (RunState.PENDING, 70, None),
        (RunState.RUNNING, 73, None),
        (RunState.RETRYING, 80, 90),
        (RunState.RUNNING, 90, None),
        (RunState.PAUSED, 95, None),
        (RunState.RUNNING, 195, None),
        (RunState.CANCELLING, 200, None),
        (RunState.CANCELLED, 203, None),
        (RunState.SCHEDULED, 500, 500),
        (RunState.PENDING, 501, None),
    ]
    assert summed(RunKind.FLOW, steps) == {
        "schedule": 60,
        "worker": 11,
        "infrastructure": 3,
        "user code": 17,
        "back-off": 10,
        "paused": 100,
        "stopping": 3,
    }


def test_a_task_that_is_pending_waits_for_upstream_runs() -> None:
    steps: list[Step] = [(RunState.PENDING, 0, None), (RunState.RUNNING, 4, None)]
    assert summed(RunKind.TASK, steps) == {"upstream": 4}


@given(
    st.sampled_from(RunKind),
    st.lists(
        st.tuples(st.sampled_from(RunState), st.integers(0, 99), st.none() | st.integers(-50, 150)),
        max_size=12,
    ),
)
def test_the_causes_are_those_that_the_command_shows(
    kind: RunKind, steps: list[tuple[RunState, int, int | None]]
) -> None:
    second, history = 0, list[Step]()
    for state, span, due in steps:
        second += span
        history.append((state, second, None if due is None else second + due))
    spent = time_spent(
        shown("etl", kind=kind.name.lower(), scheduled=None),
        list(map(as_shown, history)),
        at(second),
    )
    spent.pop(UNTIL_RETRY, None)
    assert summed(kind, history) == spent


def test_a_clock_that_is_behind_takes_no_time_away() -> None:
    for state in RunState:
        entered = Entered(90 * SECOND, 95 * SECOND)
        found = time_by_cause(RunKind.FLOW, state, entered, 30 * SECOND)
        assert all(took_us == 0 for _, took_us in found)


class Site:
    """A database in memory whose runs are observed."""

    def __init__(self) -> None:
        self._metrics = InMemoryMetricReader()
        instruments = make_instruments(MeterProvider([self._metrics]).get_meter("test"))
        self.database = ObservedDatabase(SqliteDatabase(None), NoOpTracer(), instruments)
        watcher = RunWatcher(instruments, NoOpTracer(), ServiceSampler(1.0))
        inner = stores_on(self.database).runs
        self.runs = ObservedRunStore(inner, instruments, watcher, Flights())

    def times(self) -> dict[tuple[str, ...], float]:
        """Seconds by the kind of run and the cause."""
        found = self._metrics.get_metrics_data()
        points: list[Any] = [
            point
            for resource in (found.resource_metrics if found else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "towpath.run.time"
            for point in metric.data.data_points
        ]
        names = ("towpath.run.kind", "towpath.run.cause")
        return {tuple(point.attributes[name] for name in names): point.value for point in points}


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.database.open()
    yield made
    made.database.close()


async def test_a_run_that_waited_is_measured_as_it_leaves_its_state(site: Site) -> None:
    def create(transaction: IngestTransaction) -> None:
        batch = Batch(transaction, 0)
        due = StateReport(state=RunState.SCHEDULED, next_attempt_us=60 * SECOND)
        creation = Creation(
            kind=RunKind.FLOW, initial=due, display_name="", flow_id="etl", flow_name="etl"
        )
        batch.create(SCOPE, RUN, creation, 0, actor="", source=Source.CALLER)
        batch.commit([])

    def cancel(transaction: IngestTransaction) -> None:
        key = RunKey(LOCAL_TENANT_ID, RUN)
        waiting = transaction.standing({key}, ())[0][key]
        batch = Batch(transaction, 75 * SECOND)
        report = StateReport(state=RunState.CANCELLED)
        batch.transition(
            SCOPE,
            waiting,
            Accepted(
                rule="TABLE",
                from_state=RunState.SCHEDULED,
                to_state=RunState.CANCELLED,
                attempt=1,
            ),
            report,
            Update(sequence=0, run_id=RUN, occurred_us=75 * SECOND, change=report),
            actor="",
            producer_id=None,
            source=Source.CALLER,
        )
        batch.commit([])

    await site.runs.write({LOCAL_TENANT_ID}, create)
    assert site.times() == {}
    await site.runs.write({LOCAL_TENANT_ID}, cancel)
    assert site.times() == {("flow", "schedule"): 60.0, ("flow", "worker"): 15.0}


def summed(kind: RunKind, steps: Sequence[Step]) -> dict[str, float]:
    spent: dict[str, float] = {}
    for cause, took_us in _parts(kind, steps):
        if took_us:
            spent[cause] = spent.get(cause, 0) + took_us / SECOND
    return spent


def _parts(kind: RunKind, steps: Sequence[Step]) -> Iterator[tuple[str, int]]:
    for (state, second, due), (_, left, _) in pairwise(steps):
        entered = Entered(second * SECOND, None if due is None else due * SECOND)
        yield from time_by_cause(kind, state, entered, left * SECOND)


def at(second: int) -> datetime:
    return datetime(2026, 12, 1, tzinfo=UTC) + timedelta(seconds=second)


def as_shown(step: Step) -> Transition:
    state, second, due = step
    known: dict[str, Any] = {
        "run_id": RUN,
        "revision": 1,
        "before": None,
        "after": StateType[state.name],
        "attempt": 1,
        "reason": "",
        "message": "",
        "rule": "TABLE",
        "occurred": at(second),
        "recorded": at(second),
        "source": "producer",
        "inferred": False,
        "failure": None,
        "next_attempt": None if due is None else at(due),
    }
    return Transition(**known)
