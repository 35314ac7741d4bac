"""The tables of limits, and of the acquisitions that hold their slots or wait for them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    text,
)

from towpath_service.database import columns
from towpath_service.database.tables import metadata

_FLEETING: Final = {
    "fillfactor": 70,
    "autovacuum_vacuum_scale_factor": 0.01,
    "autovacuum_vacuum_threshold": 1000,
}


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


concurrency_limit = Table(
    "concurrency_limit",
    metadata,
    *columns.scope(),
    columns.string("limit_id", 100),
    Column("slots", Integer, nullable=False),
    columns.big_integer("refill_nano"),
    Column("disabled", Boolean, nullable=False),
    columns.text("description"),
    # The template that it was made from; empty for none.
    columns.string("template", 100),
    columns.big_integer("fence"),
    columns.microseconds("tat_us"),
    columns.big_integer("revision"),
    columns.microseconds("created_us"),
    columns.microseconds("updated_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "limit_id"),
    Index(
        "ix_concurrency_limit_template",
        *("tenant_id", "workspace_id", "template"),
        **_where("template <> ''"),
    ),
    postgresql_with=_FLEETING,
)

limit_hold = Table(
    "limit_hold",
    metadata,
    *columns.scope(),
    columns.uuid("acquisition_id"),
    columns.string("limit_id", 100),
    Column("slots", Integer, nullable=False),
    Column("waiting", Boolean, nullable=False),
    # Number of limits of the acquisition.
    Column("parts", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    columns.microseconds("rank_us"),
    columns.microseconds("asked_us"),
    columns.microseconds("since_us"),
    columns.microseconds("expires_us"),
    columns.microseconds("hold_us"),
    columns.big_integer("fence"),
    columns.uuid("run_id", nullable=True),
    columns.text("holder"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "acquisition_id", "limit_id"),
    Index("ix_limit_hold_held", "tenant_id", "workspace_id", "limit_id", **_where("NOT waiting")),
    Index(
        "ix_limit_hold_waiting",
        *("tenant_id", "workspace_id", "limit_id", "rank_us", "acquisition_id"),
        **_where("waiting"),
    ),
    Index("ix_limit_hold_expires_us", "tenant_id", "expires_us"),
    Index("ix_limit_hold_run_id", "tenant_id", "run_id", **_where("run_id IS NOT NULL")),
    postgresql_with=_FLEETING,
)
