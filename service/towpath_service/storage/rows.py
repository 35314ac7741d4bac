"""Rows from values and values from rows, and the conditions that statements share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_

from towpath_service.domain.states import RunState
from towpath_service.ports.bus import Scope
from towpath_service.ports.ingest import LogLine, ProducerKey, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlalchemy import Row

# SQLite takes 32,766 variables in a statement; PostgreSQL takes 32,767.
CHUNK: Final = 500


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


def log_row(producer: ProducerKey, line: LogLine, position: int) -> dict[str, Any]:
    """The row of a log line."""
    return {
        "tenant_id": producer.tenant_id,
        "workspace_id": producer.workspace_id,
        "producer_id": producer.producer_id,
        "sequence": line.sequence,
        "run_id": line.run_id,
        "position": position,
        "attempt": line.attempt,
        "occurred_us": line.occurred_us,
        "severity": line.severity,
        "logger": line.logger,
        "body": line.body,
        "attributes": line.attributes,
        "failure": line.failure,
        "trace_id": line.trace_id,
        "span_id": line.span_id,
    }


def in_scope(columns: Any, scope: Scope) -> Any:
    """The condition that rows belong to a workspace of a tenant."""
    return and_(columns.tenant_id == scope.tenant_id, columns.workspace_id == scope.workspace_id)


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
