"""Spans of ingestion: one for each batch, and one in each run's trace for its traced updates."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from towpath.extensions.spans import FinishedSpan, emit
from towpath.extensions.tracing import Carrier, guarded, names

from towpath_service.core.errors import ServiceError
from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.telemetry.rpcs import ERROR, METHOD, STATUS, SYSTEM, code_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.trace import Span, Tracer

    from towpath_service.runs.application.committer import Submitting
    from towpath_service.runs.application.submissions import Outcome, Submission
    from towpath_service.runs.domain.reports import Update
    from towpath_service.runs.ports.ingest import ProducerKey
    from towpath_service.telemetry.metrics import Instruments
    from towpath_service.telemetry.sampling import ServiceSampler

STREAM: Final = "towpath.api.v1.IngestService/StreamUpdates"
MOST_LINKS: Final = 128
"""Most links of a span, as OpenTelemetry's SDK keeps no more."""

OUTCOME: Final = "towpath.update.outcome"
UPDATES: Final = "towpath.batch.updates"
REJECTED: Final = "towpath.batch.rejected"
ORCHESTRATE: Final = "orchestrate"
LINK_SESSION: Final = "session"
LINK_RUN: Final = "run"
_SESSION: Final = {names.LINK_TYPE: LINK_SESSION}


class Flights:
    """The spans of batches in flight, by producer, so that commits can link to them."""

    def __init__(self) -> None:
        """Starts empty."""
        self._spans: dict[ProducerKey, dict[int, SpanContext]] = defaultdict(dict)

    def begin(self, producer: ProducerKey, span: SpanContext) -> None:
        """Adds a batch."""
        self._spans[producer][span.span_id] = span

    def end(self, producer: ProducerKey, span: SpanContext) -> None:
        """Removes a batch."""
        self._spans[producer].pop(span.span_id, None)
        if not self._spans[producer]:
            del self._spans[producer]

    def of(self, producers: Iterable[ProducerKey]) -> list[SpanContext]:
        """The batches of producers, at most as many as a span has links."""
        found = (span for key in producers for span in self._spans.get(key, {}).values())
        return list(islice((span for span in found if span.is_valid), MOST_LINKS))


class ObservedCommitter:
    """A committer with spans and measurements of each submission's outcome."""

    def __init__(
        self,
        inner: Submitting,
        tracer: Tracer,
        sampler: ServiceSampler,
        instruments: Instruments,
        flights: Flights,
    ) -> None:
        """Wraps the inner committer, which does the work."""
        self._inner = inner
        self._flights = flights
        self._tracer = tracer
        self._sampler = sampler
        self._instruments = instruments

    @property
    def waiting(self) -> int:
        """The number of submissions that no commit has begun with."""
        return self._inner.waiting

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Queues a submission; the future has its outcome once that is committed."""
        submitted = self._inner.submit(submission)
        with guarded("batches"):
            batch = _Batch(submission, self._tracer, self._sampler, self._instruments)
            context = batch.context
            self._flights.begin(submission.producer, context)

            def ended(outcome: asyncio.Future[Outcome]) -> None:
                self._flights.end(submission.producer, context)
                with guarded("what became of batches"):
                    batch.ended(outcome)

            submitted.add_done_callback(ended)
        return submitted

    async def wait_for_room(self, tenant_id: str) -> None:
        """Waits until more of a tenant should be read."""
        await self._inner.wait_for_room(tenant_id)


class _Batch:
    """One submission in flight."""

    def __init__(
        self,
        submission: Submission,
        tracer: Tracer,
        sampler: ServiceSampler,
        instruments: Instruments,
    ) -> None:
        self._submission = submission
        self._tracer = tracer
        self._instruments = instruments
        self._began_ns = time.time_ns()
        takes = sampler.takes_text
        self._traced = [u for u in submission.updates if u.traceparent and takes(u.traceparent)]
        self._span = self._begin()

    @property
    def context(self) -> SpanContext:
        """Its span."""
        return self._span.get_span_context()

    def _begin(self) -> Span:
        if self._submission.epoch is None:
            # A unary call has a span already, in which this runs.
            return NonRecordingSpan(trace.get_current_span().get_span_context())
        attributes: dict[str, Any] = {
            SYSTEM: "grpc",
            METHOD: STREAM,
            UPDATES: len(self._submission.updates),
        }
        span = self._tracer.start_span(
            STREAM,
            context=contexts.Context(),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=self._began_ns,
        )
        if span.is_recording():
            for context in _sources(self._traced):
                span.add_link(context, {names.LINK_TYPE: LINK_RUN})
        return span

    def ended(self, future: asyncio.Future[Outcome]) -> None:
        """Ends the span with the outcome of the batch."""
        if future.cancelled():
            self._span.end()
            return
        error = future.exception()
        status = "OK" if error is None else _status(error)
        if self._submission.epoch is not None:
            measured = {SYSTEM: "grpc", METHOD: STREAM, STATUS: status}
            if error is not None:
                measured[ERROR] = status
            seconds = (time.time_ns() - self._began_ns) / 1e9
            self._instruments.rpc_duration.record(seconds, measured)
        self._span.set_attribute(STATUS, status)
        if error is not None:
            self._span.set_attribute(ERROR, status)
        else:
            self._count(future.result())
        self._span.end()

    def _count(self, outcome: Outcome) -> None:
        submission = self._submission
        last = submission.first_sequence + len(submission.updates) - 1
        # Updates beyond it have no verdict yet.
        last = min(last, outcome.committed_sequence)
        taken = max(0, last - submission.first_sequence + 1)
        refused = {
            item.sequence: item.reason
            for item in outcome.refusals
            if submission.first_sequence <= item.sequence <= last
        }
        counts = {
            "rejected": len(refused),
            "duplicate": outcome.duplicates,
            "accepted": max(0, taken - len(refused) - outcome.duplicates),
        }
        for name, count in counts.items():
            if count:
                self._instruments.updates.add(count, {OUTCOME: name})
        groups: dict[str, list[Update]] = {}
        for update in self._traced:
            if update.sequence > last:
                break
            groups.setdefault(update.traceparent, []).append(update)
        for traceparent, updates in groups.items():
            self._tell(traceparent, updates, refused)

    def _tell(
        self, traceparent: str, updates: Sequence[Update], refused: Mapping[int, str]
    ) -> None:
        """Makes one span for all updates that come from the same span."""
        carrier = Carrier.parse(traceparent)
        if carrier is None:
            return
        last = updates[-1]
        attributes: dict[str, Any] = {UPDATES: len(updates)} if len(updates) > 1 else {}
        if all(update.run_id == last.run_id for update in updates):
            attributes[names.RUN_ID] = last.run_id
            attributes[names.RUN_STATE] = _what(last)
        reasons = [refused[item.sequence] for item in updates if item.sequence in refused]
        if reasons:
            attributes[ERROR] = reasons[0]
            attributes[REJECTED] = len(reasons)
        link = Link(self._span.get_span_context(), _SESSION)
        span = FinishedSpan(
            name=ORCHESTRATE,
            trace_id=carrier.trace_id,
            span_id=random.getrandbits(64) or 1,
            parent_span_id=carrier.span_id,
            start_ns=self._began_ns,
            end_ns=time.time_ns(),
            attributes=attributes,
            links=[link] if link.context.is_valid else [],
            scope="towpath.service",
        )
        emit(self._tracer, span)


def remote(carrier: Carrier) -> SpanContext:
    """A span of another process."""
    flags = TraceFlags(int(carrier.sampled))
    return SpanContext(carrier.trace_id, carrier.span_id, is_remote=True, trace_flags=flags)


def _sources(updates: Sequence[Update]) -> list[SpanContext]:
    """The spans that updates came from, each once, as many as a span has links."""
    texts = islice(dict.fromkeys(update.traceparent for update in updates), MOST_LINKS)
    carriers = (Carrier.parse(text) for text in texts)
    return [remote(carrier) for carrier in carriers if carrier is not None]


def _what(update: Update) -> str:
    change = update.change
    if isinstance(change, Creation):
        return change.initial.state.name
    return change.state.name if isinstance(change, StateReport) else type(change).__name__.lower()


def _status(error: BaseException) -> str:
    return code_of(error) if isinstance(error, ServiceError) else "INTERNAL"
