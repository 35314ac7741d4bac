"""Audit logs, as identity needs them of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_auth.audit import AuditHead, AuditRecord


class AuditLog(NamedTuple):
    """Some of a tenant's audit log."""

    entries: list[tuple[AuditRecord, str]]
    """With their hashes, newest first."""
    head: AuditHead
    """The end of all of it."""
    seal: str
    """Of the end; empty where the log has none."""


class AuditEntries(Protocol):
    """The audit log of one tenant."""

    def begin(self, seal: Callable[[AuditHead], str]) -> None:
        """Gives an audit log without entries its end; changes nothing where it has either.

        Args:
            seal: Seals the end.
        """
        ...

    def append(self, record: AuditRecord, seal: Callable[[AuditHead], str]) -> None:
        """Writes an entry at the end of the tenant's audit log.

        Where the end is lost, or isn't one that was sealed, the entry shows that.

        Args:
            record: The entry; its sequence and time are set here.
            seal: Seals the new end of the log.
        """
        ...

    def read(self, *, before: int, limit: int) -> AuditLog:
        """Entries of the audit log below a sequence, and its end, as they were in one moment."""
        ...
