"""Spans of waiting and claimed runs, and the roots of dispatched ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from towpath.extensions.tracing import Carrier, root_span_id, trace_id_of
from towpath_service.core.names import Scope
from towpath_service.runs.domain.runs import Run
from towpath_service.runs.domain.states import RunState
from towpath_service.telemetry import root_spans
from towpath_service.telemetry.dispatch import DispatchWatcher
from towpath_service.telemetry.sampling import ServiceSampler
from towpath_service.work.application.claiming import Claimed
from towpath_service.work.domain.leases import Lease, Phase
from towpath_service.work.ports.dispatching import JobRow

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

SECOND = 1_000_000
NOW_US = 1_796_000_000 * SECOND
CALLER = Carrier(trace_id=7, span_id=9, sampled=True)


class Told:
    """What a tracer exports."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


def lease(run_id: str) -> Lease:
    return Lease(
        scope=Scope(str(uuid4()), "default"),
        run_id=run_id,
        lease_id=str(uuid4()),
        fence=1,
        attempt=1,
        pool_id="local",
        queue_id="default",
        flow_id="etl",
        deployment_id="nightly",
        worker_id="w-1",
        instance_id=str(uuid4()),
        phase=Phase.GRANTED,
        counts=True,
        pid=0,
        granted_us=NOW_US,
        phase_us=NOW_US,
        expires_us=NOW_US + 5 * SECOND,
    )


def job(traceparent: str) -> JobRow:
    made = Mock(spec=JobRow)
    made.traceparent = traceparent
    return made


def claim(*traceparents: str) -> Claimed:
    granted = [(lease(str(uuid4())), job(text)) for text in traceparents]
    since = {item.lease_id: NOW_US - 3 * SECOND for item, _ in granted}
    return Claimed(granted=[*granted], since_us=since)


def watcher(told: Told, ratio: float = 1.0) -> tuple[DispatchWatcher, Any]:
    instruments = Mock()
    return DispatchWatcher(instruments, told.tracer, ServiceSampler(ratio)), instruments


def context_of(span: ReadableSpan) -> Any:
    assert span.context is not None
    return span.context


def run_of(span: ReadableSpan) -> str:
    assert span.attributes is not None
    return str(span.attributes["towpath.run.id"])


def test_each_run_of_a_claim_has_a_wait_below_its_root_and_both_are_linked() -> None:
    told = Told()
    watch, instruments = watcher(told)
    claimed = claim("", CALLER.traceparent)
    watch.claimed(claimed, NOW_US - SECOND)
    [span] = told.named("claim")
    waits = {run_of(wait): wait for wait in told.named("queue wait")}
    (alone, _), (called, _) = claimed.granted
    assert context_of(waits[alone.run_id]).trace_id == trace_id_of(alone.run_id)
    assert context_of(waits[called.run_id]).trace_id == CALLER.trace_id
    for item in (alone, called):
        wait = waits[item.run_id]
        assert wait.parent is not None
        assert wait.parent.span_id == root_span_id(item.run_id)
        assert (wait.start_time, wait.end_time) == ((NOW_US - 3 * SECOND) * 1000, NOW_US * 1000)
        assert [link.context.span_id for link in wait.links] == [context_of(span).span_id]
    assert {link.context.span_id for link in span.links} == {
        context_of(wait).span_id for wait in waits.values()
    }
    assert context_of(span).trace_id not in {context_of(wait).trace_id for wait in waits.values()}
    instruments.claims.add.assert_called_once_with(2)
    assert [call.args for call in instruments.queue_wait.record.call_args_list] == [(3.0,)] * 2


@pytest.mark.parametrize(("ratio", "sampled"), [(0.0, True), (1.0, False)])
def test_a_run_that_is_not_sampled_has_no_spans(ratio: float, sampled: bool) -> None:
    told = Told()
    watch, instruments = watcher(told, ratio)
    caller = Carrier(trace_id=2**63 + 5, span_id=9, sampled=sampled)
    watch.claimed(claim(caller.traceparent), NOW_US)
    assert told.named("claim") == told.named("queue wait") == []
    instruments.claims.add.assert_called_once_with(1)


def test_expired_leases_are_counted_by_phase() -> None:
    watch, instruments = watcher(Told())
    watch.expired([lease(str(uuid4()))])
    instruments.lease_expired.add.assert_called_once_with(1, {"towpath.lease.phase": "granted"})


def story(traceparent: str, **fields: Any) -> root_spans.Story:
    run = Mock(spec=Run)
    values: dict[str, Any] = {
        "run_id": str(uuid4()),
        "flow_name": "etl",
        "flow_id": "etl",
        "display_name": "etl",
        "state": RunState.CANCELLED,
        "reason": "",
        "message": "",
        "inferred": False,
        "fence": 0,
        "producer_id": None,
        "traceparent": traceparent,
        "occurred_us": NOW_US,
        "created_us": NOW_US,
        "scheduled_us": NOW_US + 2 * SECOND,
        "started_us": None,
        "state_us": NOW_US + 9 * SECOND,
        "ended_us": NOW_US + 9 * SECOND,
        **fields,
    }
    for name, value in values.items():
        setattr(run, name, value)
    end = Mock(
        to_state=int(values["state"]),
        attempt=1,
        reason="",
        message="",
        occurred_us=values["ended_us"],
        producer_id=values["producer_id"],
    )
    return root_spans.Story(run=run, transitions=[end])


def test_a_run_that_is_cancelled_in_the_queue_has_a_root_below_its_caller() -> None:
    told = Told()
    waited = story(CALLER.traceparent)
    root_spans.tell(waited, told.tracer, ServiceSampler(1.0))
    [root] = told.named("RUN etl")
    assert context_of(root).trace_id == CALLER.trace_id
    assert context_of(root).span_id == root_span_id(waited.run.run_id)
    assert root.parent is not None
    assert root.parent.span_id == CALLER.span_id
    # It begins when the run is due.
    assert root.start_time == (NOW_US + 2 * SECOND) * 1000


def test_the_root_of_a_run_whose_process_is_traced_is_left_to_that() -> None:
    told = Told()
    process = {"fence": 1, "producer_id": str(uuid4()), "state": RunState.COMPLETED}
    root_spans.tell(story(CALLER.traceparent, **process), told.tracer, ServiceSampler(1.0))
    assert told.named("RUN etl") == []
    root_spans.tell(story("", **process), told.tracer, ServiceSampler(1.0))
    assert len(told.named("RUN etl")) == 1


def test_a_dispatched_run_that_was_lost_gets_its_root_here() -> None:
    told = Told()
    lost = {"fence": 1, "producer_id": None, "state": RunState.CRASHED, "inferred": True}
    root_spans.tell(story(CALLER.traceparent, **lost), told.tracer, ServiceSampler(1.0))
    assert len(told.named("RUN etl")) == len(told.named("attempt")) == 1
