"""The port of inputs that are sent to runs, within a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.inputs import RunInput


class RunInputs(Protocol):
    """The inputs of runs within one transaction."""

    def find(self, scope: Scope, run_id: str, input_id: str) -> RunInput | None:
        """An input of a run; None for no such one."""
        ...

    def last_position(self, scope: Scope, run_id: str) -> int:
        """The position of the run's newest input; 0 for none."""
        ...

    def add(self, scope: Scope, run_id: str, new: RunInput) -> None:
        """Writes an input of a run that is locked, counts it as stored, and wakes its receivers."""
        ...

    def after(
        self, scope: Scope, run_id: str, key_prefix: str, position: int, most: int
    ) -> Sequence[RunInput]:
        """The first inputs of a kind after a position, in order."""
        ...
