"""What retention needs of a store."""

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
    """What was done with some rows of a kind, in the order they came in."""

    removed: int
    next: Cursor | None
    """Where the following rows begin; None when those are too young, or there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldRoots:
    """Some of the oldest runs."""

    run_ids: Sequence[str]
    """Those of them that have ended long ago and have none above."""
    next: Cursor | None
    """Where the following ones begin; None when there are none as old."""


class Pruning(Protocol):
    """One transaction that removes what is old."""

    def claim(self) -> bool:
        """Whether no other replica prunes until this transaction ends."""
        ...

    def scopes(self) -> list[Scope]:
        """All workspaces."""
        ...

    def prune(
        self, kind: Kind, scope: Scope, before_us: int, after: Cursor | None, limit: int
    ) -> Window:
        """Removes those of the next rows of a kind that are from before a time.

        Lines of logs, and transitions of runs that have ended; the tombstones of deleted runs; and
        producers without an unfinished run, with their refusals.
        """
        ...

    def old_roots(self, scope: Scope, before_us: int, after: Cursor | None, limit: int) -> OldRoots:
        """Reads runs that nothing has happened to since a time, from the oldest on."""
        ...

    def has_young(self, scope: Scope, root_id: str, before_us: int) -> bool:
        """Whether a run below has not ended, or ended after a time."""
        ...

    def remove_tree(self, scope: Scope, root_id: str, now_us: int, limit: int) -> tuple[int, bool]:
        """Removes runs of those below, then the root; tells how many, and whether that is all.

        At most `limit` of those below; the root goes with the last of them.
        """
        ...


class RetentionStore(Protocol):
    """A store that retention removes from."""

    async def prune(self, work: Callable[[Pruning], Result]) -> Result:
        """Runs work in one transaction; what it returns is returned after the commit.

        Raises:
            ServiceError: OVERLOADED, when the database can't take it now.
        """
        ...
