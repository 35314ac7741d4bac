"""SQLite, which knows no statistics, reads what belongs to a run by an index that says so.

By the index of a workspace it would read all of that, however few rows are asked for.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event
from towpath_service.core.names import Scope
from towpath_service.database.new_sqlite import make_tables
from towpath_service.database.port import SqlTransaction
from towpath_service.runs.domain.filters import RUN_FIELDS, parse_filter
from towpath_service.runs.ports.reads import RunQuery, RunTree
from towpath_service.runs.storage import tables
from towpath_service.runs.storage.graph import graph_nodes
from towpath_service.runs.storage.reads import SqlReads

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

SCOPE = Scope("00000000-0000-7000-8000-000000000001", "default")
RUN = "01978d2a-7c1e-7aaa-8bbb-00000000000a"
TREE = RunTree(RUN, descendants=True)
ALONE = RunTree(RUN, descendants=False)
PAGE: dict[str, Any] = {"after": None, "descending": False, "limit": 5}
CHILDREN = "ix_run_tenant_id_parent_run_id_state"


def plans_of(read: Callable[[SqlReads], object]) -> list[str]:
    """What SQLite says of each table that a read looks at.

    Between indexes that seem alike, SQLite takes the newest.
    """
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "towpath.db"
        engine = create_engine(f"sqlite:///{file}")
        with engine.begin() as connection:
            make_tables(connection)
        _explain(engine, read, found)
        engine.dispose()
    return [step for step in found if step.startswith(("SEARCH", "SCAN run", "SCAN log"))]


def _explain(engine: Engine, read: Callable[[SqlReads], object], found: list[str]) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(f"INSERT INTO run SELECT {', '.join(_values())}")

        @event.listens_for(engine, "before_cursor_execute")
        def explain(*arguments: Any) -> None:
            _, cursor, statement, parameters, *_ = arguments
            steps = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found.extend(step[3] for step in steps)

        read(SqlReads(SqlTransaction(connection, {SCOPE.tenant_id}), SCOPE.tenant_id))


def _values() -> list[str]:
    given = {"tenant_id": SCOPE.tenant_id, "workspace_id": "default", "run_id": RUN}
    numbers = {"kind": 1, "state": 7}
    return [
        f"'{given[column.name]}'"
        if column.name in given
        else "NULL"
        if column.nullable
        else str(numbers.get(column.name, "'[]'" if column.name == "tags" else "'{}'"))
        if column.name in {"kind", "state", "tags", "labels"}
        else "0"
        for column in tables.run.c
    ]


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (lambda reads: reads.logs(SCOPE, TREE, None, **PAGE), "ix_log_line_tenant_id_run_id"),
        (lambda reads: reads.logs(SCOPE, ALONE, None, **PAGE), "ix_log_line_tenant_id_run_id"),
        (lambda reads: reads.dropped_logs(SCOPE, TREE), "autoindex_run_1 (tenant_id=? AND run_id"),
        (lambda reads: reads.decisions(SCOPE, RUN, 0, 5), "autoindex_transition_1"),
        (lambda reads: reads.decisions(SCOPE, RUN, 0, 5), "ix_refusal_tenant_id_run_id"),
        (lambda reads: reads.transitions(SCOPE, RUN, 0, 5), "autoindex_transition_1"),
        (lambda reads: reads.descendants(SCOPE, RUN, depth=9, limit=9), CHILDREN),
        (lambda reads: reads.timeline(SCOPE, RUN, 9), CHILDREN),
        (lambda reads: reads.state_changes(SCOPE, [RUN]), "autoindex_transition_1"),
        (
            lambda reads: graph_nodes(reads._connection, SCOPE, RUN, depth=9, limit=9),
            CHILDREN,
        ),
        (
            lambda reads: reads.runs(
                RunQuery(scope=SCOPE, filter=parse_filter("tags : nightly", RUN_FIELDS))
            ),
            "autoindex_run_tag_1 (tenant_id=? AND workspace_id=? AND tag=? AND run_id=?)",
        ),
        (
            lambda reads: reads.runs(
                RunQuery(scope=SCOPE, filter=parse_filter("labels.team = a", RUN_FIELDS))
            ),
            "autoindex_run_label_1 (tenant_id=? AND workspace_id=? AND key=?",
        ),
    ],
)
def test_rows_of_a_run_are_found_by_the_run(read: Callable[[SqlReads], object], index: str) -> None:
    plans = plans_of(read)
    assert any(index in plan for plan in plans), plans
    whole = [
        plan
        for plan in plans
        if plan.endswith(("(tenant_id=?)", "(tenant_id=? AND workspace_id=?)"))
        and "created_us" not in plan
    ]
    assert whole == []


def test_outermost_flow_runs_are_read_by_the_index_of_flow_runs() -> None:
    outermost = parse_filter('kind = flow AND parent_run = ""', RUN_FIELDS)
    (plan,) = plans_of(lambda reads: reads.runs(RunQuery(scope=SCOPE, filter=outermost)))
    assert "ix_run_flow_runs (" in plan
