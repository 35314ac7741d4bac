"""The port of retention: a store's removal of old records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towpath_service.core.names import Scope

Result = TypeVar("Result")
Kind = Literal["logs", "transitions", "tombstones", "producers"]
Cursor = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The result of one step over the rows of a kind, in the order of their arrival."""

    removed: int
    next: Cursor | None
    """Start of the next step; None when the following rows are too young, or absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldRoots:
    """Some of the oldest runs."""

    run_ids: Sequence[str]
    """Those of them that ended before the time and have no parent."""
    next: Cursor | None
    """Start of the next step; None when there are no more old runs."""


class Pruning(Protocol):
    """One transaction that removes old records."""

    def claim(self) -> bool:
        """Claims pruning until this transaction ends; False when another replica has it."""
        ...

    def scopes(self) -> list[Scope]:
        """All workspaces."""
        ...

    def prune(
        self, kind: Kind, scope: Scope, before_us: int, after: Cursor | None, limit: int
    ) -> Window:
        """Removes rows of a kind that are from before a time, among the next `limit` rows.

        The kinds are log lines; transitions of ended runs; tombstones of deleted runs; and
        producers without an unfinished run, with their refusals.
        """
        ...

    def old_roots(self, scope: Scope, before_us: int, after: Cursor | None, limit: int) -> OldRoots:
        """Reads runs without a change since a time, oldest first."""
        ...

    def has_young(self, scope: Scope, root_id: str, before_us: int) -> bool:
        """Whether any descendant has not ended, or ended after a time."""
        ...

    def remove_tree(self, scope: Scope, root_id: str, now_us: int, limit: int) -> tuple[int, bool]:
        """Removes at most `limit` descendants; the root goes with the last of them.

        Returns:
            The number of removed runs, and whether the tree is gone.
        """
        ...


class RetentionStore(Protocol):
    """A store that retention removes from."""

    async def prune(self, work: Callable[[Pruning], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        ...
