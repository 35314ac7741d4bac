"""Runs of tasks whose functions run elsewhere: no thread waits for a function, or between attempts.

Each run goes on in steps, one after the other, in threads of its runner and in one context.
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from towpath._clock import system_clock
from towpath._engine.returned import taken
from towpath._engine.task_runs import attempts_of
from towpath._limits.tags import tag_slots_later
from towpath._runs.context import current_run
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._engine.found_results import Results
    from towpath._limits.tags import SlotsLater
    from towpath._runs.context import RunContext, Runner

    Outcome = Callable[[], Any]
    """Returns a function's result, or raises what it raised."""


class Place(Protocol):
    """One of a runner's places for runs under way."""

    def leave(self) -> None:
        """Makes room for another run; it may be called more than once."""
        ...


class Timer(Protocol):
    """A step that is due later."""

    def cancel(self) -> None:
        """Drops the step if it isn't due yet."""
        ...


class StepRunner(Protocol):
    """A task runner whose runs go on in steps; its class has `in_steps`."""

    def enter(self, work: Callable[[Place], None]) -> None:
        """Runs work in a thread and a copy of this context, when there is a place for its run."""
        ...

    def soon(self, step: Callable[[], None]) -> None:
        """Runs a step in a thread."""
        ...

    def later(self, seconds: float, step: Callable[[], None]) -> Timer:
        """Runs a step after a time."""
        ...

    def begin_call(
        self,
        task: Any,
        run: RunContext,
        parameters: dict[str, Any],
        answered: Callable[[Outcome], None],
    ) -> None:
        """Calls a task's function where it is to run; `answered` is called in a step."""
        ...


def step_runner(runner: Runner) -> StepRunner:
    """A runner whose class has `in_steps`."""
    return cast("StepRunner", runner)


class RunInSteps:
    """Brings one run, which is RUNNING, to its final state."""

    def __init__(
        self,
        run: RunContext,
        parameters: dict[str, Any],
        results: Results,
        place: Place,
        ended: Callable[[State[Any]], None],
        ended_by: Callable[[BaseException], State[Any]],
    ) -> None:
        """Does nothing yet; it is made within the run's first step.

        Args:
            run: The run.
            parameters: Arguments of its function.
            results: Where its result is kept.
            place: Its place among the runs under way.
            ended: Called with the final state.
            ended_by: Makes the final state for an error that got out of the attempts.
        """
        assert run.runner is not None
        assert run.flow_run is not None
        assert run.flow_run.interruption is not None
        self._run = run
        self._parameters = parameters
        self._results = results
        self._place = place
        self._ended = ended
        self._ended_by = ended_by
        self._runner = step_runner(run.runner)
        self._interruption = run.flow_run.interruption
        self._attempts = attempts_of(run, results)
        self._context = copy_context()
        self._slots: SlotsLater | None = None
        self._waits: dict[str, object] = {}

    def begin(self) -> None:
        """Begins the first attempt, within the first step."""
        self._guarded(self._first)

    def _step(self, action: Callable[[], State[Any] | None]) -> None:
        self._context.run(self._guarded, action)

    def _guarded(self, action: Callable[[], State[Any] | None]) -> None:
        token = current_run.set(self._run)
        try:
            try:
                state = action()
            except BaseException as error:  # noqa: BLE001 - a thread of ours must not lose it
                state = self._attempts.left(error)
                if state is None:
                    state = self._ended_by(error)
            if state is not None:
                self._release()
        finally:
            current_run.reset(token)
        if state is not None:
            self._place.leave()
            self._ended(state)

    def _first(self) -> State[Any] | None:
        if self._results.problem is not None:
            return self._attempts.give_up(self._results.problem)
        self._attempts.begin()
        return self._attempt()

    def _attempt(self) -> State[Any] | None:
        try:
            slots = self._slots = tag_slots_later(self._run)
            if slots is None:
                self._call()
                return None
            settled = self._wait(partial(self._have_slots, slots), slots.give_up)
            slots.begin(settled)
        except Exception as error:  # noqa: BLE001 - as of an attempt
            return self._failed(error)
        return None

    def _have_slots(self, slots: SlotsLater) -> State[Any] | None:
        try:
            slots.take()
            self._call()
        except Exception as error:  # noqa: BLE001 - as of an attempt
            return self._failed(error)
        return None

    def _call(self) -> None:
        with self._attempts.around_step():
            self._runner.begin_call(self._run.owner, self._run, self._parameters, self._take_answer)

    def _take_answer(self, outcome: Outcome) -> None:
        # Hooks may wait for other runs, which need a place.
        self._place.leave()
        self._step(partial(self._answered, outcome))

    def _answered(self, outcome: Outcome) -> State[Any] | None:
        try:
            value = outcome()
            if value.__class__ is State:
                value = taken(value)
            content = self._attempts.kept(value)
        except Exception as error:  # noqa: BLE001 - the function may have raised anything
            return self._failed(error)
        return self._attempts.completed(value, content)

    def _failed(self, error: Exception) -> State[Any] | None:
        self._release()
        delay = self._attempts.failed(error)
        if delay is None:
            return self._attempts.give_up(error)
        self._place.leave()
        clock = self._run.clock
        timers: list[Timer] = []

        def give_up() -> None:
            for timer in timers:
                timer.cancel()

        over = self._wait(self._enter_again, give_up)
        if clock is system_clock:
            timers.append(self._runner.later(delay, over))
            return None

        def sleep() -> None:
            clock.sleep(delay)
            over()

        self._runner.soon(sleep)
        return None

    def _enter_again(self) -> None:
        self._runner.enter(self._again_at)

    def _again_at(self, place: Place) -> None:
        self._place = place
        self._step(self._again)

    def _again(self) -> State[Any] | None:
        self._attempts.again()
        return self._attempt()

    def _wait(
        self, then: Callable[[], State[Any] | None], give_up: Callable[[], object]
    ) -> Callable[[], None]:
        """Waits; an interruption of the flow ends the run instead.

        Args:
            then: The step after the wait.
            give_up: Drops what is waited for.

        Returns:
            What is to be called when the wait is over, from any thread.

        Raises:
            RunCancelled: The flow was interrupted.
        """
        key = object()
        claimed: dict[str, object] = {}

        def over() -> None:
            if claimed.setdefault("", over) is over:
                self._interruption.forget(key)
                self._runner.soon(partial(self._step, then))

        def stop() -> None:
            if claimed.setdefault("", stop) is stop:
                self._runner.soon(partial(self._step, stopped))

        def stopped() -> State[Any]:
            give_up()
            return self._attempts.give_up(self._interruption.error("stopped"))

        self._interruption.begin(key, stop)
        return over

    def _release(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.release()
