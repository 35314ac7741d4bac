"""Makes the spans of a root flow run and its attempts from the stored run; used by runs.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanKind
from towpath.extensions.spans import FinishedSpan, emit
from towpath.extensions.tracing import Carrier, attempt_span_id, names, root_span_id, trace_id_of

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
    carrier = Carrier.parse(run.traceparent)
    crashed = run.state is RunState.CRASHED and (run.inferred or run.reason in _GONE)
    if run.state not in TERMINAL_STATES or (carrier is not None and not crashed):
        return
    trace_id = carrier.trace_id if carrier else trace_id_of(run.run_id)
    taken = sampler.takes(trace_id) and (carrier is None or carrier.sampled)
    failed = run.state.name in names.FAILURES
    if not taken and not failed:
        return
    extra = {} if taken else {names.SAMPLING: names.KEPT_FAILURE}
    attempts = list(_attempts(story, trace_id, extra))
    # The process exported each earlier attempt's span when it began the next attempt.
    for span in attempts[-1:] if carrier is not None else attempts:
        emit(tracer, span)
    emit(tracer, _root(story, trace_id, carrier, extra))


def _attempts(story: Story, trace_id: int, extra: dict[str, Any]) -> Iterable[FinishedSpan]:
    run = story.run
    began_us = run.created_us if run.started_us is None else run.started_us
    for item in story.transitions:
        state = RunState(item.to_state)
        if state is RunState.RUNNING:
            began_us = item.occurred_us
        elif state is RunState.RETRYING or state in TERMINAL_STATES:
            yield FinishedSpan(
                name=names.ATTEMPT_SPAN,
                trace_id=trace_id,
                span_id=attempt_span_id(run.run_id, item.attempt),
                parent_span_id=_root_id(run),
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


def _root(
    story: Story, trace_id: int, carrier: Carrier | None, extra: dict[str, Any]
) -> FinishedSpan:
    run = story.run
    name = run.flow_name or run.flow_id
    return FinishedSpan(
        name=f"{names.RUN} {name}",
        trace_id=trace_id,
        span_id=carrier.span_id if carrier else root_span_id(run.run_id),
        parent_span_id=None,
        start_ns=run.occurred_us * 1000,
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


def _root_id(run: Run) -> int:
    carrier = Carrier.parse(run.traceparent)
    return carrier.span_id if carrier else root_span_id(run.run_id)


def _error(state: RunState, reason: str) -> dict[str, str]:
    wrong = state.name in names.FAILURES or state is RunState.RETRYING
    return {names.ERROR_TYPE: reason or state.name} if wrong else {}


def _text(state: RunState, message: str) -> str | None:
    return message if state.name in names.FAILURES or state is RunState.RETRYING else None
