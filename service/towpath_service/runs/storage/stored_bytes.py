"""Counts the bytes of a tenant's runs with all their records, in a column of `workspace`.

A row counts as the length of its texts in UTF-8, plus a flat number for the rest of it and its
indexes. Fields that change with every state (a run's message, its progress) are left out, since a
new value replaces the old one. The count changes in the transaction that writes or removes rows, in
a row that this transaction updates anyway. The counts of a tenant's workspaces add up to its total.
A row that names a run of another workspace is removed with that run, so the count of a single
workspace may be off.
"""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    LargeBinary,
    any_,
    bindparam,
    cast,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import UUID

from towpath_service.core.names import Scope
from towpath_service.database.tables import metadata
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.runs.storage import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Dialect, Table

    from towpath_service.runs.ports.ingest import ChangeSet, LogLine, NewRun, Refusal

FLAT: Final[Mapping[str, int]] = {
    "run": 1000,
    "run_detail": 0,
    "transition": 250,
    "log_line": 300,
    "refusal": 200,
    "artifact": 500,
    "run_input": 300,
}
"""Bytes of a row without its texts, including its indexes."""
TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "run": (
        *("display_name", "flow_name", "task_key", "task_name", "labels", "tags"),
        *("code_version", "cache_key", "traceparent", "tracestate"),
    ),
    "run_detail": ("parameters", "dependencies", "retry_policy", "result", "failure"),
    "transition": ("reason", "message", "failure"),
    "log_line": ("logger", "body", "attributes", "failure"),
    "refusal": ("message", "metadata"),
    "artifact": ("key", "display_name", "description", "content"),
    "run_input": ("key_prefix", "sender", "content"),
}

_scope: Final = attrgetter("scope")
_of_transition: Final = [attrgetter(name) for name in TEXTS["transition"]]
_of_line: Final = [attrgetter(name) for name in TEXTS["log_line"]]


class Sizes:
    """Sizes of texts as one kind of database stores them."""

    def __init__(self, dialect: Dialect) -> None:
        self._postgres = dialect.name == "postgresql"

    def of(self, texts: Iterable[str | None]) -> int:
        """The bytes of texts."""
        text = "".join(filter(None, texts))
        size = len(text) if text.isascii() else len(text.encode())
        # PostgreSQL stores a replacement character of three bytes instead of NUL.
        return size + 2 * text.count("\0") if self._postgres else size

    def column(self, column: ColumnElement[Any]) -> ColumnElement[int]:
        """The bytes of a column's text."""
        size = (
            func.octet_length(column) if self._postgres else func.length(cast(column, LargeBinary))
        )
        total: ColumnElement[int] = func.coalesce(size, 0)
        return total

    def row(self, table: Table) -> ColumnElement[int]:
        """The counted bytes of a table's row."""
        sizes = (self.column(table.c[name]) for name in TEXTS[table.name])
        return sum(sizes, literal(FLAT[table.name], BigInteger))

    def outcomes(self, tenant_id: str, run_ids: Sequence[str]) -> Any:
        """Bytes of the results and failures that runs have now, as part of a statement."""
        columns = tables.run_detail.c
        size = self.column(columns.result) + self.column(columns.failure)
        among: Any
        if self._postgres:
            among = columns.run_id == any_(cast(bindparam(None, run_ids), ARRAY(UUID)))
        else:
            ids = func.json_each(json.dumps(run_ids)).table_valued("value")
            among = columns.run_id.in_(select(ids.c.value))
        return (
            select(func.coalesce(func.sum(size), 0))
            .where(columns.tenant_id == tenant_id, among)
            .scalar_subquery()
        )

    def changes(self, changes: ChangeSet) -> dict[Scope, Any]:
        """The bytes that a change set adds to each workspace: numbers, or parts of a statement.

        Amendments, artifacts and inputs are counted separately, where they are written.
        """
        added: dict[Scope, int] = defaultdict(int)
        for scope, some in groupby(changes.transitions, _scope):
            rows = list(some)
            texts = chain.from_iterable(map(read, rows) for read in _of_transition)
            added[scope] += FLAT["transition"] * len(rows) + self.of(texts)
        for scope, news in groupby(changes.new_runs, _scope):
            new_runs = list(news)
            texts = chain.from_iterable(map(_texts_of_run, new_runs))
            added[scope] += FLAT["run"] * len(new_runs) + self.of(texts)
        for refusal in changes.refusals:
            scope = Scope(refusal.producer.tenant_id, refusal.producer.workspace_id)
            added[scope] += FLAT["refusal"] + self.of(_texts_of_refusal(refusal))
        return self._with_outcomes(changes, added)

    def _with_outcomes(self, changes: ChangeSet, added: dict[Scope, int]) -> dict[Scope, Any]:
        ended = changes.results.keys() | changes.failures.keys()
        if not ended:
            return dict(added)
        replaced: dict[Scope, list[str]] = defaultdict(list)
        new: dict[RunKey, Scope] = {}
        if not ended <= changes.changed_runs.keys():
            new = {
                RunKey(it.scope.tenant_id, it.status.run_id): it.scope for it in changes.new_runs
            }
        for key in ended:
            outcome = (changes.results.get(key), changes.failures.get(key))
            if key in new:
                scope = new[key]
            else:
                scope, _ = changes.changed_runs[key]
                replaced[scope].append(key.run_id)
            added[scope] += self.of(outcome)
        total: dict[Scope, Any] = dict(added)
        for scope, run_ids in replaced.items():
            total[scope] = added[scope] - self.outcomes(scope.tenant_id, sorted(run_ids))
        return total

    def lines(self, lines: Sequence[LogLine]) -> int:
        """The counted bytes of log lines."""
        texts = chain.from_iterable(map(read, lines) for read in _of_line)
        return FLAT["log_line"] * len(lines) + self.of(texts)


def remove_counted(connection: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    """Deletes rows, and returns their counted bytes."""
    if table.name not in FLAT:
        connection.execute(delete(table).where(*where))
        return 0
    size = Sizes(connection.dialect).row(table)
    if connection.dialect.name == "postgresql":
        # Rows that other transactions have added meanwhile are deleted and counted, too.
        gone = delete(table).where(*where).returning(size.label("size")).cte("gone")
        total = cast(func.coalesce(func.sum(gone.c.size), 0), BigInteger)
        return int(connection.execute(select(total)).scalar_one())
    removed = connection.execute(
        select(func.coalesce(func.sum(size), 0)).where(*where)
    ).scalar_one()
    connection.execute(delete(table).where(*where))
    return int(removed)


def add_stored(connection: Connection, scope: Scope, size: int) -> None:
    """Adds to a workspace's count; a negative size subtracts."""
    if size:
        columns = tables.workspace.c
        connection.execute(
            update(tables.workspace)
            .where(columns.tenant_id == scope.tenant_id, columns.workspace_id == scope.workspace_id)
            .values(stored_bytes=columns.stored_bytes + size)
        )


def stored_of(connection: Connection, tenant_id: str) -> int:
    """The stored count of a tenant's bytes."""
    columns = tables.workspace.c
    total = cast(func.coalesce(func.sum(columns.stored_bytes), 0), BigInteger)
    query = select(total).where(columns.tenant_id == tenant_id)
    return int(connection.execute(query).scalar_one())


def counted(connection: Connection, tenant_id: str) -> int:
    """A tenant's bytes, counted anew over every row."""
    sizes, total = Sizes(connection.dialect), 0
    for name in FLAT:
        table = metadata.tables[name]
        size = cast(func.coalesce(func.sum(sizes.row(table)), 0), BigInteger)
        query = select(size).select_from(table).where(table.c.tenant_id == tenant_id)
        total += int(connection.execute(query).scalar_one())
    return total


def _texts_of_run(new: NewRun) -> tuple[str | None, ...]:
    """The texts that `run_rows.new_row` and `change_rows.write_details` write, less outcomes."""
    creation = new.creation
    return (
        *(creation.display_name, creation.flow_name, creation.task_key, creation.task_name),
        json.dumps(dict(creation.labels)) if creation.labels else "{}",
        json.dumps(sorted(creation.tags)) if creation.tags else "[]",
        *(creation.code_version, creation.cache_key, creation.traceparent, creation.tracestate),
        *(creation.parameters, creation.dependencies, creation.retry_policy),
    )


def _texts_of_refusal(refusal: Refusal) -> tuple[str, str]:
    return refusal.message, json.dumps(dict(refusal.metadata))
