"""The tables, the same on every database.

`tenant_id` leads every primary key, unique constraint and index of tenant data. Times are whole
microseconds since the Unix epoch, UTC (`*_us`), states and kinds the numbers of the contract's
enums, structured values JSON text. `position` numbers what a workspace committed, without gaps, in
commit order: watches follow it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    column,
    literal_column,
)
from sqlalchemy.dialects.postgresql import UUID

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine
from towpath_service.database.tables import metadata

# Rows that every commit updates find room on their own page.
_ROOM: Final = {"fillfactor": 50}


# Compared byte by byte, as SQLite does.
_Text = Text().with_variant(Text(collation="C"), "postgresql")
_Uuid = String(36).with_variant(UUID(as_uuid=False), "postgresql")


def _string(length: int) -> TypeEngine[str]:
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _uuid(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, _Uuid, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, _Text, nullable=nullable)


def _us(name: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _scope() -> tuple[Column[str], Column[str]]:
    return _uuid("tenant_id"), Column("workspace_id", _string(63), nullable=False)


FLOW: Final = literal_column("1", SmallInteger)
"""The kind of flow runs as a literal: a database matches no bound value with a partial index."""


def _of_flow_runs(name: str, *columns: str) -> Index:
    of_flows = column("kind", SmallInteger) == FLOW
    return Index(name, "tenant_id", *columns, postgresql_where=of_flows, sqlite_where=of_flows)


schema_info = Table(
    "schema_info",
    metadata,
    # One row: of the whole database, not of a tenant.
    Column("only", SmallInteger, primary_key=True, autoincrement=False),
    Column("oldest_service", _string(4), nullable=False),
)

workspace = Table(
    "workspace",
    metadata,
    *_scope(),
    Column("position", BigInteger, nullable=False),
    Column("log_position", BigInteger, nullable=False),
    _us("created_us", nullable=False),
    # Positions up to which transitions, lines and tombstones may be gone.
    Column("transition_floor", BigInteger, nullable=False, server_default="0"),
    Column("log_floor", BigInteger, nullable=False, server_default="0"),
    Column("tombstone_floor", BigInteger, nullable=False, server_default="0"),
    # See `stored_bytes.py`.
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", "workspace_id"),
    postgresql_with=_ROOM,
)

flow = Table(
    "flow",
    metadata,
    *_scope(),
    Column("flow_id", _string(63), nullable=False),
    _text("display_name"),
    _us("created_us", nullable=False),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "flow_id"),
)

run_count = Table(
    "run_count",
    metadata,
    *_scope(),
    Column("flow_id", _string(63), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("runs", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "flow_id", "kind", "state"),
    postgresql_with=_ROOM,
)

run = Table(
    "run",
    metadata,
    _uuid("tenant_id"),
    _uuid("run_id"),
    Column("workspace_id", _string(63), nullable=False),
    Column("short_id", _string(8), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    _text("display_name"),
    Column("flow_id", _string(63), nullable=False),
    _text("flow_name"),
    _text("task_key"),
    _text("task_name"),
    Column("task_index", Integer, nullable=False),
    _uuid("parent_run_id", nullable=True),
    _uuid("root_run_id"),
    Column("state", SmallInteger, nullable=False),
    _text("reason"),
    _text("message"),
    _us("state_us", nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("inferred", Boolean, nullable=False),
    Column("fence", BigInteger, nullable=False),
    _us("next_attempt_us"),
    _us("scheduled_us"),
    _us("started_us"),
    _us("ended_us"),
    _us("running_us", nullable=False),
    _text("labels"),
    _text("tags"),
    _text("progress", nullable=True),
    _text("code_version"),
    _text("cache_key"),
    _uuid("cached_from_run_id", nullable=True),
    _text("traceparent"),
    _text("tracestate"),
    _uuid("producer_id", nullable=True),
    _us("occurred_us", nullable=False),
    _us("created_us", nullable=False),
    _us("updated_us", nullable=False),
    Column("observed_late", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    Index(None, "tenant_id", "workspace_id", "position"),
    Index(None, "tenant_id", "workspace_id", "created_us", "run_id"),
    Index(None, "tenant_id", "workspace_id", "state", "created_us"),
    Index(None, "tenant_id", "workspace_id", "flow_id", "created_us"),
    # There is one flow run to hundreds of task runs, and people look for flow runs.
    _of_flow_runs("ix_run_flow_runs", "workspace_id", "created_us", "run_id"),
    _of_flow_runs("ix_run_flow_runs_of_flow", "workspace_id", "flow_id", "created_us", "run_id"),
    Index(None, "tenant_id", "parent_run_id", "state"),
    Index(None, "tenant_id", "root_run_id"),
    Index(None, "tenant_id", "short_id"),
    Index(None, "tenant_id", "producer_id", "state"),
)

run_detail = Table(
    "run_detail",
    metadata,
    _uuid("tenant_id"),
    _uuid("run_id"),
    _text("parameters", nullable=True),
    _text("result", nullable=True),
    _text("failure", nullable=True),
    _text("dependencies", nullable=True),
    _text("retry_policy", nullable=True),
    _us("timeout_us"),
    PrimaryKeyConstraint("tenant_id", "run_id"),
)

run_tag = Table(
    "run_tag",
    metadata,
    *_scope(),
    Column("tag", _Text, nullable=False),
    _uuid("run_id"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "tag", "run_id"),
    Index(None, "tenant_id", "run_id"),
)

run_label = Table(
    "run_label",
    metadata,
    *_scope(),
    Column("key", _Text, nullable=False),
    Column("value", _Text, nullable=False),
    _uuid("run_id"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "key", "run_id"),
    Index(None, "tenant_id", "run_id"),
)

transition = Table(
    "transition",
    metadata,
    _uuid("tenant_id"),
    _uuid("run_id"),
    Column("revision", BigInteger, nullable=False),
    Column("workspace_id", _string(63), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("from_state", SmallInteger, nullable=False),
    Column("to_state", SmallInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    _text("reason"),
    _text("message"),
    _text("failure", nullable=True),
    _us("occurred_us", nullable=False),
    _us("recorded_us", nullable=False),
    Column("source", SmallInteger, nullable=False),
    Column("inferred", Boolean, nullable=False),
    _text("actor"),
    _uuid("producer_id", nullable=True),
    Column("producer_sequence", BigInteger, nullable=False),
    _us("next_attempt_us"),
    Column("rule", _string(63), nullable=False),
    PrimaryKeyConstraint("tenant_id", "run_id", "revision"),
    Index(None, "tenant_id", "workspace_id", "position"),
)

producer = Table(
    "producer",
    metadata,
    *_scope(),
    _uuid("producer_id"),
    Column("committed_sequence", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("log_sequence", BigInteger, nullable=False),
    Column("logs_dropped", BigInteger, nullable=False),
    _text("info"),
    _us("committed_us"),
    _us("seen_us", nullable=False),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "producer_id"),
    postgresql_with=_ROOM,
)

refusal = Table(
    "refusal",
    metadata,
    *_scope(),
    _uuid("producer_id"),
    Column("sequence", BigInteger, nullable=False),
    Column("run_id", _string(255), nullable=False),
    _text("reason"),
    Column("rule", _string(63), nullable=False),
    _text("message"),
    _text("metadata"),
    Column("current_state", SmallInteger, nullable=False),
    Column("requested_state", SmallInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    _us("occurred_us", nullable=False),
    _us("recorded_us", nullable=False),
    Column("confirmed", Boolean, nullable=False),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "producer_id", "sequence"),
    Index(None, "tenant_id", "run_id"),
)

log_line = Table(
    "log_line",
    metadata,
    *_scope(),
    _uuid("producer_id"),
    Column("sequence", BigInteger, nullable=False),
    _uuid("run_id"),
    Column("position", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    _us("occurred_us", nullable=False),
    Column("severity", SmallInteger, nullable=False),
    _text("logger"),
    _text("body"),
    _text("attributes", nullable=True),
    _text("failure", nullable=True),
    Column("trace_id", _string(32), nullable=False),
    Column("span_id", _string(16), nullable=False),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "producer_id", "sequence"),
    Index(None, "tenant_id", "run_id", "position"),
    Index(None, "tenant_id", "workspace_id", "position"),
)

deleted_run = Table(
    "deleted_run",
    metadata,
    *_scope(),
    _uuid("run_id"),
    Column("position", BigInteger, nullable=False),
    _us("deleted_us", nullable=False),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "run_id"),
    Index(None, "tenant_id", "workspace_id", "position"),
)
