"""What a flow's final state depends on: its child runs, and which of them were handled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from towpath._state_type import StateType
from towpath.exceptions import FlowRunFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towpath.futures import Future
    from towpath.states import State


@dataclass(slots=True, eq=False)
class Child:
    """A run that a flow's code began."""

    name: str
    state: State[Any] | None = None
    handled: bool = False
    future: Future[Any] | None = None
    causes: list[Child] = field(default_factory=list["Child"])
    """For a skipped run: those upstream of it that didn't complete."""

    def handle(self) -> None:
        """Notes that the flow's code dealt with what became of this run."""
        self.handled = True
        for cause in self.causes:
            cause.handle()


def unhandled(children: Iterable[Child]) -> list[Child]:
    """The children that didn't complete and that nobody dealt with."""
    return [
        child
        for child in children
        if child.state is not None and not child.state.is_completed() and not child.handled
    ]


def failure_of(children: list[Child]) -> FlowRunFailed:
    """Why a flow failed whose own code didn't."""
    skipped = [c for c in children if c.state and c.state.type is StateType.SKIPPED]
    failed = [c for c in children if c not in skipped]
    counts = [f"{len(failed)} failed"] if failed else []
    counts += [f"{len(skipped)} not run"] if skipped else []
    first = (failed or skipped)[0]
    message = f"{', '.join(counts)}: {first.name}: {first.state.message if first.state else ''}"
    error = FlowRunFailed(message)
    error.__cause__ = first.state.exception if first.state else None
    return error
