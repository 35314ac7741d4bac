"""A store as the whole service needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from towpath_service.identity.ports.store import IdentityStore
from towpath_service.runs.ports.ingest import IngestStore
from towpath_service.runs.ports.reads import ReadStore
from towpath_service.runs.ports.retention import RetentionStore
from towpath_service.values.ports.secrets import SecretStore

if TYPE_CHECKING:
    from towpath_service.core.bus import Bus


class Store(IngestStore, ReadStore, RetentionStore, IdentityStore, SecretStore, Protocol):
    """Where runs are kept."""

    @property
    def location(self) -> str:
        """Where the database is, for people."""
        ...

    async def open(self) -> None:
        """Makes the store ready.

        Raises:
            ServiceError: DATABASE_TOO_NEW, DATABASE_TOO_OLD or DATABASE_UNUSABLE.
        """
        ...

    async def listen(self, bus: Bus) -> None:
        """Wakes those who wait here for what others commit; never returns."""
        ...

    def close(self) -> None:
        """Ends its threads and connections."""
        ...
