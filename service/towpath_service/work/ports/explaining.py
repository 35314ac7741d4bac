"""The port of explaining: the facts about a run, as of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.core.names import Scope
    from towpath_service.work.domain.explanations import Facts


class FactsSource(Protocol):
    """Reads the facts about runs."""

    async def __call__(self, scope: Scope, run_id: str, now_us: int, /) -> tuple[Facts, int] | None:
        """The facts about a run, and since when it is in its state; None for an unknown run."""
        ...
