"""The condition that rows belong to a run, or to one of all that are below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import literal, select

from towpath_service.runs.storage import tables

if TYPE_CHECKING:
    from towpath_service.core.names import Scope
    from towpath_service.runs.ports.reads import RunTree

_run = tables.run.c


def of_tree(column: Any, scope: Scope, tree: RunTree) -> Any:
    """Whether a column holds the id of one of the runs, however many there are.

    Each is looked for once: parents are what clients say, and might go in a circle.
    """
    if not tree.descendants:
        return column == tree.run_id
    top = select(literal(tree.run_id, _run.run_id.type).label("run_id"))
    below = top.cte("below", recursive=True)
    # Not by the workspace, which the caller asks for: SQLite would go by that one's index then.
    below = below.union(
        select(_run.run_id).where(
            _run.tenant_id == scope.tenant_id, _run.parent_run_id == below.c.run_id
        )
    )
    return column.in_(select(below.c.run_id))
