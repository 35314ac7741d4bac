"""From the contract's messages about runs to values; used by the runs and logs of a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from towpath._state_type import StateType
from towpath._telemetry.ids import Carrier
from towpath.api.v1 import log_service_pb2, run_pause_pb2, run_pb2, run_service_pb2
from towpath.client._convert import last_segment, to_optional_time, to_time
from towpath.client._run_values import (
    Decision,
    Failure,
    FlowSummary,
    GraphNode,
    LogLine,
    Pause,
    Run,
    RunEvent,
    RunKind,
    Source,
    Transition,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towpath.api.v1 import common_pb2, flow_service_pb2, state_pb2

_STATES: Final = {state.number: state for state in StateType}
_PAIR_PARTS: Final = 6
_SOURCES: Final[tuple[Source, ...]] = ("", "producer", "worker", "caller", "system")


def to_run(message: run_pb2.Run) -> Run:
    """A run."""
    payload = message.parameters
    readable = payload.data and payload.content_type in {"", "application/json"}
    return Run(
        id=message.run_id,
        short_id=message.short_id,
        kind=_kind(message.kind),
        name=message.display_name,
        flow_id=last_segment(message.flow),
        flow=message.flow_name,
        task=message.task_name,
        state=to_state(message.state),
        reason=message.state_reason,
        message=message.state_message,
        attempt=message.attempt,
        revision=message.revision,
        parent_id=last_segment(message.parent_run),
        root_id=last_segment(message.root_run),
        created=to_time(message.create_time),
        started=to_optional_time(message, "start_time"),
        ended=to_optional_time(message, "end_time"),
        state_since=to_time(message.state_time),
        running_seconds=message.run_duration.ToMicroseconds() / 1e6,
        tags=tuple(message.tags),
        code_version=message.code_version,
        observed_late=message.observed_late,
        failure=_failure(message.failure) if message.HasField("failure") else None,
        parameters=payload.data.decode("utf-8", "replace") if readable else "",
        child_counts=_counts(message.child_counts),
        trace_id=_trace_id(message.trace_context.traceparent),
        creator=message.creator.principal,
        deployment=_pair(message.deployment),
        deployment_revision=message.deployment_revision,
        schedule=_schedule(message),
        slot=to_optional_time(message, "slot_time"),
        scheduled=to_optional_time(message, "scheduled_time"),
        queue=_pair(message.work_queue),
        worker=last_segment(message.worker),
        pause=to_pause(message.pause) if message.HasField("pause") else None,
    )


def to_pause(message: run_pause_pb2.RunPause) -> Pause:
    """A pause."""
    return Pause(
        key=message.key,
        suspended=message.suspended,
        input_schema=message.input_schema_json,
        began=to_time(message.create_time),
        deadline=to_optional_time(message, "deadline"),
        answered=to_optional_time(message, "answer_time"),
        answered_by=message.answered_by,
        expired=message.expired,
        input=message.input.data.decode(),
    )


def _schedule(message: run_pb2.Run) -> str:
    """The id of the schedule that created a run."""
    created = message.trigger == run_pb2.TRIGGER_KIND_SCHEDULE
    return last_segment(message.triggered_by) if created else ""


def _pair(name: str) -> str:
    """The name of a deployment as "flow/deployment", or of a queue as "pool/queue"."""
    parts = name.split("/")
    return f"{parts[3]}/{parts[5]}" if len(parts) == _PAIR_PARTS else ""


def to_transition(message: state_pb2.RunTransition) -> Transition:
    """A row of a run's history."""
    return Transition(
        run_id=message.run_id,
        revision=message.revision,
        before=_STATES.get(message.from_state),
        after=to_state(message.to_state),
        attempt=message.attempt,
        reason=message.reason,
        message=message.message,
        rule=message.rule,
        occurred=to_time(message.occur_time),
        recorded=to_time(message.record_time),
        source=_source(message.source),
        inferred=message.inferred,
        failure=_failure(message.failure) if message.HasField("failure") else None,
        next_attempt=to_optional_time(message, "next_attempt_time"),
    )


def to_decision(message: run_service_pb2.RunDecision) -> Decision:
    """A decision about an update."""
    return Decision(
        accepted=message.verdict == run_service_pb2.RUN_VERDICT_ACCEPTED,
        rule=message.rule,
        reason=message.reason,
        message=message.message,
        before=_STATES.get(message.from_state),
        after=to_state(message.to_state),
        attempt=message.attempt,
        revision=message.revision,
        occurred=to_time(message.occur_time),
        recorded=to_time(message.record_time),
        source=_source(message.source),
    )


def to_log_line(message: log_service_pb2.LogRecord) -> LogLine:
    """A log line."""
    return LogLine(
        run_id=message.run_id,
        attempt=message.attempt,
        time=to_time(message.occur_time),
        severity=_severity(message.severity),
        logger=message.logger,
        body=message.body,
        failure=_failure(message.failure) if message.HasField("failure") else None,
    )


def to_flow(message: flow_service_pb2.Flow) -> FlowSummary:
    """A flow."""
    return FlowSummary(
        id=last_segment(message.name),
        name=message.display_name,
        run_counts=_counts(message.run_counts),
        last_run=to_run(message.last_run) if message.HasField("last_run") else None,
        created=to_time(message.create_time),
    )


def to_node(message: run_service_pb2.RunGraphNode) -> GraphNode:
    """A run in a graph."""
    return GraphNode(
        id=message.run_id,
        parent_id=message.parent_run_id,
        kind=_kind(message.kind),
        name=message.display_name,
        state=to_state(message.state),
        started=to_optional_time(message, "start_time"),
        ended=to_optional_time(message, "end_time"),
        upstream_ids=tuple(message.upstream_run_ids),
    )


def to_event(message: run_service_pb2.RunEvent) -> RunEvent:
    """A change to a watched run."""
    if message.kind == run_service_pb2.RUN_EVENT_KIND_REMOVED:
        return RunEvent(kind="removed", run_id=message.run.run_id)
    added = message.kind == run_service_pb2.RUN_EVENT_KIND_ADDED
    return RunEvent(
        kind="added" if added else "modified",
        run_id=message.run.run_id,
        run=to_run(message.run),
    )


def to_state(number: int) -> StateType:
    """A state by its number; PENDING for one that this version doesn't know."""
    return _STATES.get(number, StateType.PENDING)


def _trace_id(traceparent: str) -> str:
    carrier = Carrier.parse(traceparent)
    return f"{carrier.trace_id:032x}" if carrier is not None else ""


def _counts(messages: Iterable[run_pb2.RunStateCount]) -> dict[StateType, int]:
    return {to_state(item.state): item.count for item in messages}


def _failure(message: common_pb2.Failure) -> Failure:
    return Failure(
        type=message.type,
        message=message.message,
        stack_trace=message.stack_trace,
        cause=_failure(message.cause) if message.HasField("cause") else None,
    )


def _kind(kind: int) -> RunKind:
    return "flow" if kind == run_pb2.RUN_KIND_FLOW else "task"


def _source(source: int) -> Source:
    return _SOURCES[source] if source < len(_SOURCES) else ""


def _severity(number: int) -> str:
    # Numbers between the named ones are finer grades of the name below.
    names = cast("dict[str, int]", dict(log_service_pb2.LogSeverity.items()))
    named = [(value, name) for name, value in names.items() if 0 < value <= number]
    return max(named)[1].rpartition("_")[2] if named else "INFO"
