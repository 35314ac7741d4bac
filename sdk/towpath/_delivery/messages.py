"""Converts reports to the contract's messages, serialized."""

from __future__ import annotations

import os
import platform
import time
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from towpath._state_type import StateType
from towpath.api.v1 import common_pb2, ingest_service_pb2, log_service_pb2, state_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.timestamp_pb2 import Timestamp

    from towpath._delivery.reports import (
        ArtifactReport,
        Content,
        FailureReport,
        LogReport,
        RunReport,
        StateReport,
    )

MAX_MESSAGE: Final = 8000
MAX_TRACE: Final = 60_000
MAX_BODY: Final = 65_000
MAX_RUN_IDS: Final = 10_000
_LOADED: Final = time.time()
_NUMBERS: Final[dict[StateType, Any]] = {state: state.number for state in StateType}


def creation(run: RunReport) -> ingest_service_pb2.Update:
    """The update that creates a run."""
    update = ingest_service_pb2.Update()
    # Setting these fields one by one takes as long as all the rest of a report.
    update.CopyFrom(
        _creation_of(
            run.kind,
            run.flow_id,
            run.flow_name,
            run.task_key,
            run.task_name,
            run.parent_run_id,
            run.root_run_id,
            run.code_version,
        )
    )
    update.run_id = run.run_id
    _set_time(update.occur_time, run.state.time)
    create = update.create
    create.display_name = run.display_name[:255]
    create.task_index = run.task_index
    if run.cache_key or run.cached_from_run_id:
        create.cache_key = run.cache_key[:255]
        create.cached_from_run_id = run.cached_from_run_id
    _fill_state(create.initial, run.state)
    if run.parameters is not None:
        _fill_content(create.parameters, run.parameters)
    if run.tags:
        create.tags.extend(sorted({tag[:63] for tag in run.tags if tag})[:64])
    if run.labels:
        create.labels.update(run.labels)
    for run_id, parameter in list(run.dependencies)[:1000]:
        create.dependencies.add(run_id=run_id, parameter=parameter)
    if run.max_attempts > 1:
        create.retry_policy.max_attempts = min(1000, run.max_attempts)
    if run.timeout_seconds is not None:
        create.timeout.FromMicroseconds(int(run.timeout_seconds * 1e6))
    if run.traceparent:
        create.trace_context.traceparent = run.traceparent
    return update


@lru_cache(maxsize=256)
def _creation_of(
    kind: str,
    flow_id: str,
    flow_name: str,
    task_key: str,
    task_name: str,
    parent_run_id: str,
    root_run_id: str,
    code_version: str,
) -> ingest_service_pb2.Update:
    """What the creations of one task's runs in one flow run have in common; it is never changed."""
    update = ingest_service_pb2.Update()
    number: Any = 1 if kind == "flow" else 2
    create = update.create
    create.kind = number
    create.flow_id = flow_id
    create.flow_name = flow_name[:255]
    create.task_key = task_key[:255]
    create.task_name = task_name[:255]
    create.parent_run_id = parent_run_id
    create.root_run_id = root_run_id
    create.code_version = code_version[:255]
    return update


def transition(run_id: str, state: StateReport) -> ingest_service_pb2.Update:
    """The update that reports a state."""
    update = ingest_service_pb2.Update(run_id=run_id)
    _set_time(update.occur_time, state.time)
    _fill_state(update.transition, state)
    if state.traceparent:
        update.trace_context.traceparent = state.traceparent
    return update


def amendment(run_id: str, display_name: str, time: float) -> ingest_service_pb2.Update:
    """The update that renames a run."""
    update = ingest_service_pb2.Update(run_id=run_id)
    _set_time(update.occur_time, time)
    update.amend.display_name = display_name[:255]
    return update


def artifact(made: ArtifactReport) -> ingest_service_pb2.Update:
    """The update that reports an artifact."""
    update = ingest_service_pb2.Update(run_id=made.run_id)
    _set_time(update.occur_time, made.time)
    kind: Any = made.kind
    report = update.artifact
    report.artifact_id = made.artifact_id
    report.kind = kind
    report.key = made.key
    report.display_name = made.title[:255]
    report.description = made.description[:MAX_MESSAGE]
    _fill_content(report.content, made.content)
    return update


def heartbeat(run_id: str, time: float) -> ingest_service_pb2.Update:
    """The update that reports that a run is alive."""
    update = ingest_service_pb2.Update(run_id=run_id)
    _set_time(update.occur_time, time)
    update.heartbeat.SetInParent()
    return update


def log_sequence(number: int) -> bytes:
    """A log line's number, serialized: with `log_record` after it, a whole LogRecord."""
    return b"\x08" + _varint(number)


def log_record(line: LogReport, sequence: int = 0) -> bytes:
    """A log line, serialized; without a sequence it lacks `log_sequence` before it."""
    severity: Any = line.severity
    record = log_service_pb2.LogRecord(
        sequence=sequence,
        run_id=line.run_id,
        attempt=line.attempt,
        severity=severity,
        logger=line.logger[:255],
        body=line.body[:MAX_BODY],
        trace_id=line.trace_id,
        span_id=line.span_id,
    )
    _set_time(record.occur_time, line.time)
    for key in list(line.attributes)[:32]:
        record.attributes[key] = line.attributes[key]
    if line.failure is not None:
        _fill_failure(record.failure, line.failure, 0)
    return record.SerializeToString()


def update_batch(
    workspace: str, producer_id: str, first: int, updates: Iterable[bytes], acked: int
) -> ingest_service_pb2.RecordUpdatesRequest:
    """The call that reports updates already serialized."""
    batch = ingest_service_pb2.UpdateBatch(first_sequence=first, last_acked_sequence=acked)
    for update in updates:
        batch.updates.add().ParseFromString(update)
    return ingest_service_pb2.RecordUpdatesRequest(
        workspace=workspace, producer_id=producer_id, batch=batch
    )


def stream_opening(
    workspace: str,
    producer_id: str,
    *,
    last_acked: int = 0,
    waiting: int = 0,
    run_ids: Iterable[str] = (),
    info: ingest_service_pb2.ProducerInfo | None = None,
) -> bytes:
    """The first message of a stream, serialized."""
    opening = ingest_service_pb2.OpenStream(
        workspace=workspace,
        producer_id=producer_id,
        last_acked_sequence=last_acked,
        backlog_updates=waiting,
        run_ids=list(run_ids)[:MAX_RUN_IDS],
        info=info,
    )
    return ingest_service_pb2.StreamUpdatesRequest(open=opening).SerializeToString()


def stream_batch(first: int, updates: Iterable[bytes], acked: int) -> tuple[bytes, int]:
    """A message of a stream with updates already serialized, and the size of its batch."""
    batch = ingest_service_pb2.UpdateBatch(first_sequence=first, last_acked_sequence=acked)
    batch.send_time.GetCurrentTime()
    # To parse each update and serialize it again would double the work.
    body = batch.SerializeToString() + b"".join(_field(2, update) for update in updates)
    return _field(2, body), len(body)


def producer_info() -> ingest_service_pb2.ProducerInfo:
    """The description of this process."""
    info = ingest_service_pb2.ProducerInfo(
        client="towpath-python",
        client_version=version("towpath")[:63],
        runtime=f"python {platform.python_version()}",
        host=platform.node()[:255],
        process_id=os.getpid(),
    )
    _set_time(info.start_time, _LOADED)
    return info


def log_batch(
    workspace: str, producer_id: str, records: Iterable[bytes]
) -> log_service_pb2.WriteLogsRequest:
    """The call that reports log lines already serialized."""
    request = log_service_pb2.WriteLogsRequest(workspace=workspace, producer_id=producer_id)
    for record in records:
        request.records.add().ParseFromString(record)
    return request


def _field(number: int, content: bytes) -> bytes:
    """A field of a message whose content has a length, as protobuf encodes it."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """A whole number as protobuf encodes it."""
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _fill_state(report: state_pb2.TransitionReport, state: StateReport) -> None:
    report.state = _NUMBERS[state.state]
    report.attempt = state.attempt
    if state.fence:
        report.fence = state.fence
    if state.reason:
        report.reason = state.reason
    if state.message:
        report.message = state.message[:MAX_MESSAGE]
    if state.failure is not None:
        _fill_failure(report.failure, state.failure, 0)
    if state.next_attempt_time is not None:
        _set_time(report.next_attempt_time, state.next_attempt_time)
    if state.result is not None:
        _fill_content(report.result, state.result)
    if state.pause is not None:
        report.pause.key = state.pause.key
        report.pause.input_schema_json = state.pause.input_schema
        if state.pause.timeout_seconds is not None:
            report.pause.timeout.FromMicroseconds(round(state.pause.timeout_seconds * 1e6))


def _fill_content(payload: common_pb2.Payload, content: Content) -> None:
    payload.content_type = content.content_type
    payload.size_bytes = content.size_bytes
    payload.sha256 = content.sha256
    if content.data is not None:
        payload.data = content.data
    else:
        payload.uri = content.uri


def _fill_failure(target: common_pb2.Failure, failure: FailureReport, depth: int) -> None:
    target.type = failure.type[:255]
    target.message = failure.message[:MAX_MESSAGE]
    trace = failure.stack_trace
    if len(trace) > MAX_TRACE:
        half = MAX_TRACE // 2
        trace = f"{trace[:half]}\n...\n{trace[-half:]}"
    target.stack_trace = trace
    if failure.cause is not None and depth < 7:  # noqa: PLR2004 - the contract's depth
        _fill_failure(target.cause, failure.cause, depth + 1)


def _set_time(target: Timestamp, seconds: float) -> None:
    whole = int(seconds)
    target.seconds = whole
    target.nanos = int((seconds - whole) * 1e9)
