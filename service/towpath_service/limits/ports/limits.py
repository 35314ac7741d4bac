"""The store of limits as a port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.core.transactions import Transaction
    from towpath_service.limits.domain.limits import Hold, Limit, LimitUse
    from towpath_service.limits.domain.names import AcquisitionKey, LimitKey

Result = TypeVar("Result")


class LimitRows(Protocol):
    """Limits within a transaction."""

    def find(self, keys: Collection[LimitKey], *, keep: bool = False) -> dict[LimitKey, Limit]:
        """Those of some limits that exist.

        Args:
            keys: The limits.
            keep: Lock them against changes by others until the transaction ends.
        """
        ...

    def lock(self, keys: Collection[LimitKey]) -> dict[LimitKey, Limit]:
        """Locks limits in their order until the transaction ends; returns those that exist."""
        ...

    def add(self, limit: Limit) -> bool:
        """Makes a limit; False when there is one of its id."""
        ...

    def change(self, limit: Limit) -> None:
        """Replaces the settings of a limit, which the transaction has locked."""
        ...

    def note(self, limits: Sequence[Limit]) -> None:
        """Stores `fence` and `tat_us` of limits, which the transaction has locked."""
        ...

    def remove(self, keys: Collection[LimitKey]) -> None:
        """Removes limits, which the transaction has locked."""
        ...

    def made_from(self, template: LimitKey) -> list[LimitKey]:
        """The limits that were made from a template."""
        ...

    def unused(self, before_us: int, most: int) -> list[LimitKey]:
        """Locks limits of templates, with no slot in use since a time; those of any tenant."""
        ...

    def count(self, tenant_id: str, *, made: bool) -> int:
        """The number of limits of a tenant: those made from templates, or the others."""
        ...

    def page(self, scope: Scope, after: str, most: int, *, made: bool) -> list[Limit]:
        """Limits of a workspace by id.

        Args:
            scope: The workspace.
            after: The id before the first one; empty for none.
            most: Most limits.
            made: Whether those made from templates are listed, too.
        """
        ...

    def ids_from(self, scope: Scope, prefix: str, most: int) -> list[str]:
        """Ids that begin with a prefix, of enabled limits not made from templates, by id."""
        ...


class HoldRows(Protocol):
    """Acquisitions within a transaction."""

    def of(self, acquisitions: Collection[AcquisitionKey]) -> list[Hold]:
        """The parts of some acquisitions."""
        ...

    def add(self, holds: Sequence[Hold]) -> None:
        """Adds parts of new acquisitions."""
        ...

    def change(self, holds: Sequence[Hold]) -> None:
        """Replaces what changes of parts: whether they wait, their times and their fence."""
        ...

    def remove(self, holds: Collection[Hold]) -> None:
        """Removes parts."""
        ...

    def remove_of(self, limits: Collection[LimitKey]) -> list[Hold]:
        """Removes the parts of limits; returns them."""
        ...

    def used(self, limits: Collection[LimitKey]) -> Mapping[LimitKey, tuple[int, int]]:
        """Slots held of limits, and the first time at which some of them end."""
        ...

    def expired(self, limits: Collection[LimitKey], now_us: int) -> list[Hold]:
        """The parts of limits that hold slots beyond their time."""
        ...

    def first(self, limit: LimitKey, most: int) -> list[Hold]:
        """The parts of a limit that wait, in order."""
        ...

    def extend(self, acquisitions: Collection[AcquisitionKey], now_us: int) -> set[AcquisitionKey]:
        """Extends the time of held slots; returns the acquisitions that hold any."""
        ...

    def prolong(self, until_us: int) -> None:
        """Lets held slots last until a time at least; those of any tenant."""
        ...

    def overdue(self, now_us: int, most: int) -> list[Hold]:
        """Parts beyond their time, of any tenant."""
        ...

    def of_ended_runs(self, most: int) -> list[Hold]:
        """Parts of runs that have ended, of any tenant."""
        ...

    def waited_for(self, most: int) -> list[LimitKey]:
        """Limits that something waits for, of any tenant."""
        ...

    def granted(self, acquisitions: Collection[AcquisitionKey]) -> set[AcquisitionKey]:
        """Those of some acquisitions that hold slots."""
        ...

    def uses(self, limits: Collection[LimitKey]) -> Mapping[LimitKey, LimitUse]:
        """The use of limits."""
        ...

    def holders(
        self, limit: LimitKey, after: tuple[bool, int, str] | None, most: int
    ) -> list[Hold]:
        """Parts of a limit: those that hold, by age, then those that wait, in order.

        Args:
            limit: The limit.
            after: Whether the last one of the page before waits, its place and its id.
            most: Most parts.
        """
        ...

    def wake(self, acquisitions: Iterable[AcquisitionKey]) -> None:
        """Tells the replicas of acquisitions that no longer wait, after the commit."""
        ...


class Limits(Protocol):
    """One transaction over limits."""

    @property
    def limits(self) -> LimitRows:
        """Limits."""
        ...

    @property
    def holds(self) -> HoldRows:
        """Acquisitions."""
        ...

    def write(self, added: Sequence[Hold], changed: Sequence[Hold], noted: Sequence[Limit]) -> None:
        """Adds and changes parts, and stores what `LimitRows.note` does, in one step."""
        ...

    @property
    def transaction(self) -> Transaction:
        """The transaction, for the stores of other subjects."""
        ...


class LimitStore(Protocol):
    """Keeps limits."""

    async def write(self, tenants: Collection[str], work: Callable[[Limits], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        ...

    async def read(self, tenants: Collection[str], work: Callable[[Limits], Result]) -> Result:
        """Runs reads that see one state of the database."""
        ...
