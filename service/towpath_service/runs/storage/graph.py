"""Reads the tree under a run, with only the columns that a drawn graph needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, and_, cast, select

from towpath_service.runs.domain.runs import GraphNode
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.rows import chunks, in_scope_by_run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from towpath_service.core.names import Scope

_run = tables.run.c
_KINDS: Final = {int(kind): kind for kind in RunKind}
_STATES: Final = {int(state): state for state in RunState}
_NODES: Final = select(
    _run.run_id,
    _run.parent_run_id,
    _run.kind,
    _run.display_name,
    _run.state,
    _run.revision,
    _run.started_us,
    _run.ended_us,
    tables.run_detail.c.dependencies,
).outerjoin(
    tables.run_detail,
    and_(
        tables.run_detail.c.tenant_id == _run.tenant_id,
        tables.run_detail.c.run_id == _run.run_id,
    ),
)


# Ordered by the plain column, SQLite would scan all runs in primary-key order.
BY_ID: Final = cast(_run.run_id, Text)


def graph_nodes(
    connection: Connection, scope: Scope, run_id: str, *, depth: int, limit: int
) -> list[GraphNode]:
    """Reads a run and its descendants, parents before children; at most `limit` + 1.

    Args:
        connection: A connection in a transaction.
        scope: The run's workspace.
        run_id: The run at the top.
        depth: How many levels below it.
        limit: Number of wanted nodes; one more shows that there are more.
    """
    nodes = _NODES.where(in_scope_by_run(_run, scope))
    found = _read(connection, nodes.where(_run.run_id == run_id))
    level = [node.run_id for node in found]
    for _ in range(depth):
        below: list[GraphNode] = []
        for chunk in chunks(level):
            room = limit + 1 - len(found) - len(below)
            if room <= 0:
                break
            wanted = nodes.where(_run.parent_run_id.in_(chunk)).order_by(BY_ID).limit(room)
            below += _read(connection, wanted)
        if not below:
            break
        found += below
        # Task runs rarely have children, but they can.
        level = [node.run_id for node in below]
    return found


def _read(connection: Connection, statement: Any) -> list[GraphNode]:
    nodes: list[GraphNode] = []
    for row in connection.execute(statement):
        columns: tuple[Any, ...] = tuple(row)
        run_id, parent, kind, name, state = columns[:5]
        nodes.append(GraphNode(run_id, parent, _KINDS[kind], name, _STATES[state], *columns[5:]))
    return nodes
