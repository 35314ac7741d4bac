"""Converts messages of updates and log lines into the domain's values; used by ingestion.

Texts of user code are kept unchanged, except that NUL becomes a replacement character on every
database, since PostgreSQL can't store it. A run's end must not be lost because of its message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.json_format import MessageToJson, SerializeToJsonError
from towpath.api.v1 import (
    artifact_pb2,
    ingest_service_pb2,
    log_service_pb2,
    run_pause_pb2,
    state_pb2,
)

from towpath_service.core.errors import ServiceError, invalid
from towpath_service.rpc.times import span_us, to_us
from towpath_service.rpc.validation import first_violation
from towpath_service.runs.domain.reports import (
    Amendment,
    ArtifactReport,
    Change,
    Creation,
    Heartbeat,
    PauseTerms,
    Progress,
    StateReport,
    Unusable,
    Update,
)
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import LogLine
from towpath_service.runs.rpc.plain_updates import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from google.protobuf.message import Message

    from towpath_service.core.errors import FieldViolation

MAX_INLINE_BYTES: Final = 262_144

_NUL: Final = "\0"
_INSTEAD: Final = "\N{REPLACEMENT CHARACTER}"

_STATES: Final = {state.value: state for state in RunState}
_PENDING: Final = StateReport(state=RunState.PENDING)


def json_text(message: Message) -> str:
    """A message as compact JSON text, for storage.

    Raises:
        ServiceError: INVALID_REQUEST, when a timestamp or duration in it is invalid.
    """
    try:
        return MessageToJson(message, indent=None)
    except SerializeToJsonError as error:
        raise invalid(message.DESCRIPTOR.name, str(error)) from None


def to_updates(batch: ingest_service_pb2.UpdateBatch) -> list[Update]:
    """Converts a batch; an update that breaks a rule becomes an `Unusable`."""
    return [
        to_update(update, sequence)
        for sequence, update in enumerate(batch.updates, start=batch.first_sequence)
    ]


def to_update(update: ingest_service_pb2.Update, sequence: int) -> Update:
    """Converts one update with its sequence number."""
    occurred_us = 0
    change: Change | None
    try:
        change = None if is_plain(update) else _problem(update)
        if change is None:
            occurred_us = to_us(update.occur_time, "occur_time")
            _lower_case(update.run_id, "run_id")
            change = _change(update)
    except ServiceError as error:
        change = _unusable(error.violations)
    return Update(
        sequence=sequence,
        run_id=update.run_id,
        occurred_us=occurred_us,
        change=change,
        traceparent=update.trace_context.traceparent or update.create.trace_context.traceparent,
    )


def _problem(update: ingest_service_pb2.Update) -> Unusable | None:
    violation = first_violation(update)
    return _unusable([violation]) if violation else None


def _unusable(violations: Sequence[FieldViolation]) -> Unusable:
    first = violations[0]
    return Unusable(
        reason="INVALID_REQUEST",
        message=f"{first.field}: {first.description}",
        metadata={first.field: first.description},
    )


def _change(update: ingest_service_pb2.Update) -> Change:
    kind = update.WhichOneof("change")
    if kind == "transition":
        return _report(update.transition)
    if kind == "create":
        return _creation(update.create)
    if kind == "progress":
        return Progress(content=json_text(update.progress))
    if kind == "amend":
        amend = update.amend
        return Amendment(
            display_name=amend.display_name.replace(_NUL, _INSTEAD),
            set_labels=_labels(amend.set_labels),
            remove_labels=_texts(amend.remove_labels),
        )
    if kind == "artifact":
        return _artifact(update.artifact)
    if kind == "heartbeat":
        return Heartbeat()
    return Unusable(reason="INVALID_REQUEST", message="change: exactly one is needed", metadata={})


def _artifact(report: artifact_pb2.ArtifactReport) -> ArtifactReport | Unusable:
    content = report.content
    if len(content.data) > MAX_INLINE_BYTES:
        return _too_large("artifact.content", len(content.data))
    return ArtifactReport(
        artifact_id=_lower_case(report.artifact_id, "artifact.artifact_id"),
        key=report.key,
        kind=int(report.kind),
        display_name=report.display_name.replace(_NUL, _INSTEAD),
        description=report.description.replace(_NUL, _INSTEAD),
        content=json_text(content),
        size_bytes=len(content.data) or content.size_bytes,
    )


def _report(report: state_pb2.TransitionReport) -> StateReport | Unusable:
    result = None
    if report.HasField("result"):
        if len(report.result.data) > MAX_INLINE_BYTES:
            return _too_large("transition.result", len(report.result.data))
        result = json_text(report.result)
    return StateReport(
        state=_STATES[report.state],
        attempt=report.attempt,
        reason=report.reason,
        message=report.message.replace(_NUL, _INSTEAD),
        failure=json_text(report.failure) if report.HasField("failure") else None,
        next_attempt_us=(
            to_us(report.next_attempt_time, "transition.next_attempt_time")
            if report.HasField("next_attempt_time")
            else None
        ),
        result=result,
        fence=report.fence,
        pause=_pause(report.pause) if report.HasField("pause") else None,
    )


def _pause(pause: run_pause_pb2.PauseReport) -> PauseTerms:
    return PauseTerms(
        key=pause.key.replace(_NUL, _INSTEAD),
        input_schema=pause.input_schema_json.replace(_NUL, _INSTEAD),
        timeout_us=span_us(pause.timeout, "transition.pause.timeout")
        if pause.HasField("timeout")
        else None,
    )


def _creation(create: ingest_service_pb2.RunCreation) -> Creation | Unusable:
    initial = _report(create.initial) if create.HasField("initial") else _PENDING
    if isinstance(initial, Unusable):
        return initial
    parameters = None
    if create.HasField("parameters"):
        if len(create.parameters.data) > MAX_INLINE_BYTES:
            return _too_large("create.parameters", len(create.parameters.data))
        parameters = json_text(create.parameters)
    return Creation(
        kind=RunKind(create.kind),
        initial=initial,
        display_name=create.display_name.replace(_NUL, _INSTEAD),
        flow_id=create.flow_id,
        flow_name=create.flow_name.replace(_NUL, _INSTEAD),
        task_key=create.task_key.replace(_NUL, _INSTEAD),
        task_name=create.task_name.replace(_NUL, _INSTEAD),
        task_index=create.task_index,
        parent_run_id=_lower_case(create.parent_run_id, "create.parent_run_id") or None,
        root_run_id=_lower_case(create.root_run_id, "create.root_run_id"),
        parameters=parameters,
        labels=_labels(create.labels) if create.labels else None,
        tags=_texts(create.tags) if create.tags else (),
        dependencies=_dependencies(create.dependencies) if create.dependencies else None,
        retry_policy=json_text(create.retry_policy) if create.HasField("retry_policy") else None,
        timeout_us=span_us(create.timeout, "create.timeout")
        if create.HasField("timeout")
        else None,
        scheduled_us=to_us(create.scheduled_time, "create.scheduled_time")
        if create.HasField("scheduled_time")
        else None,
        traceparent=create.trace_context.traceparent.replace(_NUL, _INSTEAD),
        tracestate=create.trace_context.tracestate.replace(_NUL, _INSTEAD),
        code_version=create.code_version.replace(_NUL, _INSTEAD),
        cache_key=create.cache_key.replace(_NUL, _INSTEAD),
        cached_from_run_id=create.cached_from_run_id or None,
    )


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    return dict(zip(_texts(labels.keys()), _texts(labels.values()), strict=True))


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.replace(_NUL, _INSTEAD) for text in texts)


def _lower_case(run_id: str, field: str) -> str:
    """An id in lower case, as resource names need it; protovalidate accepts upper case too."""
    if run_id != run_id.lower():
        raise invalid(field, "must be a UUID in lower case")
    return run_id


def _dependencies(dependencies: Sequence[Message]) -> str:
    return f"[{','.join(json_text(dependency) for dependency in dependencies)}]"


def _too_large(field: str, actual: int) -> Unusable:
    return Unusable(
        reason="PAYLOAD_TOO_LARGE",
        message=f"{field}: {actual} bytes, at most {MAX_INLINE_BYTES}: store it and send its uri",
        metadata={"limit_bytes": str(MAX_INLINE_BYTES), "actual_bytes": str(actual)},
    )


def to_log_line(record: log_service_pb2.LogRecord) -> LogLine:
    """Converts one log line; raises INVALID_REQUEST for an invalid timestamp."""
    attributes = None
    if record.attributes:
        only = log_service_pb2.LogRecord(attributes=record.attributes)
        attributes = json_text(only)
    return LogLine(
        sequence=record.sequence,
        run_id=record.run_id,
        attempt=record.attempt,
        occurred_us=to_us(record.occur_time, "occur_time"),
        severity=int(record.severity),
        logger=record.logger.replace(_NUL, _INSTEAD),
        body=record.body.replace(_NUL, _INSTEAD),
        attributes=attributes,
        failure=json_text(record.failure) if record.HasField("failure") else None,
        trace_id=record.trace_id.replace(_NUL, _INSTEAD),
        span_id=record.span_id.replace(_NUL, _INSTEAD),
    )


def info_text(info: ingest_service_pb2.ProducerInfo) -> str:
    """A producer's description as JSON text; empty when it sent none."""
    return json_text(info) if info.ByteSize() else ""
