"""Pauses, suspends and resumes flow runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import uuid_utils

from towpath._delivery.reports import PauseReport, StateReport
from towpath._deploy.awaiting import Awaiting
from towpath._deploy.run_input import InputType
from towpath._deploy.running import in_event_loop
from towpath._runs.context import current_run
from towpath._runs.suspension import Suspended
from towpath._runs.time_left import held
from towpath._settings.current import get_settings
from towpath._state_type import StateType
from towpath.client import connect
from towpath.exceptions import FlowPauseTimeout, MissingContextError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towpath._delivery.directives import Directive
    from towpath._runs.context import RunContext
    from towpath.client import Pause

T = TypeVar("T")

LONGEST_SECONDS: Final = 315_360_000.0
_FLUSH_SECONDS: Final = 30.0
_COUNTED: Final = "\0pauses"


@overload
def pause_flow_run(
    wait_for_input: None = None,
    timeout: float | None = 3600,
    poll_interval: float | None = None,
    key: str | None = None,
) -> None: ...
@overload
def pause_flow_run(
    wait_for_input: type[T],
    timeout: float | None = 3600,
    poll_interval: float | None = None,
    key: str | None = None,
) -> T: ...
def pause_flow_run(
    wait_for_input: Any = None,
    timeout: float | None = 3600,
    poll_interval: float | None = None,
    key: str | None = None,
) -> Any:
    """Pauses the current flow run until somebody resumes it; its process waits.

    Runs that it has submitted go on. Where an event loop runs in this thread, the call returns an
    awaitable, as `apause_flow_run` does.

    Args:
        wait_for_input: The input to wait for: a `RunInput`, another Pydantic model, or a type such
            as `bool`, which is then given as `value`; None for none.
        timeout: Seconds until the deadline, after which the run can't be resumed; None for no
            deadline.
        poll_interval: Has no effect: the service sends the answer at once.
        key: Key of the pause, unique within the run; None for its number among the run's pauses.
            Another attempt gets the answer that the pause with the same key has.

    Returns:
        The input, or None.

    Raises:
        FlowPauseTimeout: The run was not resumed before the deadline.
        MissingContextError: It was called outside a flow, or within a task.
        DefinitionError: There is no JSON Schema of the type.
        RpcError: The service refuses.
    """
    del poll_interval
    pausing = _Pausing(wait_for_input, timeout, key, suspends=False)
    if in_event_loop():
        return pausing.paused_async()
    return pausing.paused()


async def apause_flow_run(wait_for_input: Any = None, **options: Any) -> Any:
    """Pauses the current flow run without blocking the event loop.

    Args:
        wait_for_input: As for `pause_flow_run`.
        **options: As for `pause_flow_run`, which lists the errors, too.

    Returns:
        The input, or None.
    """
    waiting: Any = pause_flow_run(wait_for_input, **options)
    return await waiting


@overload
def suspend_flow_run(
    wait_for_input: None = None,
    flow_run_id: str | None = None,
    timeout: float | None = 3600,
    key: str | None = None,
) -> None: ...
@overload
def suspend_flow_run(
    wait_for_input: type[T],
    flow_run_id: str | None = None,
    timeout: float | None = 3600,
    key: str | None = None,
) -> T: ...
def suspend_flow_run(
    wait_for_input: Any = None,
    flow_run_id: str | None = None,
    timeout: float | None = 3600,
    key: str | None = None,
) -> Any:
    """Suspends a flow run: its process ends, and a worker starts another when it is resumed.

    The flow then runs from its beginning; tasks whose results are kept (`persist_result=True`)
    give them back at once, and this call returns the input. Runs that it has submitted end first.
    Only runs of deployments can be suspended. Where an event loop runs in this thread, the call
    returns an awaitable, as `asuspend_flow_run` does.

    Args:
        wait_for_input: As for `pause_flow_run`.
        flow_run_id: Full id of another run, which waits for a worker and then starts only once it
            is resumed; None for the current one.
        timeout: Seconds until the deadline, at which the run ends FAILED; None for no deadline.
            Another run has none.
        key: As for `pause_flow_run`.

    Returns:
        The input, or None.

    Raises:
        MissingContextError: It was called outside a flow, within a task, a subflow, or a script.
        NotPausedError: The other run can't be suspended.
        DefinitionError: There is no JSON Schema of the type.
        RpcError: The service refuses.
    """
    if flow_run_id is not None:
        return _here(lambda: _suspend(str(flow_run_id)))
    pausing = _Pausing(wait_for_input, timeout, key, suspends=True)
    if in_event_loop():
        return pausing.paused_async()
    return pausing.paused()


async def asuspend_flow_run(wait_for_input: Any = None, **options: Any) -> Any:
    """Suspends a flow run without blocking the event loop.

    Args:
        wait_for_input: As for `pause_flow_run`.
        **options: As for `suspend_flow_run`, which lists the errors, too.

    Returns:
        The input, or None.
    """
    waiting: Any = suspend_flow_run(wait_for_input, **options)
    return await waiting


def resume_flow_run(flow_run_id: str, run_input: Mapping[str, Any] | None = None) -> Any:
    """Resumes a paused or suspended run.

    Where an event loop runs in this thread, the call returns an awaitable, as `aresume_flow_run`
    does.

    Args:
        flow_run_id: Full id of the run.
        run_input: The input that it waits for, by name; None for none.

    Raises:
        NotPausedError: It doesn't wait to be resumed: another may have resumed it.
        FlowPauseTimeout: Its deadline has passed.
        InvalidRequest: The input doesn't fit.
        NotFound: There is no such run.
        RpcError: The service can't be reached, or refuses.
    """
    return _here(lambda: _resume(str(flow_run_id), run_input))


async def aresume_flow_run(flow_run_id: str, run_input: Mapping[str, Any] | None = None) -> None:
    """Resumes a paused or suspended run without blocking the event loop.

    Args:
        flow_run_id: Full id of the run.
        run_input: The input that it waits for, by name; None for none.

    Raises:
        NotPausedError: As of `resume_flow_run`, which lists the other errors, too.
    """
    await resume_flow_run(flow_run_id, run_input)


class _Pausing:
    """One pause of the current run."""

    def __init__(
        self,
        wanted: Any,
        timeout: float | None,
        key: str | None,
        *,
        suspends: bool,
        run: RunContext | None = None,
        why: str = "",
    ) -> None:
        self._run = run or _current(suspends=suspends)
        self._input = InputType(wanted)
        self._why = why or self._input.description
        self._timeout = timeout if timeout is None else min(timeout, LONGEST_SECONDS)
        self._key = key or ""
        if run is None:
            # Requests from outside don't change the numbers of the code's own pauses.
            counted = self._run.next_index(f"{_COUNTED}{self._run.attempt}") + 1
            self._key = key or str(counted)
        self._suspends = suspends

    def paused(self) -> Any:
        """Waits in this thread; a body that is to end stops it."""
        asked = self._asked()
        known = None if asked is None else asked.wait()
        if known is not None and known.answered is not None:
            return self._input.read(known.input)
        awaiting = self._begun()
        try:
            with held(self._run):
                pause = awaiting.wait()
        except Exception:
            self._go_on("the wait for an answer failed", "PAUSE_FAILED")
            raise
        return self._answered(pause)

    async def paused_async(self) -> Any:
        """Waits without blocking the event loop."""
        asked = self._asked()
        known = None if asked is None else await asked.wait_async()
        if known is not None and known.answered is not None:
            return self._input.read(known.input)
        awaiting = self._begun()
        try:
            with held(self._run):
                pause = await awaiting.wait_async()
        except Exception:
            self._go_on("the wait for an answer failed", "PAUSE_FAILED")
            raise
        return self._answered(pause)

    def _asked(self) -> Awaiting | None:
        """Asks for an earlier answer, where there may be one."""
        if not self._run.fence and self._run.attempt == 1:
            return None
        self._run.reporter.flush(_FLUSH_SECONDS)
        return Awaiting(self._run.run_id, self._key, timeout=None, once=True)

    def _begun(self) -> Awaiting:
        """Reports the pause; of one that suspends, the process ends."""
        run = self._run
        self._report(
            StateReport(
                state=StateType.PAUSED,
                time=run.clock.time(),
                attempt=run.attempt,
                reason="SUSPENDED" if self._suspends else "BLOCKED",
                message=run.secrets.text(self._why),
                fence=run.fence,
                pause=PauseReport(
                    key=self._key,
                    input_schema=self._input.schema(),
                    timeout_seconds=self._timeout,
                ),
            )
        )
        if self._suspends:
            run.abandoned = True
            run.reporter.flush(_FLUSH_SECONDS)
            raise Suspended(f"run {run.run_id} is suspended")
        return Awaiting(run.run_id, self._key, timeout=self._timeout)

    def _answered(self, pause: Pause | None) -> Any:
        if pause is None or pause.answered is None:
            self._go_on("it was not resumed before its deadline", "PAUSE_TIMEOUT")
            raise FlowPauseTimeout(
                "the run was not resumed before its deadline: run it again, or raise the timeout"
            )
        by = f" by {pause.answered_by}" if pause.answered_by else ""
        self._go_on(f"resumed{by}", "RESUMED")
        return self._input.read(pause.input)

    def _go_on(self, message: str, reason: str) -> None:
        run = self._run
        self._report(
            StateReport(
                state=StateType.RUNNING,
                time=run.clock.time(),
                attempt=run.attempt,
                reason=reason,
                message=message,
                fence=run.fence,
            )
        )

    def _report(self, state: StateReport) -> None:
        if not self._run.silent:
            self._run.reporter.transition(self._run.run_id, state)


def requested_pause(run: RunContext, directive: Directive) -> Any:
    """The pause of a run that was requested from outside.

    Args:
        run: The run, whose code is between two tasks.
        directive: The request.

    Returns:
        What has `paused` and `paused_async`, which wait until the run is resumed.
    """
    why = f"as requested: {directive.message}" if directive.message else "as requested"
    key = f"requested-{run.attempt}-{directive.revision}"
    return _Pausing(None, None, key, suspends=False, run=run, why=why)


def _current(*, suspends: bool) -> RunContext:
    """The run to pause."""
    what = "suspend" if suspends else "pause"
    run = current_run.get()
    if run is None:
        raise MissingContextError(f"{what}_flow_run() works only within a flow")
    if run.kind != "flow":
        raise MissingContextError(f"{what}_flow_run() works only in the flow itself, not in a task")
    if suspends and run.parent is not None:
        raise MissingContextError("a subflow can't be suspended: suspend the flow around it")
    if suspends and not run.fence:
        raise MissingContextError(
            "only a run of a deployment can be suspended, since a worker has to start it again:"
            " use pause_flow_run() in a script"
        )
    return run


def _here(work: Callable[[], None]) -> Any:
    """Calls work, on a thread where an event loop runs in this one."""
    return asyncio.to_thread(work) if in_event_loop() else work()


def _resume(run_id: str, run_input: Mapping[str, Any] | None) -> None:
    with connect(get_settings()) as client:
        client.resume(run_id, run_input, request_id=str(uuid_utils.uuid7()))


def _suspend(run_id: str) -> None:
    with connect(get_settings()) as client:
        client.pause(run_id)
