"""Conversion between rows and values, and the conditions that statements share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_

from towpath_service.core.names import Scope
from towpath_service.runs.domain.states import RunState
from towpath_service.runs.ports.ingest import LogLine, ProducerKey, ProducerRecord, Refusal
from towpath_service.runs.storage import tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlalchemy import Row

# SQLite takes 32,766 variables in a statement; PostgreSQL takes 32,767.
CHUNK: Final = 500

PRODUCER_COLUMNS: Final = tuple(tables.producer.c.keys())
PRODUCER_CHANGES: Final = (
    *("committed_sequence", "epoch", "logs_dropped", "info", "committed_us", "seen_us"),
)


def to_refusal(row: Row[Any]) -> Refusal:
    """A refusal, from its row."""
    return Refusal(
        producer=ProducerKey(row.tenant_id, row.workspace_id, row.producer_id),
        sequence=row.sequence,
        run_id=row.run_id,
        reason=row.reason,
        rule=row.rule,
        message=row.message,
        metadata=json.loads(row.metadata),
        current_state=RunState(row.current_state) if row.current_state else None,
        requested_state=RunState(row.requested_state) if row.requested_state else None,
        attempt=row.attempt,
        occurred_us=row.occurred_us,
    )


def refusal_row(refusal: Refusal, now_us: int) -> tuple[Any, ...]:
    """All columns of a refusal that its producer hasn't confirmed."""
    return (
        *refusal.producer,
        refusal.sequence,
        refusal.run_id[:255],
        refusal.reason,
        refusal.rule,
        refusal.message,
        json.dumps(dict(refusal.metadata)),
        int(refusal.current_state or 0),
        int(refusal.requested_state or 0),
        refusal.attempt,
        refusal.occurred_us,
        now_us,
        False,
    )


def to_producer(row: Row[Any]) -> ProducerRecord:
    """A producer, from its row."""
    return ProducerRecord(
        key=ProducerKey(row.tenant_id, row.workspace_id, row.producer_id),
        committed_sequence=row.committed_sequence,
        epoch=row.epoch,
        log_sequence=row.log_sequence,
        logs_dropped=row.logs_dropped,
        info=row.info,
        committed_us=row.committed_us,
        seen_us=row.seen_us,
    )


def producer_row(producer: ProducerRecord) -> tuple[Any, ...]:
    """The `PRODUCER_COLUMNS` of a producer."""
    return (
        *producer.key,
        producer.committed_sequence,
        producer.epoch,
        producer.log_sequence,
        producer.logs_dropped,
        producer.info,
        producer.committed_us,
        producer.seen_us,
    )


def log_row(producer: ProducerKey, line: LogLine, position: int) -> tuple[Any, ...]:
    """All columns of a log line."""
    return (
        *producer,
        line.sequence,
        line.run_id,
        position,
        line.attempt,
        line.occurred_us,
        line.severity,
        line.logger,
        line.body,
        line.attributes,
        line.failure,
        line.trace_id,
        line.span_id,
    )


def in_scope(columns: Any, scope: Scope) -> Any:
    """The condition that rows belong to a workspace of a tenant."""
    return and_(columns.tenant_id == scope.tenant_id, columns.workspace_id == scope.workspace_id)


def in_scope_by_run(columns: Any, scope: Scope) -> Any:
    """The condition of `in_scope`, for few rows that are found by their run.

    The workspace is an expression, which no index serves: SQLite would prefer its index otherwise.
    """
    return and_(
        columns.tenant_id == scope.tenant_id,
        columns.workspace_id.concat("") == scope.workspace_id,
    )


def by_scope(keys: Iterable[ProducerKey]) -> list[tuple[Scope, list[str]]]:
    """Producer ids by their workspace."""
    grouped: dict[Scope, list[str]] = {}
    for key in keys:
        grouped.setdefault(Scope(key.tenant_id, key.workspace_id), []).append(key.producer_id)
    return list(grouped.items())


def chunks(values: Collection[Any]) -> Iterator[list[Any]]:
    """Values in lists short enough for the variables of one statement."""
    listed = list(values)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]
