"""What a task run knows of its result before it begins: its key, and a cached result for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from towpath._delivery.reports import StateReport
from towpath._engine.caching import ResultEntry
from towpath._runs.slots import giving_way
from towpath._state_type import StateType

if TYPE_CHECKING:
    from towpath._engine.caching import Hit
    from towpath._runs.context import RunContext
    from towpath.states import State


@dataclass(slots=True, kw_only=True)
class Results:
    """The cache key of a run, and the cached result for it if there is one."""

    entry: ResultEntry | None = None
    hit: Hit | None = None
    problem: Exception | None = None
    """Why there is no cache key; the run fails with it."""
    waits: bool = False
    """Whether the run is to take its turn before it looks for a cached result."""

    @classmethod
    def look_up(cls, run: RunContext, parameters: dict[str, Any]) -> Results:
        """Looks for a result to use again, if the task asks for that."""
        policy = run.owner.result_policy
        if not policy.persists(run):
            return NO_RESULTS
        try:
            entry = ResultEntry(policy, run, parameters)
        except Exception as error:  # noqa: BLE001 - cache_key_fn is the user's code
            return cls(problem=error)
        if entry.turn is not None:
            return cls(entry=entry, waits=True)
        return cls(entry=entry, hit=entry.look_up())

    def take_turn(self) -> None:
        """Waits until no other run computes the result, and looks for it."""
        assert self.entry is not None
        assert self.entry.turn is not None
        try:
            with giving_way():
                self.entry.turn.take()
        except Exception as error:  # noqa: BLE001 - a lock manager may be the user's code
            self.problem = error
        else:
            self.hit = self.entry.look_up()

    async def take_turn_async(self) -> None:
        """As `take_turn`, in async code."""
        assert self.entry is not None
        assert self.entry.turn is not None
        try:
            await self.entry.turn.take_async()
        except Exception as error:  # noqa: BLE001 - a lock manager may be the user's code
            self.problem = error
        else:
            self.hit = self.entry.look_up()

    @property
    def key(self) -> str:
        """The cache key; empty without one."""
        return self.entry.key if self.entry is not None else ""

    def let_go(self, state: State[Any]) -> State[Any]:
        """Lets the result in a final state go from memory, where options ask for it."""
        if self.entry is not None:
            self.entry.let_go(state)
        return state

    def cached(self, run: RunContext) -> StateReport:
        """Returns the state of a run with a cached result."""
        assert self.hit is not None
        return StateReport(
            state=StateType.COMPLETED,
            time=run.clock.time(),
            reason="CACHED",
            message=f"result of run {self.hit.run_id}",
            result=self.hit.content,
        )


NO_RESULTS: Final = Results()
