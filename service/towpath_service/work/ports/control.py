"""The store of creating and controlling runs, as a port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from towpath_service.runs.ports.ingest import IngestTransaction
    from towpath_service.work.ports.enqueueing import Enqueueing

Result = TypeVar("Result")


class Control(Protocol):
    """One transaction over runs and their work."""

    @property
    def runs(self) -> IngestTransaction:
        """The runs within the transaction."""
        ...

    @property
    def queue(self) -> Enqueueing:
        """The queue within the transaction."""
        ...


class ControlStore(Protocol):
    """A store over runs and their work."""

    async def write(self, tenants: Collection[str], work: Callable[[Control], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit.

        Args:
            tenants: Ids of all tenants whose data it may touch, or EVERY_TENANT.
            work: Reads and writes on the transaction; it may run more than once.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        ...
