"""The attempts of one run: begin, retry, end; the same for flows and tasks."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import random
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from towpath._delivery.reports import FailureReport, StateReport
from towpath._state_type import StateType
from towpath.exceptions import FlowRunFailed, RunTimedOut
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from towpath.context import RunContext

_log: Final = logging.getLogger(__name__)
_OURS: Final = str(Path(__file__).parents[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often, when and for how long a run is tried."""

    retries: int = 0
    delays: tuple[float, ...] = ()
    """Seconds before each retry; the last one holds for all further ones."""
    jitter: float = 0.0
    condition: Callable[[Any, Any, State[Any]], bool] | None = None
    timeout_seconds: float | None = None
    hooks: dict[str, list[Callable[..., Any]]] = field(default_factory=dict["str", "list[Any]"])

    def delay(self, retry: int) -> float:
        """Seconds to wait before a retry, from 1."""
        if not self.delays:
            return 0.0
        delay = self.delays[min(retry, len(self.delays)) - 1]
        return delay * (1 + random.uniform(0, self.jitter)) if self.jitter else delay  # noqa: S311 - spreads load


def describe(error: BaseException) -> FailureReport:
    """An exception as it is reported."""
    kind = type(error)
    return FailureReport(
        type=f"{kind.__module__}.{kind.__qualname__}",
        message=str(error),
        stack_trace="".join(traceback.format_exception(kind, error, _users_frames(error))),
    )


def _users_frames(error: BaseException) -> TracebackType | None:
    """The traceback from the first frame on that isn't ours."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return frames


class Attempts:
    """Drives one run from its first attempt to its final state."""

    def __init__(self, context: RunContext, policy: Policy, owner: Any) -> None:
        self._context = context
        self._policy = policy
        self._owner = owner

    def run(self, body: Callable[[], Any]) -> State[Any]:
        """Calls a body until it returns or is given up."""
        self._hook("on_running", State(type=StateType.RUNNING))
        while True:
            try:
                with _time_limit(self._policy.timeout_seconds):
                    value = body()
            except Exception as error:  # noqa: BLE001 - user code may raise anything
                delay = self._failed(error)
                if delay is None:
                    return self._give_up(error)
                time.sleep(delay)
                self._again()
            except BaseException as error:
                self._interrupted(error)
                raise
            else:
                return self._completed(value)

    async def run_async(self, body: Callable[[], Awaitable[Any]]) -> State[Any]:
        """Awaits a body until it returns or is given up."""
        self._hook("on_running", State(type=StateType.RUNNING))
        while True:
            try:
                async with asyncio.timeout(self._policy.timeout_seconds) as limit:
                    value = await body()
            except Exception as error:  # noqa: BLE001 - user code may raise anything
                if isinstance(error, TimeoutError) and limit.expired():
                    error = _timed_out(self._policy.timeout_seconds)
                delay = self._failed(error)
                if delay is None:
                    return self._give_up(error)
                await asyncio.sleep(delay)
                self._again()
            except BaseException as error:
                self._interrupted(error)
                raise
            else:
                return self._completed(value)

    def _report(self, state: StateReport) -> None:
        self._context.reporter.transition(self._context.run_id, state)

    def _failed(self, error: Exception) -> float | None:
        """Seconds until the next attempt, after reporting it; None when there is none."""
        attempt = self._context.attempt
        if attempt > self._policy.retries or isinstance(error, FlowRunFailed):
            return None
        state: State[Any] = State(type=StateType.FAILED, message=str(error), exception=error)
        condition = self._policy.condition
        try:
            if condition is not None and not condition(self._owner, self._context, state):
                return None
        except Exception:  # noqa: BLE001 - user code may raise anything
            _log.exception("retry_condition_fn of %s failed: no retry", self._context.name)
            return None
        delay = self._policy.delay(attempt)
        now = time.time()
        self._report(
            StateReport(
                state=StateType.RETRYING,
                time=now,
                attempt=attempt,
                message=_headline(error),
                failure=describe(error),
                next_attempt_time=now + delay,
            )
        )
        return delay

    def _again(self) -> None:
        self._context.attempt += 1
        self._report(
            StateReport(state=StateType.RUNNING, time=time.time(), attempt=self._context.attempt)
        )

    def _give_up(self, error: Exception) -> State[Any]:
        timed_out = isinstance(error, RunTimedOut)
        kind = StateType.TIMED_OUT if timed_out else StateType.FAILED
        message = str(error) if isinstance(error, FlowRunFailed | RunTimedOut) else _headline(error)
        if self._context.attempt > 1:
            message = f"{message} (after {self._context.attempt} attempts)"
        self._report(
            StateReport(
                state=kind,
                time=time.time(),
                attempt=self._context.attempt,
                message=message,
                failure=describe(error),
            )
        )
        state: State[Any] = State(type=kind, message=message, exception=error)
        self._hook("on_failure", state)
        return state

    def _completed(self, value: Any) -> State[Any]:
        self._report(
            StateReport(state=StateType.COMPLETED, time=time.time(), attempt=self._context.attempt)
        )
        state = State(type=StateType.COMPLETED, value=value)
        self._hook("on_completion", state)
        return state

    def _interrupted(self, error: BaseException) -> None:
        kind = type(error).__name__
        self._report(
            StateReport(
                state=StateType.CANCELLED,
                time=time.time(),
                attempt=self._context.attempt,
                reason="INTERRUPTED",
                message=f"interrupted by {kind}",
            )
        )
        self._hook("on_cancellation", State(type=StateType.CANCELLED, exception=error))

    def _hook(self, event: str, state: State[Any]) -> None:
        for hook in self._policy.hooks.get(event, ()):
            try:
                hook(self._owner, self._context, state)
            except Exception:  # noqa: BLE001 - user code may raise anything
                # What is reported of the run stands, whatever a hook does.
                _log.exception("%s hook of %s failed", event, self._context.name)


def _headline(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _timed_out(seconds: float | None) -> RunTimedOut:
    return RunTimedOut(f"took longer than its timeout of {seconds:g} s")


class _time_limit:  # noqa: N801 - reads as a statement
    """Interrupts the thread's Python code after a time, with RunTimedOut.

    Code that is inside a C call is interrupted when it comes back from there.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._over = False

    def __enter__(self) -> None:
        if self._seconds is not None:
            thread = threading.get_ident()
            self._timer = threading.Timer(self._seconds, self._interrupt, (thread,))
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._timer is None:
            return
        with self._lock:
            self._timer.cancel()
            over, self._over = self._over, True
        if over and kind is not RunTimedOut:
            raise _timed_out(self._seconds)
        if over:
            raise _timed_out(self._seconds) from None

    def _interrupt(self, thread: int) -> None:
        with self._lock:
            if not self._over:
                self._over = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(RunTimedOut)
                )
