"""The attempts of one run: begin, retry, end; the same for flows and tasks."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from towpath._clock import system_clock
from towpath._delivery.reports import StateReport
from towpath._engine.coroutines import whole
from towpath._engine.returned import ReturnedState, taken
from towpath._engine.time_limit import loop_time_limit, time_limit, timed_out
from towpath._limits.tags import tag_slots, tag_slots_async
from towpath._redaction.patterns import scrubbed
from towpath._runs.context import current_run
from towpath._runs.failures import describe, headline, text_of
from towpath._runs.unended import end_unended
from towpath._state_type import TERMINAL_STATES, StateType
from towpath._strikes import Interrupted, Struck, due, wait
from towpath.exceptions import (
    FlowPauseTimeout,
    FlowRunFailed,
    NestingError,
    ResultError,
    RunCancelled,
    RunCrashed,
    RunTimedOut,
    UnhashableInputError,
)
from towpath.states import State, result_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from towpath._delivery.reports import Content
    from towpath._engine.policy import Policy
    from towpath._runs.context import RunContext

    Keep = Callable[[Any], Content | None]

_log: Final = logging.getLogger("towpath.engine")
_FINAL: Final = (FlowRunFailed, NestingError, ResultError, RunCancelled, UnhashableInputError)
"""Errors that another attempt would not change."""


class Attempts:
    """Drives one run from its first attempt to its final state."""

    def __init__(
        self,
        context: RunContext,
        policy: Policy,
        owner: Any,
        *,
        keep: Keep | None = None,
        limit: bool = True,
    ) -> None:
        """Reports nothing yet.

        Args:
            context: The run.
            policy: Its retries, timeout and hooks.
            owner: Its flow or task, for hooks.
            keep: Stores a result and returns its place; an error of it fails the attempt.
            limit: Whether to enforce the timeout here; False for a body that enforces it itself.
        """
        self._context = context
        self._policy = policy
        self._owner = owner
        self._keep = keep
        self._clock = context.clock
        self._said = context.secrets.text
        self._seconds = policy.timeout_seconds if limit else None
        self._limited = self._seconds is not None or bool(context.tags)
        """Whether an attempt may have limits, on its time or by tags."""
        self._traceparent = ""
        self._over = False

    def run(self, body: Callable[[], Any]) -> State[Any]:
        """Calls a body until it returns or no retries are left."""
        try:
            return self._run(body)
        except BaseException as error:
            self.left(error)
            raise

    async def run_async(self, body: Callable[[], Awaitable[Any]]) -> State[Any]:
        """Awaits a body until it returns or no retries are left."""
        try:
            return await self._run_async(body)
        except BaseException as error:
            self.left(error)
            raise

    def left(self, error: BaseException) -> State[Any] | None:
        """Ends the run that an error got out of; None when it had ended."""
        if self._over:
            return None
        return self.give_up(error) if isinstance(error, Exception) else self.interrupted(error)

    def _run(self, body: Callable[[], Any]) -> State[Any]:
        self.begin()
        while True:
            try:
                value = self._within_limits(body) if self._limited else body()
                if value.__class__ is State:
                    value = taken(value)
                content = self.kept(value) if self._keep is not None else None
            except Exception as error:  # noqa: BLE001 - user code may raise anything
                delay = self.failed(error)
                if delay is None:
                    return self.give_up(error)
                try:
                    self._sleep(delay)
                except (RunCancelled, RunTimedOut) as cancelled:
                    return self.give_up(cancelled)
                self.again()
            else:
                return self.completed(value, content)

    def _within_limits(self, body: Callable[[], Any]) -> Any:
        with tag_slots(self._context), time_limit(self._seconds, self._context):
            return body()

    def kept(self, value: Any) -> Content | None:
        """Stores a result, if that is wanted, and returns its place."""
        if self._keep is None or self._context.inherited:
            return None
        return self._keep(value.value if value.__class__ is State else value)

    def _sleep(self, seconds: float) -> None:
        """Waits for the next attempt; the timeout of a run around this one ends it.

        Raises:
            RunCancelled: The run's cancellation was requested.
        """

        def pause() -> None:
            if self._clock is system_clock:
                wait(threading.Event(), seconds)
            else:
                self._clock.sleep(seconds)

        cancellation = self._context.cancellation
        if cancellation is None:
            pause()
        else:
            cancellation.within(pause)

    async def _sleep_async(self, seconds: float) -> None:
        """Waits for the next attempt of a coroutine; raises as `_sleep`."""
        cancellation = self._context.cancellation
        if cancellation is None:
            await self._clock.sleep_async(seconds)
        else:
            await cancellation.run_async(lambda: self._clock.sleep_async(seconds))

    async def _run_async(self, body: Callable[[], Awaitable[Any]]) -> State[Any]:
        self.begin()
        while True:
            limit = asyncio.timeout(None)
            try:
                async with tag_slots_async(self._context), limit:
                    with loop_time_limit(limit, self._seconds, self._context):
                        value = taken(await body())
                content = self.kept(value)
            except Exception as error:  # noqa: BLE001 - user code may raise anything
                if isinstance(error, TimeoutError) and limit.expired():
                    error = timed_out(self._seconds)
                delay = self.failed(error)
                if delay is None:
                    return self.give_up(error)
                try:
                    await self._sleep_async(delay)
                except (RunCancelled, RunTimedOut) as cancelled:
                    return self.give_up(cancelled)
                self.again()
            else:
                return self.completed(value, content)

    def around_step(self) -> AbstractContextManager[object]:
        """Around each step of a generator, whose consumer's code is not part of the run."""
        return nullcontext()

    def begin(self) -> None:
        """Calls the hooks for the beginning of the first attempt."""
        if self._policy.hooks:
            name = "Retrying" if self._context.attempt > 1 else None
            self._hook("on_running", State(StateType.RUNNING, name))

    def failed(self, error: Exception) -> float | None:
        """Seconds until the next attempt, after reporting it; None when there is none."""
        attempt = self._context.attempt
        if attempt > self._policy.most_retries or isinstance(error, _FINAL) or due():
            return None
        if self._context.inherited or self._is_to_end():
            return None
        if isinstance(error, ReturnedState) and not error.state.is_failed():
            return None
        if not self._wants_retry(error):
            return None
        delay = self._policy.delay(attempt)
        now = self._clock.time()
        cause = _cause_of(error)
        self._report(
            StateReport(
                state=StateType.RETRYING,
                time=now,
                attempt=attempt,
                message=self._said(headline(cause)),
                failure=describe(cause, self._said),
                next_attempt_time=now + delay,
                traceparent=self._traceparent,
            )
        )
        return delay

    def again(self) -> None:
        """Begins the next attempt."""
        transaction = self._context.transaction
        if transaction is not None and transaction.run is self._context:
            transaction.again()
        self._context.attempt += 1
        self._report(
            StateReport(
                state=StateType.RUNNING,
                time=self._clock.time(),
                attempt=self._context.attempt,
                traceparent=self._traceparent,
            )
        )
        self.begin()

    def give_up(self, error: Exception) -> State[Any]:
        """Ends the run with the error of its last attempt."""
        if isinstance(error, ReturnedState):
            return self._returned(error.state)
        kind, reason = _ending(error)
        ours = isinstance(error, FlowRunFailed | RunTimedOut | RunCrashed | RunCancelled)
        message = self._said(text_of(error) if ours else headline(error))
        if self._context.attempt > 1:
            message = f"{message} (after {self._context.attempt} attempts)"
        self._end(
            StateReport(
                state=kind,
                time=self._clock.time(),
                attempt=self._context.attempt,
                reason=reason,
                message=message,
                failure=describe(error, self._said),
                traceparent=self._traceparent,
            )
        )
        state: State[Any] = State(kind, reason=reason, message=message, exception=error)
        return self._ended(state)

    def _returned(self, state: State[Any]) -> State[Any]:
        """Ends the run with a state of a run that didn't complete, which its code returned."""
        error = result_of(state, raise_on_failure=False)
        self._end(
            StateReport(
                state=state.type,
                time=self._clock.time(),
                attempt=self._context.attempt,
                reason=state.reason,
                message=self._said(state.message),
                failure=describe(error, self._said),
                traceparent=self._traceparent,
            )
        )
        return self._ended(state)

    def _ended(self, state: State[Any]) -> State[Any]:
        """Notes a final state, and calls its hooks."""
        run = self._context
        if not state.run_id:
            state.of_run(run.kind, run.run_id, run.name)
        if self._policy.hooks:
            self._hook(_HOOKS[state.type], state)
        return state

    def completed(self, value: Any, content: Content | None = None) -> State[Any]:
        """Ends the run with its result, or with a state of a completed run."""
        state: State[Any] = (
            value if value.__class__ is State else State(StateType.COMPLETED, value=value)
        )
        self._end(
            StateReport(
                state=StateType.COMPLETED,
                time=self._clock.time(),
                attempt=self._context.attempt,
                reason=state.reason,
                message=self._said(state.message) if state.message else "",
                result=content,
                traceparent=self._traceparent,
            )
        )
        return self._ended(state)

    def found(self, value: Any) -> State[Any]:
        """Ends the run, which is already reported, with a cached result."""
        self._over = True
        return self._ended(State(StateType.COMPLETED, reason="CACHED", value=value))

    def interrupted(self, error: BaseException) -> State[Any]:
        """Ends the run that something other than an ordinary exception ended."""
        state = interruption(error, self._said)
        self._end(
            StateReport(
                state=state.type,
                time=self._clock.time(),
                attempt=self._context.attempt,
                reason=state.reason,
                message=state.message,
                traceparent=self._traceparent,
            )
        )
        return self._ended(state)

    def _end(self, state: StateReport) -> None:
        self._over = True
        try:
            self._report(state)
        except Exception:  # noqa: BLE001 - a reporter's error doesn't change the user's outcome
            _log.exception("the end of %s could not be reported in full", self._context.name)
            self._report(
                StateReport(
                    state=state.state,
                    time=state.time,
                    attempt=state.attempt,
                    reason=state.reason,
                    message="more could not be reported: see the log of the process",
                )
            )

    def _report(self, state: StateReport) -> None:
        # A forked child that leaves the run reports nothing: its parent goes on with it. So does
        # a process whose run has passed to another.
        if self._context.silent:
            return
        if self._context.fence:
            state = replace(state, fence=self._context.fence)
        if self._context.unended:
            end_unended(self._context)
        self._context.reporter.transition(self._context.run_id, state)
        if state.state in TERMINAL_STATES:
            self._context.ended = True

    def _is_to_end(self) -> bool:
        cancellation = self._context.cancellation
        return cancellation is not None and cancellation.requested

    def _wants_retry(self, error: Exception) -> bool:
        condition = self._policy.condition
        if condition is None:
            return True
        state: State[Any]
        if isinstance(error, ReturnedState):
            state = error.state
        else:
            message = self._said(text_of(error))
            state = State(StateType.FAILED, message=message, exception=error)
        try:
            return bool(whole(condition(self._owner, self._context, state)))
        except Exception:  # noqa: BLE001 - user code may raise anything
            _log.exception("retry_condition_fn of %s failed: no retry", self._context.name)
            return False

    def _hook(self, event: str, state: State[Any]) -> None:
        hooks = self._policy.hooks.get(event)
        if not hooks or self._context.silent:
            return
        # What a hook logs belongs to the run, also where the run's own code never began.
        token = current_run.set(self._context)
        self._context.told_state = state
        try:
            for hook in hooks:
                self._call_hook(event, hook, state)
        finally:
            self._context.told_state = None
            current_run.reset(token)

    def _call_hook(self, event: str, hook: Callable[..., Any], state: State[Any]) -> None:
        try:
            whole(hook(self._owner, self._context, state))
        except (Exception, SystemExit, asyncio.CancelledError):  # noqa: BLE001 - user code may raise anything
            # An error of a hook doesn't change the reported state.
            _log.exception("%s hook of %s failed", event, self._context.name)


def _cause_of(error: Exception) -> BaseException:
    """The exception to report for the error of an attempt."""
    if isinstance(error, ReturnedState):
        cause: BaseException = result_of(error.state, raise_on_failure=False)
        return cause
    return error


_HOOKS: Final = {
    StateType.COMPLETED: "on_completion",
    StateType.FAILED: "on_failure",
    StateType.TIMED_OUT: "on_failure",
    StateType.CRASHED: "on_crashed",
    StateType.CANCELLED: "on_cancellation",
}


def interruption(error: BaseException, said: Callable[[str], str] = scrubbed) -> State[Any]:
    """The state of a run that something other than an ordinary exception ended."""
    if isinstance(error, Interrupted):
        message = "interrupted by KeyboardInterrupt"
        kind, reason = StateType.CANCELLED, "INTERRUPTED"
    elif isinstance(error, Struck):
        message = "stopped, since a run around it was to end"
        kind, reason = StateType.CANCELLED, "INTERRUPTED"
    elif isinstance(error, KeyboardInterrupt | asyncio.CancelledError | RunCancelled):
        message = text_of(error) if isinstance(error, RunCancelled) else ""
        message = message or f"interrupted by {type(error).__name__}"
        kind, reason = StateType.CANCELLED, "INTERRUPTED"
    elif isinstance(error, Exception):  # It broke in as the end of an attempt was reported.
        message = headline(error)
        kind, reason = StateType.FAILED, ""
    else:
        message = f"ended by {headline(error)}"
        kind, reason = StateType.CRASHED, "PROCESS_EXIT"
    return State(kind, reason=reason, message=said(message), exception=error)


def _ending(error: Exception) -> tuple[StateType, str]:
    if isinstance(error, RunTimedOut):
        return StateType.TIMED_OUT, ""
    if isinstance(error, RunCrashed):
        return StateType.CRASHED, error.reason
    if isinstance(error, RunCancelled):
        return StateType.CANCELLED, error.reason
    return StateType.FAILED, "PAUSE_TIMEOUT" if isinstance(error, FlowPauseTimeout) else ""
