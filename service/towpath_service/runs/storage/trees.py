"""The condition that rows belong to a run, alone or with its descendants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import literal, select

from towpath_service.runs.storage import tables

if TYPE_CHECKING:
    from towpath_service.core.names import Scope
    from towpath_service.runs.ports.reads import RunTree

_run = tables.run.c


def of_tree(column: Any, scope: Scope, tree: RunTree) -> Any:
    """The condition that a column holds the id of one of a tree's runs, however many there are.

    UNION visits each run once: clients state the parents, which might form a cycle.
    """
    if not tree.descendants:
        return column == tree.run_id
    top = select(literal(tree.run_id, _run.run_id.type).label("run_id"))
    below = top.cte("below", recursive=True)
    # Without the workspace, which the caller checks: SQLite would use its index instead.
    below = below.union(
        select(_run.run_id).where(
            _run.tenant_id == scope.tenant_id, _run.parent_run_id == below.c.run_id
        )
    )
    return column.in_(select(below.c.run_id))
