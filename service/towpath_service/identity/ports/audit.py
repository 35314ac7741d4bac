"""The port of audit logs, which identity's storage implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_auth.audit import AuditHead, AuditRecord


class AuditLog(NamedTuple):
    """A page of a tenant's audit log, with the log's end."""

    entries: list[tuple[AuditRecord, str]]
    """With their hashes, newest first."""
    head: AuditHead
    """The end of the whole log."""
    seal: str
    """The seal of the end; empty if the log has none."""


class AuditEntries(Protocol):
    """The audit log of one tenant."""

    def begin(self, seal: Callable[[AuditHead], str]) -> None:
        """Writes the end of an empty log; changes nothing if the log has entries or an end.

        Args:
            seal: Seals the end.
        """
        ...

    def append(self, record: AuditRecord, seal: Callable[[AuditHead], str]) -> None:
        """Writes an entry at the end of the tenant's audit log.

        If the end is missing or its seal is wrong, the entry shows that.

        Args:
            record: The entry; its sequence and time are set here.
            seal: Seals the new end of the log.
        """
        ...

    def read(self, *, before: int, limit: int) -> AuditLog:
        """The newest entries below a sequence, and the log's end, both of one moment."""
        ...
