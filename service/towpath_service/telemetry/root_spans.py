"""Makes the spans of a root flow run and its attempts from the stored run; used by runs.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanKind
from towpath.extensions.spans import FinishedSpan, emit
from towpath.extensions.tracing import (
    Carrier,
    RootPlace,
    attempt_span_id,
    names,
    root_span_id,
)

from towpath_service.runs.domain.states import TERMINAL_STATES, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.trace import Tracer

    from towpath_service.runs.domain.runs import Run, Transition
    from towpath_service.telemetry.sampling import ServiceSampler

RESULTS: Final = {
    state: names.RESULTS[state.name] for state in RunState if state in TERMINAL_STATES
}
_GONE: Final = frozenset({"PRODUCER_LOST", "PROCESS_LOST"})
"""Reasons of a CRASHED run whose own process can't export its spans any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A root flow run that has ended, with its history."""

    run: Run
    transitions: Sequence[Transition]


def tell(story: Story, tracer: Tracer, sampler: ServiceSampler) -> None:
    """Makes the spans of a run; none when the run's own process has made them."""
    run = story.run
    crashed = run.state is RunState.CRASHED and (run.inferred or run.reason in _GONE)
    traced = _is_traced(story)
    if run.state not in TERMINAL_STATES or (traced and not crashed):
        return
    place = _place(run)
    taken = sampler.takes(place.trace_id) and place.sampled
    failed = run.state.name in names.FAILURES
    if not taken and not failed:
        return
    extra = {} if taken else {names.SAMPLING: names.KEPT_FAILURE}
    attempts = list(_attempts(story, place, extra))
    # The process exported each earlier attempt's span when it began the next attempt.
    for span in attempts[-1:] if traced else attempts:
        emit(tracer, span)
    emit(tracer, _root(story, place, extra))


def _is_dispatched(run: Run) -> bool:
    """Whether the service has created the run, so that its header may be of what asked for it."""
    return run.fence > 0 or run.producer_id is None


def _is_traced(story: Story) -> bool:
    """Whether the run's own process makes its spans.

    The header of a dispatched run may be of the span that it was created in. Its own process is
    taken for traced then, too, if it has reported the end.
    """
    run = story.run
    carrier = Carrier.parse(run.traceparent)
    if carrier is None:
        return False
    if not _is_dispatched(run) or carrier.span_id == root_span_id(run.run_id):
        return True
    return bool(story.transitions) and story.transitions[-1].producer_id is not None


def _place(run: Run) -> RootPlace:
    """The place of the run's root."""
    carrier = Carrier.parse(run.traceparent)
    if carrier is None or _is_dispatched(run):
        return RootPlace.of(run.run_id, run.traceparent)
    return RootPlace(
        trace_id=carrier.trace_id,
        span_id=carrier.span_id,
        parent_span_id=None,
        sampled=carrier.sampled,
    )


def _began_us(run: Run) -> int:
    """The begin of the run: a dispatched one's is when it was due."""
    if run.scheduled_us is None or not _is_dispatched(run):
        return run.occurred_us
    ended_us = run.ended_us or run.state_us
    return min(max(run.occurred_us, run.scheduled_us), ended_us)


def _attempts(story: Story, place: RootPlace, extra: dict[str, Any]) -> Iterable[FinishedSpan]:
    run = story.run
    began_us = run.created_us if run.started_us is None else run.started_us
    for item in story.transitions:
        state = RunState(item.to_state)
        if state is RunState.RUNNING:
            began_us = item.occurred_us
        elif state is RunState.RETRYING or state in TERMINAL_STATES:
            yield FinishedSpan(
                name=names.ATTEMPT_SPAN,
                trace_id=place.trace_id,
                span_id=attempt_span_id(run.run_id, item.attempt),
                parent_span_id=place.span_id,
                start_ns=began_us * 1000,
                end_ns=item.occurred_us * 1000,
                kind=SpanKind.CONSUMER,
                attributes={
                    names.PIPELINE_NAME: run.flow_name or run.flow_id,
                    names.ATTEMPT: item.attempt,
                    names.RUN_ID: run.run_id,
                    names.RUN_STATE: state.name,
                    **_error(state, item.reason),
                    **extra,
                },
                error=_text(state, item.message),
            )


def _root(story: Story, place: RootPlace, extra: dict[str, Any]) -> FinishedSpan:
    run = story.run
    name = run.flow_name or run.flow_id
    return FinishedSpan(
        name=f"{names.RUN} {name}",
        trace_id=place.trace_id,
        span_id=place.span_id,
        parent_span_id=place.parent_span_id,
        start_ns=_began_us(run) * 1000,
        end_ns=(run.ended_us or run.state_us) * 1000,
        kind=SpanKind.SERVER,
        attributes={
            names.PIPELINE_NAME: name,
            names.PIPELINE_ACTION: names.RUN,
            names.PIPELINE_RUN_ID: run.run_id,
            names.PIPELINE_RESULT: RESULTS[run.state],
            names.RUN_NAME: run.display_name,
            names.RUN_ID: run.run_id,
            names.RUN_STATE: run.state.name,
            **_error(run.state, run.reason),
            **extra,
        },
        error=_text(run.state, run.message),
    )


def _error(state: RunState, reason: str) -> dict[str, str]:
    wrong = state.name in names.FAILURES or state is RunState.RETRYING
    return {names.ERROR_TYPE: reason or state.name} if wrong else {}


def _text(state: RunState, message: str) -> str | None:
    return message if state.name in names.FAILURES or state is RunState.RETRYING else None
