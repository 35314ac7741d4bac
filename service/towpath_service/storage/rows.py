"""Rows from values and values from rows, and the conditions that statements share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_

from towpath_service.domain.decisions import RunStatus
from towpath_service.domain.states import RunKind, RunState
from towpath_service.ports.bus import Scope
from towpath_service.ports.ingest import ChangeSet, LogLine, ProducerKey, Refusal, RunKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlalchemy import Row

# SQLite takes 32,766 variables in a statement; PostgreSQL takes 32,767.
CHUNK: Final = 500


def number_transitions(
    changes: ChangeSet, positions: dict[Scope, int]
) -> tuple[list[dict[str, Any]], dict[RunKey, int]]:
    """Rows of the transitions in order, and the last position of each run."""
    rows: list[dict[str, Any]] = []
    latest: dict[RunKey, int] = {}
    for item in changes.transitions:
        scope = item.scope
        position = positions[scope]
        positions[scope] = position + 1
        latest[RunKey(scope.tenant_id, item.run_id)] = position
        rows.append(
            {
                "tenant_id": scope.tenant_id,
                "run_id": item.run_id,
                "revision": item.revision,
                "workspace_id": scope.workspace_id,
                "position": position,
                "from_state": int(item.from_state or 0),
                "to_state": int(item.to_state),
                "attempt": item.attempt,
                "reason": item.reason,
                "message": item.message,
                "failure": item.failure,
                "occurred_us": item.occurred_us,
                "recorded_us": changes.now_us,
                "source": int(item.source),
                "inferred": item.inferred,
                "actor": item.actor,
                "producer_id": item.producer_id,
                "producer_sequence": item.producer_sequence,
                "next_attempt_us": item.next_attempt_us,
                "rule": item.rule,
            }
        )
    return rows, latest


def to_status(row: Row[Any]) -> RunStatus:
    """Where a run stands, from its row."""
    return RunStatus(
        run_id=row.run_id,
        kind=RunKind(row.kind),
        flow_id=row.flow_id,
        parent_run_id=row.parent_run_id,
        state=RunState(row.state),
        reason=row.reason,
        message=row.message,
        state_us=row.state_us,
        revision=row.revision,
        attempt=row.attempt,
        inferred=row.inferred,
        fence=row.fence,
        next_attempt_us=row.next_attempt_us,
        started_us=row.started_us,
        ended_us=row.ended_us,
        running_us=row.running_us,
        producer_id=row.producer_id,
    )


def status_values(status: RunStatus) -> dict[str, Any]:
    """Columns of a run that transitions change."""
    return {
        "state": int(status.state),
        "reason": status.reason,
        "message": status.message,
        "state_us": status.state_us,
        "revision": status.revision,
        "attempt": status.attempt,
        "inferred": status.inferred,
        "fence": status.fence,
        "next_attempt_us": status.next_attempt_us,
        "started_us": status.started_us,
        "ended_us": status.ended_us,
        "running_us": status.running_us,
        "producer_id": status.producer_id,
    }


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
