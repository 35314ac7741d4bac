"""Converts runs, histories and log lines into messages; used by the handlers that read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from towpath.api.v1 import (
    common_pb2,
    flow_service_pb2,
    log_service_pb2,
    run_pb2,
    run_service_pb2,
    state_pb2,
)

from towpath_service.core import names
from towpath_service.rpc.times import set_span, set_time

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from google.protobuf.message import Message

    from towpath_service.runs.domain.runs import (
        Bucket,
        Decision,
        FlowSummary,
        GraphNode,
        LogEntry,
        Run,
        RunDetail,
        Transition,
    )
    from towpath_service.runs.domain.states import RunKind, RunState
    from towpath_service.runs.ports.origins import RunOrigin


def parse_into(message: Message, text: str | None) -> None:
    """Fills a message from its stored JSON text."""
    if text:
        json_format.Parse(text, message, ignore_unknown_fields=True)


def state_counts(counts: Mapping[RunState, int]) -> list[run_pb2.RunStateCount]:
    """Numbers of runs by state."""
    return [
        run_pb2.RunStateCount(state=_state(state), count=count)
        for state, count in sorted(counts.items())
    ]


def to_run(
    run: Run, detail: RunDetail | None = None, origin: RunOrigin | None = None
) -> run_pb2.Run:
    """A run; with its detail for RUN_VIEW_FULL, and its origin if it is of a deployment."""
    workspace = run.workspace_id
    message = run_pb2.Run(
        name=names.run_name(workspace, run.run_id),
        run_id=run.run_id,
        short_id=run.short_id,
        kind=_kind(run.kind),
        display_name=run.display_name or f"{run.flow_id}-{run.short_id}",
        flow=names.flow_name(workspace, run.flow_id) if run.flow_id else "",
        flow_name=run.flow_name,
        task_key=run.task_key,
        task_name=run.task_name,
        task_index=run.task_index,
        parent_run=names.run_name(workspace, run.parent_run_id) if run.parent_run_id else "",
        root_run=names.run_name(workspace, run.root_run_id),
        state=_state(run.state),
        state_reason=run.reason,
        state_message=run.message,
        revision=run.revision,
        attempt=run.attempt,
        code_version=run.code_version,
        cache_key=run.cache_key,
        observed_late=run.observed_late,
        trigger=run_pb2.TRIGGER_KIND_CODE,
        etag=run.etag,
    )
    if run.labels != "{}":
        message.labels.update(json.loads(run.labels))
    if run.tags != "[]":
        message.tags.extend(json.loads(run.tags))
    if run.cached_from_run_id:
        message.cached_from = names.run_name(workspace, run.cached_from_run_id)
    if run.traceparent:
        message.trace_context.traceparent = run.traceparent
        message.trace_context.tracestate = run.tracestate
    parse_into(message.progress, run.progress) if run.progress else None
    _set_times(message, run)
    if detail is not None:
        _add_detail(message, detail)
    if origin is not None:
        _add_origin(message, origin)
    return message


def _add_origin(message: run_pb2.Run, origin: RunOrigin) -> None:
    trigger: Any = origin.trigger
    _set_creator(message, origin.creator)
    message.deployment = origin.deployment
    message.deployment_revision = origin.deployment_revision
    message.trigger = trigger
    message.triggered_by = origin.schedule or message.parent_run
    message.work_queue = origin.queue
    message.worker = origin.worker
    message.priority = origin.priority
    set_time(message.slot_time, origin.slot_us)


def _set_creator(message: run_pb2.Run, principal: str) -> None:
    if principal:
        message.creator.principal = principal
        message.creator.display_name = principal.rpartition("/")[2]


def _set_times(message: run_pb2.Run, run: Run) -> None:
    set_time(message.state_time, run.state_us)
    set_time(message.create_time, run.created_us)
    set_time(message.update_time, run.updated_us)
    set_time(message.scheduled_time, run.scheduled_us) if run.scheduled_us is not None else None
    set_time(message.start_time, run.started_us) if run.started_us is not None else None
    set_time(message.end_time, run.ended_us) if run.ended_us is not None else None
    set_span(message.run_duration, run.running_us)


def _add_detail(message: run_pb2.Run, detail: RunDetail) -> None:
    _set_creator(message, detail.creator)
    if detail.parameters:
        parse_into(message.parameters, detail.parameters)
    if detail.result:
        parse_into(message.result, detail.result)
    if detail.failure:
        parse_into(message.failure, detail.failure)
    if detail.retry_policy:
        parse_into(message.retry_policy, detail.retry_policy)
    if detail.timeout_us is not None:
        set_span(message.timeout, detail.timeout_us)
    if detail.dependencies:
        message.dependencies.extend(
            json_format.ParseDict(item, run_pb2.RunDependency())
            for item in json.loads(detail.dependencies)
        )
    message.child_counts.extend(state_counts(detail.child_counts))


def to_transition(item: Transition) -> state_pb2.RunTransition:
    """One row of a run's history."""
    run = names.run_name(item.workspace_id, item.run_id)
    message = state_pb2.RunTransition(
        name=f"{run}/transitions/{item.revision}",
        run_id=item.run_id,
        revision=item.revision,
        from_state=_state(item.from_state),
        to_state=_state(item.to_state),
        attempt=item.attempt,
        reason=item.reason,
        message=item.message,
        source=_source(item.source),
        inferred=item.inferred,
        actor=common_pb2.Actor(principal=item.actor, display_name=item.actor.rpartition("/")[2]),
        producer_id=item.producer_id or "",
        producer_sequence=item.producer_sequence,
        rule=item.rule,
    )
    if item.failure:
        parse_into(message.failure, item.failure)
    if item.evidence:
        parse_into(message.evidence, item.evidence)
    set_time(message.occur_time, item.occurred_us)
    set_time(message.record_time, item.recorded_us)
    if item.next_attempt_us is not None:
        set_time(message.next_attempt_time, item.next_attempt_us)
    return message


def to_decision(item: Decision) -> run_service_pb2.RunDecision:
    """One decision about a run's update."""
    message = run_service_pb2.RunDecision(
        verdict=(
            run_service_pb2.RUN_VERDICT_ACCEPTED
            if item.accepted
            else run_service_pb2.RUN_VERDICT_REFUSED
        ),
        rule=item.rule,
        reason=item.reason,
        message=item.message,
        from_state=_state(item.from_state),
        to_state=_state(item.to_state),
        attempt=item.attempt,
        revision=item.revision,
        source=_source(item.source),
        producer_id=item.producer_id or "",
        producer_sequence=item.producer_sequence,
    )
    set_time(message.occur_time, item.occurred_us)
    set_time(message.record_time, item.recorded_us)
    return message


def to_node(run: GraphNode, parents: Container[str]) -> run_service_pb2.RunGraphNode:
    """A run in a graph; its parent only if that is in the graph too."""
    parent = run.parent_run_id
    node = run_service_pb2.RunGraphNode(
        run_id=run.run_id,
        parent_run_id=parent if parent and parent in parents else "",
        kind=_kind(run.kind),
        display_name=run.display_name,
        state=_state(run.state),
        revision=run.revision,
    )
    if run.started_us is not None:
        set_time(node.start_time, run.started_us)
    if run.ended_us is not None:
        set_time(node.end_time, run.ended_us)
    if run.dependencies:
        node.upstream_run_ids.extend(str(item["runId"]) for item in json.loads(run.dependencies))
    return node


def to_log_record(line: LogEntry) -> log_service_pb2.LogRecord:
    """A log line."""
    record = log_service_pb2.LogRecord()
    if line.attributes:
        parse_into(record, line.attributes)
    record.sequence = line.sequence
    record.run_id = line.run_id
    record.attempt = line.attempt
    set_time(record.occur_time, line.occurred_us)
    number: Any = line.severity
    record.severity = number
    record.logger = line.logger
    record.body = line.body
    if line.failure:
        parse_into(record.failure, line.failure)
    record.trace_id = line.trace_id
    record.span_id = line.span_id
    return record


def to_flow(flow: FlowSummary, workspace_id: str) -> flow_service_pb2.Flow:
    """A flow with the counts of its runs."""
    message = flow_service_pb2.Flow(
        name=names.flow_name(workspace_id, flow.flow_id),
        display_name=flow.display_name,
        run_counts=state_counts(flow.run_counts),
    )
    if flow.last_run is not None:
        message.last_run.CopyFrom(to_run(flow.last_run))
    set_time(message.create_time, flow.created_us)
    return message


def to_aggregate(bucket: Bucket) -> run_service_pb2.RunAggregate:
    """Counts of one time interval."""
    message = run_service_pb2.RunAggregate(counts=state_counts(bucket.counts))
    set_time(message.time_range.start_time, bucket.start_us)
    set_time(message.time_range.end_time, bucket.end_us)
    durations = bucket.durations_us
    if durations:
        set_span(message.run_duration_p50, durations[(len(durations) - 1) // 2])
        set_span(message.run_duration_p95, durations[(len(durations) - 1) * 95 // 100])
    return message


def _state(state: int) -> Any:
    return int(state)


def _kind(kind: RunKind) -> Any:
    return int(kind)


def _source(source: int) -> Any:
    return int(source)
