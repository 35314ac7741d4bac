"""The tables of secrets: values, sealed with data keys, and those, sealed with a key elsewhere."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, String, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from towpath_service.database.tables import metadata

_Uuid = String(36).with_variant(UUID(as_uuid=False), "postgresql")
_Text = Text().with_variant(Text(collation="C"), "postgresql")


def _string(name: str, length: int) -> Column[str]:
    kind = String(length).with_variant(String(length, collation="C"), "postgresql")
    return Column(name, kind, nullable=False)


def _number(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


data_key = Table(
    "data_key",
    metadata,
    Column("tenant_id", _Uuid, nullable=False),
    _string("key_id", 32),
    Column("sealed", _Text, nullable=False),
    _number("created_us"),
    _number("retired_us", nullable=True),
    _number("records"),
    PrimaryKeyConstraint("tenant_id", "key_id"),
)

secret = Table(
    "secret",
    metadata,
    Column("tenant_id", _Uuid, nullable=False),
    _string("workspace_id", 63),
    _string("secret_id", 63),
    Column("row_id", _Uuid, nullable=False),
    Column("description", _Text, nullable=False),
    _number("version"),
    _number("revision"),
    _string("key_id", 32),
    Column("sealed", _Text, nullable=False),
    Column("setter", _Text, nullable=False),
    _number("created_us"),
    _number("updated_us"),
    PrimaryKeyConstraint("tenant_id", "workspace_id", "secret_id"),
    Index(None, "tenant_id", "key_id"),
)
