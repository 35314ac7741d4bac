"""Locks of rows that are read; on SQLite the transaction itself is the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Select

    from towpath_service.work.ports.resources import Lock


def locked(found: Select[Any], lock: Lock) -> Select[Any]:
    """A query that locks its rows until the transaction ends."""
    if lock == "keep":
        return found.with_for_update(read=True, key_share=True)
    return found.with_for_update() if lock == "change" else found
