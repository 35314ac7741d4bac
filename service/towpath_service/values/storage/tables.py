"""The tables of values: secrets sealed with data keys, data keys sealed with the KEK, variables."""

from __future__ import annotations

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from towpath_service.database import columns
from towpath_service.database.tables import metadata

data_key = Table(
    "data_key",
    metadata,
    columns.uuid("tenant_id"),
    columns.string("key_id", 32),
    columns.text("sealed"),
    columns.microseconds("created_us"),
    columns.microseconds("retired_us", nullable=True),
    columns.big_integer("records"),
    PrimaryKeyConstraint("tenant_id", "key_id"),
)

secret = Table(
    "secret",
    metadata,
    *columns.scope(),
    columns.string("secret_id", 63),
    columns.uuid("row_id"),
    columns.text("description"),
    columns.big_integer("version"),
    columns.big_integer("revision"),
    columns.string("key_id", 32),
    columns.text("sealed"),
    columns.text("setter"),
    columns.microseconds("created_us"),
    columns.microseconds("updated_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "secret_id"),
    Index(None, "tenant_id", "key_id"),
)

variable = Table(
    "variable",
    metadata,
    *columns.scope(),
    columns.string("variable_id", 255),
    columns.uuid("row_id"),
    columns.text("value_json"),
    # A JSON array.
    columns.text("tags"),
    columns.big_integer("revision"),
    columns.microseconds("created_us"),
    columns.microseconds("updated_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "variable_id"),
)
