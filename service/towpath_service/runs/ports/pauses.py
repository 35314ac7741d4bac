"""The port of pauses, within a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.pauses import Pause
    from towpath_service.runs.domain.states import RunState
    from towpath_service.runs.ports.ingest import RunKey


class Pauses(Protocol):
    """The pauses of runs within one transaction."""

    def state_of(self, scope: Scope, run_id: str) -> RunState | None:
        """The state of a run, without a lock; None for an unknown run."""
        ...

    def find(self, scope: Scope, run_id: str, key: str = "") -> Pause | None:
        """A pause of a run, or without a key the one that it entered last; None for no such one."""
        ...

    def latest(self, keys: Collection[RunKey]) -> dict[RunKey, Pause]:
        """The pause that each run entered last; runs without one are left out."""
        ...

    def answer(self, scope: Scope, run_id: str, pause: Pause) -> None:
        """Writes the answer of a pause, whose run is locked, and wakes what waits for it."""
        ...

    def overdue(self, now_us: int, limit: int) -> list[RunKey]:
        """Runs of all tenants with an unanswered pause without a process past its deadline."""
        ...

    def close(self, keys: Collection[RunKey]) -> None:
        """Notes that the unanswered pauses of runs are over."""
        ...


class RunPauses(Protocol):
    """Reads the pauses that runs are in."""

    async def __call__(self, scope: Scope, run_ids: Collection[str], /) -> Mapping[str, Pause]:
        """The pause that each run of a workspace entered last, by run id.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        ...
