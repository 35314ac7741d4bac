"""Measurements of committed changes of runs, and spans that the runs' own processes can't make.

The process of a flow exports the spans of its run and attempts when they end. For a run that was
inferred to have crashed, that process is gone; a client without telemetry never exports them. In
both cases they are made here, with the ids that the run carries or that derive from its id.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from towpath.extensions.tracing import guarded

from towpath_service.core.errors import ServiceError
from towpath_service.runs.domain.states import TERMINAL_STATES, RunKind, RunState
from towpath_service.telemetry import root_spans
from towpath_service.telemetry.dispatch import enqueued
from towpath_service.telemetry.run_times import Entered, time_by_cause

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from opentelemetry.trace import Tracer

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.runs.ports.ingest import ChangeSet, NewRun, TransitionRow
    from towpath_service.runs.ports.reads import Reads, ReadStore
    from towpath_service.telemetry.metrics import Instruments
    from towpath_service.telemetry.sampling import ServiceSampler

STATE: Final = "towpath.run.state"
FROM_STATE: Final = "towpath.run.from_state"
KIND: Final = "towpath.run.kind"
CAUSE: Final = "towpath.run.cause"
NAME: Final = "cicd.pipeline.name"
RESULT: Final = "cicd.pipeline.result"
RUN_STATE: Final = "cicd.pipeline.run.state"
PROOF: Final = "towpath.cancel.proof"
COMPONENT: Final = "cicd.system.component"
MOST_WAITING: Final = 1000
SETTLE_SECONDS: Final = 1.0
MOST_TRANSITIONS: Final = 1000
_WRONG: Final = frozenset({RunState.FAILED, RunState.CRASHED, RunState.TIMED_OUT})

_log = logging.getLogger(__name__)


class RunWatcher:
    """Measures committed changes of runs, and makes missing spans."""

    def __init__(self, instruments: Instruments, tracer: Tracer, sampler: ServiceSampler) -> None:
        """Takes the instruments and the tracer; `watching` starts to make spans."""
        self._instruments = instruments
        self._tracer = tracer
        self._sampler = sampler
        self._ended: asyncio.Queue[tuple[Scope, str]] = asyncio.Queue(MOST_WAITING)
        self._making: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, store: ReadStore) -> Generator[None]:
        """Makes spans while the context is open, if the tracer accepts finished spans.

        Args:
            store: An open store, from which the runs of the spans are read.
        """
        if not hasattr(self._tracer, "span_processor"):
            yield
            return
        self._making = asyncio.create_task(self._make_spans(store), name="towpath-run-spans")
        try:
            yield
        finally:
            self._making.cancel()

    async def settle(self) -> None:
        """Waits a second at most until the spans of all ended runs are made."""
        if self._making is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._ended.join()

    def note(self, changes: ChangeSet, known: Mapping[str, Entered]) -> None:
        """Measures the changes of a commit, and queues ended root flow runs for spans.

        Args:
            changes: The committed changes.
            known: By run id, when an existing run had entered its previous state.
        """
        statuses = {new.status.run_id: new.status for new in changes.new_runs}
        statuses |= {status.run_id: status for _, status in changes.changed_runs.values()}
        entered = dict(known)
        # Summed up first, as one measurement costs as much as the verdict on an update.
        counts: Counter[tuple[RunKind, RunState | None, RunState]] = Counter()
        times: Counter[tuple[RunKind, RunState]] = Counter()
        causes: Counter[tuple[RunKind, str]] = Counter()
        for row in changes.transitions:
            run_id, before, after, at_us = row.run_id, row.from_state, row.to_state, row.occurred_us
            status = statuses[run_id]
            kind = status.kind
            counts[kind, before, after] += 1
            was = entered.get(run_id, Entered(at_us))
            entered[run_id] = Entered(at_us, row.next_attempt_us)
            if before is not None:
                times[kind, before] += max(0, at_us - was.at_us)
                for cause, took_us in time_by_cause(kind, before, was, at_us):
                    causes[kind, cause] += took_us
            if kind is RunKind.FLOW and after in TERMINAL_STATES:
                self._end(row, status)
            if kind is RunKind.FLOW and before is RunState.CANCELLING:
                self._cancelled(row, at_us - was.at_us)
        self._measure(counts, times)
        for (kind, cause), took_us in causes.items():
            if took_us:
                attributes = {KIND: kind.name.lower(), CAUSE: cause}
                self._instruments.time_by_cause.add(took_us / 1e6, attributes)
        self._tell_enqueued(changes.new_runs)

    def _tell_enqueued(self, new_runs: Sequence[NewRun]) -> None:
        """Makes the spans of flow runs that the service has created and queued."""
        if self._making is None:
            return
        creator = trace.get_current_span().get_span_context()
        for new in new_runs:
            if new.status.kind is RunKind.FLOW and new.status.producer_id is None:
                enqueued(new, creator, self._tracer, self._sampler)

    def _cancelled(self, row: TransitionRow, took_us: int) -> None:
        attributes = {PROOF: _proof(row), STATE: row.to_state.name}
        self._instruments.cancel_duration.record(max(0, took_us) / 1e6, attributes)

    def _measure(
        self,
        counts: Counter[tuple[RunKind, RunState | None, RunState]],
        times_us: Counter[tuple[RunKind, RunState]],
    ) -> None:
        for (kind, before, after), count in counts.items():
            attributes = {KIND: kind.name.lower(), STATE: after.name}
            if before is not None:
                attributes[FROM_STATE] = before.name
            self._instruments.transitions.add(count, attributes)
        for (kind, state), microseconds in times_us.items():
            self._instruments.time_in_state.add(
                microseconds / 1e6, {KIND: kind.name.lower(), STATE: state.name}
            )

    def _end(self, row: TransitionRow, status: RunStatus) -> None:
        attributes = {
            NAME: status.flow_id,
            RUN_STATE: "executing",
            RESULT: root_spans.RESULTS[row.to_state],
        }
        if row.to_state in _WRONG:
            attributes["error.type"] = row.reason or row.to_state.name
            self._instruments.run_errors.add(
                1, {NAME: status.flow_id, "error.type": attributes["error.type"]}
            )
        if row.inferred:
            self._instruments.system_errors.add(1, {COMPONENT: "producer"})
        if status.started_us is not None and status.ended_us is not None:
            seconds = max(0.0, (status.ended_us - status.started_us) / 1e6)
            self._instruments.run_duration.record(seconds, attributes)
        if self._making is not None and status.parent_run_id is None:
            if self._ended.full():
                _log.debug("too many runs end at once: the span of run %s is left out", row.run_id)
                return
            self._ended.put_nowait((row.scope, row.run_id))

    async def _make_spans(self, store: ReadStore) -> None:
        """Makes the missing spans of ended runs; never returns."""
        while True:
            scope, run_id = await self._ended.get()
            try:
                story = await store.read(scope.tenant_id, partial(_read, scope, run_id))
            except ServiceError as error:
                _log.warning("the spans of run %s are left out: %s", run_id, error)
            else:
                with guarded("runs that ended"):
                    if story is not None:
                        root_spans.tell(story, self._tracer, self._sampler)
            self._ended.task_done()


def _proof(row: TransitionRow) -> str:
    """How it is known that a run has ended which was asked to."""
    if row.evidence is not None:
        kind: str = json.loads(row.evidence)["kind"]
        return kind.removeprefix("STOP_KIND_").lower()
    return "inferred" if row.inferred else "reported"


def _read(scope: Scope, run_id: str, reads: Reads) -> root_spans.Story | None:
    run = reads.runs_by_id(scope, [run_id]).get(run_id)
    if run is None:
        return None
    return root_spans.Story(
        run=run, transitions=reads.transitions(scope, run_id, 0, MOST_TRANSITIONS)
    )
