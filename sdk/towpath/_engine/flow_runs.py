"""Flow runs."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from towpath._engine import failure_report
from towpath._engine.attempts import interruption
from towpath._engine.caching import ResultEntry
from towpath._engine.coroutines import awaited, whole
from towpath._engine.defaults import policy_of
from towpath._engine.flow_results import settled
from towpath._engine.flow_run_start import RunLease, begin, loops_around
from towpath._engine.generators import Driver
from towpath._engine.traced_attempts import attempts_of
from towpath._runs.async_library import check_async_library
from towpath._runs.cancellation import Cancellation
from towpath._runs.children import Child, failure_of
from towpath._runs.context import RunContext, current_run, leave_run
from towpath._runs.futures import wait, wait_async
from towpath._runs.loops import enter_loop, leave_loop
from towpath._runs.open_runs import follow, forget
from towpath._runs.replaying import mark, took
from towpath._runs.stack import in_fresh_task, in_fresh_thread, nearly_full
from towpath._runs.suspension import Suspended
from towpath._runs.unended import leave_unended
from towpath._strikes import Struck, call_exposed, spared
from towpath.states import State, result_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from contextvars import Token
    from types import TracebackType

    from towpath._delivery.reports import Content
    from towpath._engine.definitions import FlowDefinition
    from towpath._runs.context import Runner


class FlowRun:
    """One run of a flow, from its arguments to its final state."""

    def __init__(
        self,
        flow: FlowDefinition,
        parameters: dict[str, Any],
        lease: RunLease | None = None,
        *,
        key: str = "",
    ) -> None:
        """Reports the run as RUNNING.

        Args:
            flow: The flow.
            parameters: Its arguments.
            lease: The run that it is, where the service has made it; None for a new one.
            key: Key of its result, for a subflow that isn't to run again; empty for none.
        """
        self._flow = flow
        self._key = key
        self._parent = current_run.get()
        self._cancellation = Cancellation()
        self._run = begin(flow, parameters, self._parent, self._cancellation, lease)
        follow(self._run)
        try:
            self._child = Child(self._run.name)
            mark(self._run, self._child, flow.name, flow.flow_id)
            if self._parent is not None:
                self._parent.children.add(self._child)
            results = flow.result_policy
            keep = self._keep if results.persists(self._run) else None
            self._attempts = attempts_of(self._run, policy_of(self._run), flow, keep=keep)
            if lease is not None and lease.attempt > 1:
                flow.roll_back_left(self._run)
        except BaseException as error:
            forget(self._run)
            leave_unended(self._run, error)
            raise

    @property
    def abandoned(self) -> bool:
        """Whether it has passed to another process, so that its state is not reported here."""
        return self._run.abandoned

    @property
    def state(self) -> State[Any]:
        """Its final state; only of a run that has ended."""
        assert self._child.state is not None
        return self._child.state

    def to_end(self) -> Child:
        """Runs an ordinary function."""

        def body() -> Any:
            with self._in_runner():
                try:
                    return self._cancellation.within(
                        lambda: self._settled(call_exposed(self._whole))
                    )
                except BaseException as error:
                    self._leave(error)
                    raise

        token: Token[RunContext | None] | None = None
        with _ClosingLoops(self._run):
            try:
                token = current_run.set(self._run)
                return self._ended(self._attempts.run(body))
            except BaseException as error:
                self._aborted(error)
                raise
            finally:
                if token is not None:
                    current_run.reset(token)

    async def to_end_async(self) -> Child:
        """Runs a coroutine function."""

        async def body() -> Any:
            with self._in_runner():
                try:
                    return await self._cancellation.run_async(self._body_async)
                except BaseException as error:
                    await self._leave_async(error)
                    raise

        token = current_run.set(self._run)
        with _ClosingLoops(self._run), _InLoop(self._run):
            try:
                return self._ended(await self._attempts.run_async(body))
            except BaseException as error:
                self._aborted(error)
                raise
            finally:
                leave_run(token)

    def refused(self, error: Exception) -> Child:
        """Ends the run with an error before its code."""
        return self._ended(self._attempts.give_up(error))

    def stream(self) -> Generator[Any, Any, Any]:
        """Runs a generator function, item by item."""
        driver = Driver(self._run, self._attempts, self._ended)
        with _ClosingLoops(self._run), self._in_runner():
            try:
                return (yield from driver.stream(self._fresh, self._given))
            except BaseException as error:
                self._leave(error)
                raise

    async def stream_async(self) -> AsyncGenerator[Any, Any]:
        """Runs an async generator function, item by item."""
        driver = Driver(self._run, self._attempts, self._ended)
        with _ClosingLoops(self._run), _InLoop(self._run), self._in_runner():
            try:
                async with aclosing(driver.stream_async(self._fresh, self._given_async)) as items:
                    async for item in items:
                        yield item
            except BaseException as error:
                await self._leave_async(error)
                raise

    async def _body_async(self) -> Any:
        return await self._settled_async(await awaited(self._fresh()))

    def _keep(self, value: Any) -> Content | None:
        return ResultEntry(self._flow.result_policy, self._run, {}, key=self._key).keep(value)

    def _fresh(self) -> Any:
        """The flow's function called for another attempt."""
        self._run.children.clear()
        return self._flow.invoke(self._run.parameters)

    def _whole(self) -> Any:
        return whole(self._fresh())

    async def _settled_async(self, value: Any) -> Any:
        await self._wait_for_submitted_async()
        return self._settled(value)

    def _in_runner(self) -> _InRunner:
        return _InRunner(self._run, self._runner)

    @property
    def _runner(self) -> Runner:
        assert self._run.runner is not None
        return self._run.runner

    def _ended(self, state: State[Any]) -> Child:
        forget(self._run)
        self._child.state = state
        if self._parent is not None:
            self._parent.children.settle(self._child)
            took(self._parent, self._child)
        elif state.exception is not None and not self._run.inherited:
            failure_report.attach(
                state.exception, self._run.name, self._run.children, self._run.secrets.text
            )
        return self._child

    def _aborted(self, error: BaseException) -> None:
        forget(self._run)
        leave_unended(self._run, error)
        self._child.handled = self._child.handled or isinstance(error, Struck)
        if self._child.state is None:
            self._child.state = interruption(error)
        # The caller gets the error: what becomes of it is for the caller's code to say.
        self._child.handle()

    def _settled(self, value: Any) -> Any:
        """Returns the flow's value once its submitted runs ended, or the state to end in.

        Raises:
            FlowRunFailed: The flow's code didn't handle a failure.
        """
        self._wait_for_submitted()
        strict = self._flow.final_state == "strict"
        children = self._run.children
        value = settled(value, strict=strict, searched=children.have_futures)
        if strict and value.__class__ is not State:
            failed = children.unhandled()
            if failed:
                raise failure_of(failed)
        return value

    def _given(self, value: Any) -> Any:
        """What a generator's run ends with."""
        value = self._settled(value)
        return result_of(value) if value.__class__ is State else value

    async def _given_async(self, value: Any) -> Any:
        await self._wait_for_submitted_async()
        return self._given(value)

    def _leave(self, error: BaseException) -> None:
        """What was submitted needs the runner until its last run has ended."""
        if self._run.inherited:
            return
        if not isinstance(error, Exception | GeneratorExit | Suspended):
            self._stop_submitted()
        with spared(deaf=True):
            self._wait_for_submitted()

    async def _leave_async(self, error: BaseException) -> None:
        """As `_leave`; the loop goes on, and with it what was submitted."""
        shared = self._run.loop
        if self._run.inherited:
            return
        if isinstance(error, GeneratorExit):
            # The coroutine is closed, with its loop or instead of being awaited further.
            if shared is not None and not shared.loop.is_running():
                shared.abandon()
            self._leave(error)
            return
        if not isinstance(error, Exception | Suspended):
            self._stop_submitted()
        try:
            await self._wait_for_submitted_async()
        except asyncio.CancelledError:
            self._stop_submitted()
            with spared(deaf=True):
                self._wait_for_submitted()
            raise

    def _stop_submitted(self) -> None:
        assert self._run.interruption is not None
        self._run.interruption.request()
        self._runner.interrupt()

    def _wait_for_submitted(self) -> None:
        # What ran may have submitted more.
        while not self._run.inherited and (waiting := self._run.children.waited_for()):
            wait(waiting)

    async def _wait_for_submitted_async(self) -> None:
        while not self._run.inherited and (waiting := self._run.children.waited_for()):
            await wait_async(waiting)


class _InRunner:
    """Within the task runner of a flow run."""

    # No generator: `contextlib` assigns to an exception that passes, which some exceptions refuse.

    def __init__(self, run: RunContext, runner: Runner) -> None:
        self._run = run
        self._runner = runner

    def __enter__(self) -> None:
        self._runner.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A forked child leaves; its parent goes on with the runner.
        if not self._run.inherited:
            self._runner.__exit__(kind, error, traceback)


class _ClosingLoops:
    """Until a root run has ended, which then closes the loops in threads."""

    def __init__(self, run: RunContext) -> None:
        self._run = run

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        run = self._run
        if not run.inherited and run.loops is not loops_around(run.parent):
            assert run.loops is not None
            run.loops.close()


class _InLoop:
    """Within the loop that an async flow run shares with what it submits."""

    def __init__(self, run: RunContext) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._run.loop = enter_loop()

    def __exit__(self, *_: object) -> None:
        leave_loop(self._run.loop)


def run_here(flow: FlowDefinition, parameters: dict[str, Any], key: str = "") -> Child:
    """Runs a flow of an ordinary function here and now."""
    with spared():
        if nearly_full():
            child: Child = in_fresh_thread(lambda: FlowRun(flow, parameters, key=key).to_end())
            return child
        return FlowRun(flow, parameters, key=key).to_end()


def stream(flow: FlowDefinition, parameters: dict[str, Any]) -> Generator[Any, Any, Any]:
    """Runs a flow of a generator function, from the first item asked for."""
    return (yield from FlowRun(flow, parameters).stream())


async def stream_async(
    flow: FlowDefinition, parameters: dict[str, Any]
) -> AsyncGenerator[Any, Any]:
    """Runs a flow of an async generator function, from the first item asked for."""
    check_async_library(flow.name)
    async with aclosing(FlowRun(flow, parameters).stream_async()) as items:
        async for item in items:
            yield item


async def run_async(flow: FlowDefinition, parameters: dict[str, Any], key: str = "") -> Child:
    """Runs a flow of a coroutine function; one that is never awaited has no run."""
    check_async_library(flow.name)
    if nearly_full():
        child: Child = await in_fresh_task(FlowRun(flow, parameters, key=key).to_end_async())
        return child
    return await FlowRun(flow, parameters, key=key).to_end_async()
