"""The child runs of a flow, and which of their failures were handled: they decide its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from towpath._state_type import StateType
from towpath.exceptions import FlowRunFailed
from towpath.states import result_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towpath._runs.trace import Trace
    from towpath.states import State


class Waitable(Protocol):
    """What a flow run needs of the future of a run that it submitted."""

    def done(self) -> bool:
        """Whether the run has ended."""
        ...

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the run has ended, at most so many seconds."""
        ...

    async def wait_async(self) -> None:
        """Waits until the run has ended, in async code."""
        ...


@dataclass(slots=True, eq=False)
class Child:
    """A run that a flow's code began."""

    name: str
    state: State[Any] | None = None
    handled: bool = False
    future: Waitable | None = None
    causes: Sequence[Child] = ()
    """For a skipped run: those upstream of it that didn't complete."""
    replayed: bool = False
    """Whether it runs again since a retry says so."""
    trace: Trace | None = field(default=None, repr=False)
    """Where a submitted run's spans are, for links to them."""

    def handle(self) -> None:
        """Notes that the flow's code handled this run's final state."""
        waiting = [self]
        while waiting:
            child = waiting.pop()
            child.handled = True
            waiting += [cause for cause in child.causes if not cause.handled]

    def handle_unless_completed(self) -> None:
        """Notes that the failure of this run, if it failed, is raised or returned to the caller."""
        if self.failed:
            self.handle()

    def outcome(self, *, return_state: bool) -> Any:
        """What the caller of a run that has ended gets: its result, or its final state.

        Args:
            return_state: Return the state, and raise nothing.

        Raises:
            BaseException: What ended the run, unless it completed.
        """
        state = self.state
        assert state is not None
        if state.type is not StateType.COMPLETED:
            self.handle()
        return state if return_state else result_of(state)

    @property
    def failed(self) -> bool:
        """Whether the run ended otherwise than intended."""
        return self.state is not None and not self.state.is_completed()


class Children:
    """The runs that one flow run began, in order; those that completed are let go."""

    def __init__(self) -> None:
        self._kept: dict[int, Child] = {}
        self.have_futures = False
        """Whether any of them was submitted, so that the flow's code has its future."""
        self._subflows: dict[str, int] = {}

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._kept.values()))

    def add(self, child: Child) -> None:
        """Keeps a run until it completes, or for good when it doesn't."""
        self._kept[id(child)] = child

    def settle(self, child: Child) -> None:
        """Notes that a run has ended: completed ones, and their results, need not be kept."""
        state = child.state
        if state is None or state.type is StateType.COMPLETED:
            self._kept.pop(id(child), None)
        else:
            self._kept[id(child)] = child

    def clear(self) -> None:
        """Forgets all, for another attempt of the flow."""
        self._kept.clear()
        self._subflows.clear()

    def next_subflow(self, flow_id: str) -> int:
        """Returns the number of the next call of a flow within this attempt, from 0."""
        number = self._subflows.get(flow_id, 0)
        self._subflows[flow_id] = number + 1
        return number

    def waited_for(self) -> list[Waitable]:
        """The submitted runs that haven't ended."""
        return [c.future for c in self if c.future is not None and not c.future.done()]

    def unhandled(self) -> list[Child]:
        """Returns the runs that didn't complete, and whose failure the flow didn't handle."""
        return [child for child in self if child.failed and not child.handled]


def failure_of(children: list[Child]) -> FlowRunFailed:
    """Returns the exception for a flow that failed only by its child runs."""
    skipped = [c for c in children if c.state and c.state.type is StateType.SKIPPED]
    failed = [c for c in children if c not in skipped]
    counts = [f"{len(failed)} failed"] if failed else []
    counts += [f"{len(skipped)} not run"] if skipped else []
    first = (failed or skipped)[0]
    message = f"{', '.join(counts)}: {first.name}: {first.state.message if first.state else ''}"
    error = FlowRunFailed(message)
    error.__cause__ = first.state.exception if first.state else None
    return error
