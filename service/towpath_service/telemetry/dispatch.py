"""Spans and measurements of claims: the time that a run waited, and the transaction that ended it.

The spans of a waiting run are below its root, whose id follows from the run's; the root itself is
made when the run ends.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from towpath.extensions.spans import FinishedSpan, emit
from towpath.extensions.tracing import RootPlace, guarded, names

from towpath_service.telemetry.ingestion import MOST_LINKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Tracer

    from towpath_service.runs.ports.ingest import NewRun
    from towpath_service.telemetry.metrics import Instruments
    from towpath_service.telemetry.sampling import ServiceSampler
    from towpath_service.work.application.claiming import Claimed
    from towpath_service.work.domain.leases import Lease
    from towpath_service.work.ports.dispatching import JobRow

PHASE: Final = "towpath.lease.phase"
SCOPE: Final = "towpath.service"


class DispatchWatcher:
    """Makes the spans of waiting and claimed runs, and measures them."""

    def __init__(self, instruments: Instruments, tracer: Tracer, sampler: ServiceSampler) -> None:
        """Takes the instruments and the tracer, which may take no finished spans."""
        self._instruments = instruments
        self._tracer: Any = tracer
        self._sampler = sampler
        self._takes_spans = hasattr(tracer, "span_processor")

    def claimed(self, claimed: Claimed, began_us: int) -> None:
        """Measures a claim, and makes its spans."""
        with guarded("claims"):
            if claimed.granted:
                self._instruments.claims.add(len(claimed.granted))
            for lease, _ in claimed.granted:
                waited_us = lease.granted_us - claimed.since_us[lease.lease_id]
                self._instruments.queue_wait.record(max(0.0, waited_us / 1e6))
            if self._takes_spans:
                self._tell_claim(claimed, began_us)

    def expired(self, leases: Sequence[Lease]) -> None:
        """Counts expired leases."""
        with guarded("leases"):
            for lease in leases:
                self._instruments.lease_expired.add(1, {PHASE: lease.phase.name.lower()})

    def _tell_claim(self, claimed: Claimed, began_us: int) -> None:
        """Makes the span of the claim, a trace of its own, and one of the wait of each run."""
        waits = [
            self._wait(lease, place, claimed.since_us[lease.lease_id])
            for lease, job in claimed.granted
            if (place := self._place(lease, job)) is not None
        ]
        if not waits:
            return
        claim = _new_context(random.getrandbits(128) or 1)
        for wait in waits:
            link = Link(claim, {names.LINK_TYPE: names.LINK_CLAIM})
            emit(self._tracer, FinishedSpan(**wait, links=[link]))
        to_runs = [
            Link(_context(wait["trace_id"], wait["span_id"]), {names.LINK_TYPE: names.LINK_RUN})
            for wait in waits[:MOST_LINKS]
        ]
        span = FinishedSpan(
            name=names.CLAIM_SPAN,
            trace_id=claim.trace_id,
            span_id=claim.span_id,
            parent_span_id=None,
            start_ns=began_us * 1000,
            end_ns=time.time_ns(),
            attributes={names.CLAIMED_RUNS: len(claimed.granted)},
            links=to_runs,
            scope=SCOPE,
        )
        emit(self._tracer, span)

    def _place(self, lease: Lease, job: JobRow | None) -> RootPlace | None:
        place = RootPlace.of(lease.run_id, "" if job is None else job.traceparent)
        return place if place.sampled and self._sampler.takes(place.trace_id) else None

    def _wait(self, lease: Lease, place: RootPlace, since_us: int) -> dict[str, Any]:
        return {
            "name": names.QUEUE_WAIT_SPAN,
            "trace_id": place.trace_id,
            "span_id": random.getrandbits(64) or 1,
            "parent_span_id": place.span_id,
            "start_ns": since_us * 1000,
            "end_ns": lease.granted_us * 1000,
            "kind": SpanKind.CONSUMER,
            "attributes": {
                names.RUN_ID: lease.run_id,
                names.ATTEMPT: lease.attempt,
                names.DEPLOYMENT: f"{lease.flow_id}/{lease.deployment_id}",
                names.POOL: lease.pool_id,
                names.QUEUE: lease.queue_id,
                names.WORKER: lease.worker_id,
            },
            "scope": SCOPE,
        }


def enqueued(new: NewRun, creator: SpanContext, tracer: Any, sampler: ServiceSampler) -> None:
    """Makes the span of a run's creation by the service, which queues it.

    Args:
        new: The run.
        creator: The span of the call that it was created in; an invalid one for none.
        tracer: Tracer that takes finished spans.
        sampler: Chooses the traces to record.
    """
    place = RootPlace.of(new.status.run_id, new.creation.traceparent)
    if not place.sampled or not sampler.takes(place.trace_id):
        return
    links = [Link(creator, {names.LINK_TYPE: names.LINK_CREATOR})] if creator.is_valid else []
    span = FinishedSpan(
        name=names.ENQUEUE_SPAN,
        trace_id=place.trace_id,
        span_id=random.getrandbits(64) or 1,
        parent_span_id=place.span_id,
        start_ns=new.occurred_us * 1000,
        end_ns=time.time_ns(),
        kind=SpanKind.PRODUCER,
        attributes={
            names.PIPELINE_NAME: new.creation.flow_name or new.creation.flow_id,
            names.RUN_ID: new.status.run_id,
        },
        links=links,
        scope=SCOPE,
    )
    emit(tracer, span)


def _new_context(trace_id: int) -> SpanContext:
    return _context(trace_id, random.getrandbits(64) or 1)


def _context(trace_id: int, span_id: int) -> SpanContext:
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=sampled)
