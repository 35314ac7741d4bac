"""Flow runs."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import uuid_utils

from towpath._clock import current_clock, system_clock
from towpath._delivery.reports import RunReport, StateReport
from towpath._delivery.session import current_reporter, ensure_server
from towpath._display.begin import observed
from towpath._engine import failure_report
from towpath._engine.attempts import interruption
from towpath._engine.caching import ResultEntry
from towpath._engine.coroutines import awaited, whole
from towpath._engine.generators import Driver
from towpath._engine.run_logging import logs_prints, set_up
from towpath._engine.traced_attempts import attempts_of
from towpath._redaction.live import LiveSecrets
from towpath._runs.async_library import check_async_library
from towpath._runs.children import Child, Children, failure_of
from towpath._runs.context import RunContext, current_run, current_tags, leave_run
from towpath._runs.futures import Future, wait, wait_async
from towpath._runs.interruption import Interruption
from towpath._runs.loops import Loops, depth_below, enter_loop, leave_loop
from towpath._runs.stack import in_fresh_task, in_fresh_thread, level_below, nearly_full
from towpath._runs.unended import leave_unended
from towpath._state_type import StateType
from towpath._strikes import Struck, call_exposed, spared
from towpath._tracing.begin import trace_of
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from contextvars import Token
    from types import TracebackType

    from towpath._delivery.reports import Content
    from towpath._engine.definitions import FlowDefinition
    from towpath._runs.context import Runner


class FlowRun:
    """One run of a flow, from its arguments to its final state."""

    def __init__(self, flow: FlowDefinition, parameters: dict[str, Any]) -> None:
        """Reports the run as RUNNING."""
        self._flow = flow
        self._parent = current_run.get()
        self._run = _begin(flow, parameters, self._parent)
        try:
            self._child = Child(self._run.name)
            if self._parent is not None:
                self._parent.children.add(self._child)
            results = flow.result_policy
            keep = self._keep if results.persists(self._run) else None
            self._attempts = attempts_of(self._run, flow.policy, flow, keep=keep)
        except BaseException as error:
            leave_unended(self._run, error)
            raise

    def to_end(self) -> Child:
        """Runs an ordinary function."""

        def body() -> Any:
            with self._in_runner():
                try:
                    return self._settled(call_exposed(self._whole))
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
                    return await self._settled_async(await awaited(self._fresh()))
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

    def stream(self) -> Generator[Any, Any, Any]:
        """Runs a generator function, item by item."""
        driver = Driver(self._run, self._attempts, self._ended)
        with _ClosingLoops(self._run), self._in_runner():
            try:
                return (yield from driver.stream(self._fresh, self._settled))
            except BaseException as error:
                self._leave(error)
                raise

    async def stream_async(self) -> AsyncGenerator[Any, Any]:
        """Runs an async generator function, item by item."""
        driver = Driver(self._run, self._attempts, self._ended)
        with _ClosingLoops(self._run), _InLoop(self._run), self._in_runner():
            try:
                async with aclosing(driver.stream_async(self._fresh, self._settled_async)) as items:
                    async for item in items:
                        yield item
            except BaseException as error:
                await self._leave_async(error)
                raise

    def _keep(self, value: Any) -> Content | None:
        return ResultEntry(self._flow.result_policy, self._run, {}).keep(value)

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
        self._child.state = state
        if self._parent is not None:
            self._parent.children.settle(self._child)
        elif state.exception is not None and not self._run.inherited:
            failure_report.attach(
                state.exception, self._run.name, self._run.children, self._run.secrets.text
            )
        return self._child

    def _aborted(self, error: BaseException) -> None:
        leave_unended(self._run, error)
        self._child.handled = self._child.handled or isinstance(error, Struck)
        if self._child.state is None:
            self._child.state = interruption(error)
        # The caller gets the error: what becomes of it is for the caller's code to say.
        self._child.handle()

    def _settled(self, value: Any) -> Any:
        """Returns the flow's value once its submitted runs ended; raises unhandled failures."""
        self._wait_for_submitted()
        kind: type[Any] = value.__class__
        if kind is State:
            return value.result()
        if kind is Future:
            value = value.result()
        elif issubclass(kind, list | tuple) and value and all(type(i) is Future for i in value):
            value = [future.result() for future in value]
        if self._flow.final_state == "strict":
            failed = self._run.children.unhandled()
            if failed:
                raise failure_of(failed)
        return value

    def _leave(self, error: BaseException) -> None:
        """What was submitted needs the runner until its last run has ended."""
        if self._run.inherited:
            return
        if not isinstance(error, Exception | GeneratorExit):
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
        if not isinstance(error, Exception):
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
        if not run.inherited and run.loops is not _loops_around(run.parent):
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


def run_here(flow: FlowDefinition, parameters: dict[str, Any]) -> Child:
    """Runs a flow of an ordinary function here and now."""
    with spared():
        if nearly_full():
            child: Child = in_fresh_thread(lambda: FlowRun(flow, parameters).to_end())
            return child
        return FlowRun(flow, parameters).to_end()


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


async def run_async(flow: FlowDefinition, parameters: dict[str, Any]) -> Child:
    """Runs a flow of a coroutine function; one that is never awaited has no run."""
    check_async_library(flow.name)
    if nearly_full():
        child: Child = await in_fresh_task(FlowRun(flow, parameters).to_end_async())
        return child
    return await FlowRun(flow, parameters).to_end_async()


def _loops_around(parent: RunContext | None) -> Loops | None:
    """The loops that a flow run shares with those around it; those of a forked parent are gone."""
    around = parent.flow_run if parent is not None else None
    return None if around is None or around.inherited else around.loops


def _begin(
    flow: FlowDefinition, parameters: dict[str, Any], parent: RunContext | None
) -> RunContext:
    level = level_below(parent, flow.name)
    settings = failure_report.settings_for_run()
    if parent is None and settings.require_server:
        ensure_server(settings)
    set_up()
    failure_report.set_up()
    clock = parent.clock if parent else current_clock.get() or system_clock
    persist = flow.result_policy.persist
    run_id = str(uuid_utils.uuid7())
    run = RunContext(
        run_id=run_id,
        kind="flow",
        name="",
        flow_id=flow.flow_id,
        flow_name=flow.name,
        root_run_id=parent.root_run_id if parent else run_id,
        parent_run_id=parent.run_id if parent else "",
        reporter=parent.reporter if parent else observed(current_reporter()),
        parameters=parameters,
        tags=flow.tags | current_tags(),
        children=Children(),
        owner=flow,
        parent=parent,
        runner=flow.task_runner.duplicate(),
        log_prints=logs_prints(flow, parent),
        persist_result=(parent.persist_result if parent else False) if persist is None else persist,
        clock=clock,
        created=clock.time(),
        interruption=Interruption(),
        level=level,
        loops=_loops_around(parent) or Loops(),
        loop_depth=depth_below(parent),
        secrets=parent.secrets if parent else LiveSecrets(),
    )
    run.hide(parameters)
    run.name = run.secrets.text(flow.run_name(parameters))
    run.trace = trace_of(run)
    try:
        run.reporter.create(
            RunReport(
                run_id=run_id,
                kind="flow",
                state=StateReport(state=StateType.RUNNING, time=run.created),
                display_name=run.name,
                flow_id=flow.flow_id,
                flow_name=flow.name,
                parent_run_id=run.parent_run_id,
                root_run_id="" if parent is None else run.root_run_id,
                tags=sorted(run.tags),
                max_attempts=flow.policy.retries + 1,
                timeout_seconds=flow.policy.timeout_seconds,
                code_version=flow.code_version,
                traceparent=run.trace.traceparent if run.trace is not None else "",
            )
        )
    except BaseException as error:
        leave_unended(run, error)
        raise
    return run
