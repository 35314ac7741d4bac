"""Column types for the tables of every subject, the same on each database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import BigInteger, Column, String, Text
from sqlalchemy.dialects.postgresql import UUID

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

# Compared byte by byte, as SQLite does.
_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
_UUID: Final = String(36).with_variant(UUID(as_uuid=False), "postgresql")


def text(name: str, *, nullable: bool = False) -> Column[str]:
    """A text of any length."""
    return Column(name, _TEXT, nullable=nullable)


def string(name: str, length: int, *, nullable: bool = False) -> Column[str]:
    """A text of at most `length` characters."""
    kind: TypeEngine[str] = String(length).with_variant(String(length, collation="C"), "postgresql")
    return Column(name, kind, nullable=nullable)


def uuid(name: str, *, nullable: bool = False) -> Column[str]:
    """A UUID, written and read as its lower-case text."""
    return Column(name, _UUID, nullable=nullable)


def big_integer(name: str, *, nullable: bool = False) -> Column[int]:
    """A whole number of 64 bits."""
    return Column(name, BigInteger, nullable=nullable)


def microseconds(name: str, *, nullable: bool = False) -> Column[int]:
    """A time as microseconds since the Unix epoch, UTC, or a duration in microseconds."""
    return Column(name, BigInteger, nullable=nullable)


def scope() -> tuple[Column[str], Column[str]]:
    """The tenant and the workspace that a row belongs to."""
    return uuid("tenant_id"), string("workspace_id", 63)
