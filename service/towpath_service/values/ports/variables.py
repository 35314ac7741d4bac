"""The store of variables as a port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towpath_service.values.domain.variables import StoredVariable

Result = TypeVar("Result")


class Variables(Protocol):
    """One transaction on the variables of one tenant."""

    def find(
        self, workspace_id: str, variable_id: str, *, lock: bool = False
    ) -> StoredVariable | None:
        """A variable; None when there is none.

        Args:
            workspace_id: Its workspace.
            variable_id: Its id.
            lock: Lock it against changes by others until the transaction ends.
        """
        ...

    def page(self, workspace_id: str, after: str, most: int) -> Sequence[StoredVariable]:
        """Variables of a workspace by id, from the one after an id on."""
        ...

    def count(self, workspace_id: str) -> int:
        """The number of variables in a workspace."""
        ...

    def add(self, made: StoredVariable) -> bool:
        """Makes a variable; False when its id is taken."""
        ...

    def change(self, now: StoredVariable) -> None:
        """Replaces value and tags of a variable, which the transaction has locked."""
        ...

    def remove(self, was: StoredVariable) -> None:
        """Removes a variable, which the transaction has locked."""
        ...


class VariableStore(Protocol):
    """A store that keeps variables."""

    async def write(self, tenant_id: str, work: Callable[[Variables], Result]) -> Result:
        """Runs work on one tenant's variables in one transaction."""
        ...

    async def read(self, tenant_id: str, work: Callable[[Variables], Result]) -> Result:
        """Runs reads of one tenant's variables that see one state of the database."""
        ...
