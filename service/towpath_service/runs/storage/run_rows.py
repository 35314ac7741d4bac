"""Conversion of runs and transitions to rows, which ingestion reads and writes most.

Enums and booleans are plain ints here: sqlite3 searches an adapter for any other type.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from towpath_service.core.names import short_id
from towpath_service.core.transactions import LeasedMove
from towpath_service.runs.domain.decisions import RunStatus
from towpath_service.runs.domain.states import TERMINAL_STATES, RunKind, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.runs.storage import tables

if TYPE_CHECKING:
    from towpath_service.core.names import Scope
    from towpath_service.runs.ports.ingest import ChangeSet, NewRun

Row = tuple[Any, ...]

LATE_US: Final = 60_000_000
_STATES: Final = {int(state): state for state in RunState}
_KINDS: Final = {int(kind): kind for kind in RunKind}
_run = tables.run.c

STATUS_COLUMNS: Final = (
    _run.run_id,
    _run.kind,
    _run.flow_id,
    _run.parent_run_id,
    _run.state,
    _run.reason,
    _run.message,
    _run.state_us,
    _run.revision,
    _run.attempt,
    _run.inferred,
    _run.fence,
    _run.next_attempt_us,
    _run.started_us,
    _run.ended_us,
    _run.running_us,
    _run.producer_id,
    _run.workspace_id,
    _run.root_run_id,
)
CHANGED_COLUMNS: Final = (
    "tenant_id",
    "run_id",
    "state",
    "reason",
    "message",
    "state_us",
    "revision",
    "attempt",
    "inferred",
    "fence",
    "next_attempt_us",
    "started_us",
    "ended_us",
    "running_us",
    "producer_id",
    "updated_us",
    "position",
)


def to_status(row: Any) -> RunStatus:
    """The status of a run, from its `STATUS_COLUMNS`."""
    run_id, kind, flow_id, parent_run_id, state, reason, message, state_us, revision, *rest = row
    attempt, inferred, fence, next_attempt_us, started_us, ended_us, running_us, *rest = rest
    producer_id, workspace_id, root_run_id = rest
    return RunStatus(
        run_id=run_id,
        kind=_KINDS[kind],
        flow_id=flow_id,
        parent_run_id=parent_run_id,
        state=_STATES[state],
        reason=reason,
        message=message,
        state_us=state_us,
        revision=revision,
        attempt=attempt,
        inferred=bool(inferred),
        fence=fence,
        next_attempt_us=next_attempt_us,
        started_us=started_us,
        ended_us=ended_us,
        running_us=running_us,
        producer_id=producer_id,
        workspace_id=workspace_id,
        root_run_id=root_run_id,
    )


def changed_row(tenant_id: str, run: RunStatus, now_us: int, position: int) -> Row:
    """The `CHANGED_COLUMNS` of a run."""
    return (
        tenant_id,
        run.run_id,
        int(run.state),
        run.reason,
        run.message,
        run.state_us,
        run.revision,
        run.attempt,
        int(run.inferred),
        run.fence,
        run.next_attempt_us,
        run.started_us,
        run.ended_us,
        run.running_us,
        run.producer_id,
        now_us,
        position,
    )


def new_row(new: NewRun, now_us: int, position: int) -> Row:
    """All columns of a new run, as the schema orders them."""
    scope, creation, run = new.scope, new.creation, new.status
    return (
        scope.tenant_id,
        run.run_id,
        scope.workspace_id,
        short_id(run.run_id),
        int(run.kind),
        creation.display_name,
        creation.flow_id,
        creation.flow_name,
        creation.task_key,
        creation.task_name,
        creation.task_index,
        creation.parent_run_id,
        creation.root_run_id or run.run_id,
        int(run.state),
        run.reason,
        run.message,
        run.state_us,
        run.revision,
        run.attempt,
        int(run.inferred),
        run.fence,
        run.next_attempt_us,
        creation.scheduled_us,
        run.started_us,
        run.ended_us,
        run.running_us,
        json.dumps(dict(creation.labels)) if creation.labels else "{}",
        json.dumps(sorted(creation.tags)) if creation.tags else "[]",
        None,
        creation.code_version,
        creation.cache_key,
        creation.cached_from_run_id,
        creation.traceparent,
        creation.tracestate,
        run.producer_id,
        new.occurred_us,
        now_us,
        now_us,
        int(now_us - new.occurred_us > LATE_US),
        position,
    )


def leased_moves(changes: ChangeSet) -> list[LeasedMove]:
    """The changed runs whose leases follow: dispatched runs that are RUNNING or have ended.

    A run without a producer has ended before it was dispatched: others may have waited for it.
    """
    return [
        LeasedMove(key.tenant_id, key.run_id, run.fence, run.state in TERMINAL_STATES)
        for key, (_, run) in changes.changed_runs.items()
        if (run.fence and run.state is RunState.RUNNING)
        or (run.state in TERMINAL_STATES and (run.fence or run.producer_id is None))
    ]


def transition_rows(
    changes: ChangeSet, positions: dict[Scope, int]
) -> tuple[list[Row], dict[RunKey, int]]:
    """All columns of the transitions, in order, and the last position of each run.

    The next position of each workspace is advanced.
    """
    rows: list[Row] = []
    latest: dict[RunKey, int] = {}
    now_us = changes.now_us
    for item in changes.transitions:
        scope, run_id, revision, from_state, to_state, attempt = item[:6]
        position = positions[scope]
        positions[scope] = position + 1
        latest[RunKey(scope.tenant_id, run_id)] = position
        rows.append(
            (
                scope.tenant_id,
                run_id,
                revision,
                scope.workspace_id,
                position,
                int(from_state or 0),
                int(to_state),
                attempt,
                item.reason,
                item.message,
                item.failure,
                item.occurred_us,
                now_us,
                int(item.source),
                int(item.inferred),
                item.actor,
                *item[13:],
            )
        )
    return rows, latest
