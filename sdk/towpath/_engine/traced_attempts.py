"""The attempts of a run that has a trace: each within a span of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath._delivery.reports import StateReport
from towpath._engine.attempts import Attempts
from towpath._state_type import StateType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from towpath._engine.attempts import Keep
    from towpath._engine.policy import Policy
    from towpath._runs.context import RunContext
    from towpath._runs.trace import Trace
    from towpath.states import State


class TracedAttempts(Attempts):
    """Drives one run, and has its spans made."""

    def __init__(
        self, trace: Trace, context: RunContext, policy: Policy, owner: Any, **options: Any
    ) -> None:
        """As `Attempts`; begins no span yet."""
        super().__init__(context, policy, owner, **options)
        self._spans = trace.attempts(context)

    def run(self, body: Callable[[], Any]) -> State[Any]:
        """Calls a body until it returns or is given up, each time within another span."""

        def within() -> Any:
            token = self._spans.enter()
            try:
                return body()
            finally:
                self._spans.leave(token)

        return super().run(within)

    async def run_async(self, body: Callable[[], Awaitable[Any]]) -> State[Any]:
        """Awaits a body until it returns or is given up, each time within another span."""

        async def within() -> Any:
            token = self._spans.enter()
            try:
                return await body()
            finally:
                self._spans.leave(token)

        return await super().run_async(within)

    def around_step(self) -> AbstractContextManager[object]:
        """Around each step of a generator."""
        return _Step(self._spans)

    def begin(self) -> None:
        """Begins the span of an attempt."""
        self._begin_span()
        super().begin()

    def again(self) -> None:
        """Begins the next attempt, and the span of it."""
        self._spans.again()
        self._traceparent = self._spans.traceparent
        super().again()

    def found(self, value: Any) -> State[Any]:
        """Ends the run with a cached result: its span covers the search for it."""
        self._begin_span()
        state = StateReport(state=StateType.COMPLETED, time=self._clock.time())
        self._spans.ended(state, cached=True)
        return super().found(value)

    def _report(self, state: StateReport) -> None:
        if self._context.silent:
            return
        self._begin_span()
        super()._report(state)
        self._spans.ended(state)

    def _begin_span(self) -> None:
        self._spans.begin()
        self._traceparent = self._spans.traceparent


class _Step:
    """Within the span of an attempt."""

    # No generator: `contextlib` assigns to an exception that passes, which some exceptions refuse.

    def __init__(self, spans: Any) -> None:
        self._spans = spans

    def __enter__(self) -> None:
        self._token = self._spans.enter()

    def __exit__(self, *_: object) -> None:
        self._spans.leave(self._token)


def attempts_of(
    context: RunContext, policy: Policy, owner: Any, *, keep: Keep | None = None, limit: bool = True
) -> Attempts:
    """The attempts of a run, with spans if it has a trace; for the arguments see `Attempts`."""
    if context.trace is None:
        return Attempts(context, policy, owner, keep=keep, limit=limit)
    return TracedAttempts(context.trace, context, policy, owner, keep=keep, limit=limit)
