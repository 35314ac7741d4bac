"""Creates task runs, runs called ones in place, and brings them to their final state."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import uuid_utils

from towpath._clock import current_clock, system_clock
from towpath._delivery.reports import RunReport, StateReport
from towpath._delivery.session import current_reporter
from towpath._engine import failure_report, traced_attempts
from towpath._engine.arguments import search, waits_for
from towpath._engine.attempts import interruption
from towpath._engine.coroutines import awaited
from towpath._engine.defaults import default_persistence, policy_of
from towpath._engine.found_results import NO_RESULTS, Results
from towpath._engine.generators import Driver
from towpath._engine.joining import join
from towpath._engine.run_logging import logs_prints, set_up
from towpath._engine.safe_points import pause_if_asked, pause_if_asked_async
from towpath._engine.skipping import skipped, upstream_failures
from towpath._redaction.live import LiveSecrets
from towpath._runs.async_library import check_async_library
from towpath._runs.children import Child, Children
from towpath._runs.context import (
    TaskRunContext,
    current_run,
    current_tags,
    leave_run,
    named_in,
)
from towpath._runs.futures import wait, wait_async
from towpath._runs.replaying import mark, took
from towpath._runs.stack import in_fresh_task, in_fresh_thread, level_below, nearly_full
from towpath._runs.unended import leave_unended
from towpath._settings.current import settings_of_runs
from towpath._state_type import StateType
from towpath._strikes import call_exposed, spared
from towpath._tracing.begin import trace_of
from towpath.states import result_of

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Awaitable,
        Callable,
        Generator,
    )

    from towpath._engine.arguments import Arguments
    from towpath._engine.attempts import Attempts
    from towpath._engine.definitions import TaskDefinition
    from towpath._runs.context import RunContext
    from towpath._runs.futures import Waits
    from towpath._runs.interruption import Interruption
    from towpath.states import State

_NO_TAGS: Final[frozenset[str]] = frozenset()


def new_run(
    task: TaskDefinition, parameters: dict[str, Any], *, mapped: bool = False
) -> RunContext:
    """The run that a call of a task makes; not reported yet."""
    parent = current_run.get()
    level = level_below(parent, task.name)
    index = parent.next_index(task.task_key) if parent else 0
    run_id = str(uuid_utils.uuid7())
    if parent is None:
        settings = failure_report.settings_for_run()
        set_up()
    else:
        settings = parent.settings or settings_of_runs()
    clock = parent.clock if parent else current_clock.get() or system_clock
    tags, here = parent.tags if parent else _NO_TAGS, current_tags()
    run = TaskRunContext(
        run_id=run_id,
        kind="task",
        name="",
        flow_id=parent.flow_id if parent else "",
        flow_name=parent.flow_name if parent else "",
        root_run_id=parent.root_run_id if parent else run_id,
        parent_run_id=parent.run_id if parent else "",
        reporter=parent.reporter if parent else current_reporter(),
        parameters=parameters,
        tags=tags.union(task.tags, here) if task.tags or here else tags,
        # Runs that a task begins count for the flow around it, too.
        children=parent.children if parent else Children(),
        owner=task,
        parent=parent,
        runner=parent.runner if parent else None,
        log_prints=logs_prints(task, parent, settings),
        persist_result=default_persistence(parent, settings),
        settings=settings,
        clock=clock,
        created=clock.time(),
        index=index,
        level=level,
        mapped=mapped,
        secrets=parent.secrets if parent else LiveSecrets(),
    )
    run.hide(parameters)
    name = named_in(run, task.run_name) if task.names_runs else None
    if name is None:
        run.name = f"{task.name}[{index}]" if mapped or index else task.name
    else:
        run.name = run.secrets.text(name)
    if parent is None or parent.trace is not None:
        run.trace = trace_of(run)
    return run


def report_new(
    run: RunContext,
    state: StateReport,
    *,
    waits: Waits | None = None,
    cache_key: str = "",
    cached_from: str = "",
) -> None:
    """Reports a new run."""
    task: TaskDefinition = run.owner
    if run.trace is not None and waits:
        upstream = (future.child.trace for future, _, _ in waits)
        run.trace.follow(trace for trace in upstream if trace is not None)
    run.reporter.create(
        RunReport(
            run_id=run.run_id,
            kind="task",
            state=state,
            display_name=run.name,
            flow_id=run.flow_id,
            flow_name=run.flow_name,
            task_key=task.task_key,
            task_name=task.name,
            task_index=run.index,
            parent_run_id=run.parent_run_id,
            root_run_id="" if run.parent is None else run.root_run_id,
            tags=sorted(run.tags) if run.tags else (),
            dependencies=_dependencies(waits) if waits else (),
            max_attempts=policy_of(run).most_retries + 1,
            timeout_seconds=task.policy.timeout_seconds,
            code_version=task.version or "",
            cache_key=run.secrets.text(cache_key) if cache_key else "",
            cached_from_run_id=cached_from,
            traceparent=run.trace.traceparent if run.trace is not None else "",
        )
    )


def _dependencies(waits: Waits) -> list[tuple[str, str]]:
    """The runs that a run waits for, and the parameters; states made by hand are of no run."""
    return [(future.task_run_id, name) for future, name, _ in waits if future.task_run_id]


def attempts_of(run: RunContext, results: Results) -> Attempts:
    """The attempts of a task run."""
    if run.transaction is not None:
        keep = run.transaction.keeping(results.entry)
    else:
        keep = results.entry.keep if results.entry is not None else None
    remote = run.runner is not None and run.runner.remote and run.submitted
    return traced_attempts.attempts_of(run, policy_of(run), run.owner, keep=keep, limit=not remote)


def execute(run: RunContext, parameters: dict[str, Any], results: Results) -> State[Any]:
    """Brings a run that is RUNNING to its final state, while this thread waits."""
    if nearly_full():
        state: State[Any] = in_fresh_thread(lambda: _execute(run, parameters, results))
        return state
    return _execute(run, parameters, results)


def _execute(run: RunContext, parameters: dict[str, Any], results: Results) -> State[Any]:
    task: TaskDefinition = run.owner
    attempts = attempts_of(run, results)
    token = current_run.set(run)
    try:
        if results.problem is not None:
            return attempts.give_up(results.problem)
        runner = run.runner
        if runner is not None and runner.remote and run.submitted:
            return attempts.run(lambda: runner.perform(task, run, parameters))
        interruption = _interruption_of(run) if run.submitted else None
        if interruption is None:
            return attempts.run(partial(call_exposed, task.body, parameters))
        return attempts.run(partial(interruption.run, partial(task.body, parameters)))
    finally:
        current_run.reset(token)


async def execute_async(
    run: RunContext, parameters: dict[str, Any], results: Results
) -> State[Any]:
    """Brings a run that is RUNNING to its final state, in this loop."""
    if nearly_full():
        state: State[Any] = await in_fresh_task(_execute_async(run, parameters, results))
        return state
    return await _execute_async(run, parameters, results)


async def _execute_async(
    run: RunContext, parameters: dict[str, Any], results: Results
) -> State[Any]:
    task: TaskDefinition = run.owner
    attempts = attempts_of(run, results)
    token = current_run.set(run)
    try:
        if results.problem is not None:
            return attempts.give_up(results.problem)
        interruption = _interruption_of(run) if run.submitted else None
        if interruption is None:
            return await attempts.run_async(lambda: awaited(task.invoke(parameters)))
        return await attempts.run_async(
            lambda: interruption.run_async(lambda: task.body(parameters))
        )
    finally:
        leave_run(token)


def _interruption_of(run: RunContext) -> Interruption | None:
    """What stops the body of a submitted run, when its flow is interrupted."""
    return run.flow_run.interruption if run.flow_run else None


@dataclass(slots=True, kw_only=True)
class _Called:
    """A task called where the code stands: its run, reported as far as it has come."""

    run: RunContext
    parameters: dict[str, Any]
    results: Results
    child: Child

    def settle(self, state: State[Any]) -> Child:
        self.child.state = state
        if self.run.at_end is not None:
            self.run.tell_end(state)
        if self.run.parent is not None:
            self.run.parent.children.settle(self.child)
            took(self.run.parent, self.child)
        return self.child

    def raised(self, state: State[Any]) -> Child:
        """Settles with a state whose exception, if it has one, the caller gets."""
        self.child.state = state
        self.child.handle_unless_completed()
        return self.settle(state)


def _waits(
    task: TaskDefinition,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wait_for: Any,
) -> tuple[Arguments, Waits]:
    arguments = search(task.bind(args, kwargs))
    if not wait_for:
        return arguments, arguments.waits
    return arguments, [*arguments.waits, *waits_for(wait_for)]


def _prepared(task: TaskDefinition, arguments: Arguments, waits: Waits) -> _Called:
    """Makes a run whose upstream has ended; one that is skipped is reported, and has ended."""
    failed = upstream_failures(waits) if waits else []
    parameters = arguments.parameters if failed else arguments.resolved()
    run = new_run(task, parameters)
    called = _Called(run=run, parameters=parameters, results=NO_RESULTS, child=Child(run.name))
    mark(run, called.child, task.name, task.task_key, upstream=(each.child for each, _, _ in waits))
    join(run)
    if failed:
        state = skipped(called.child, failed)
        report = StateReport(
            state=state.type, time=run.created, reason=state.reason, message=state.message
        )
        report_new(run, report, waits=waits)
        if run.trace is not None:
            run.trace.skipped(run, report)
        called.settle(state)
        return called
    called.results = Results.look_up(run, parameters)
    return called


def _begin(task: TaskDefinition, arguments: Arguments, waits: Waits) -> _Called:
    """Reports a run whose upstream has ended: as RUNNING, CACHED or SKIPPED."""
    called = _prepared(task, arguments, waits)
    if called.child.state is None:
        if called.results.waits:
            called.results.take_turn()
        _started(called, waits)
    return called


async def _begin_async(task: TaskDefinition, arguments: Arguments, waits: Waits) -> _Called:
    """As `_begin`, in async code."""
    called = _prepared(task, arguments, waits)
    if called.child.state is None:
        if called.results.waits:
            await called.results.take_turn_async()
        _started(called, waits)
    return called


def _started(called: _Called, waits: Waits) -> None:
    """Reports a run as RUNNING, or as CACHED, which ends it."""
    run, results = called.run, called.results
    if results.hit is not None:
        report_new(
            run,
            results.cached(run),
            waits=waits,
            cache_key=results.key,
            cached_from=results.hit.run_id,
        )
        called.settle(attempts_of(run, results).found(results.hit.value))
        return
    running = StateReport(state=StateType.RUNNING, time=run.created)
    try:
        report_new(run, running, waits=waits, cache_key=results.key)
    except BaseException as error:
        leave_unended(run, error)
        called.settle(interruption(error))
        raise


def call(
    task: TaskDefinition,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wait_for: Any = (),
) -> Child:
    """Runs a task of an ordinary function here and now."""
    pause_if_asked()
    with spared():
        arguments, waits = _waits(task, args, kwargs, wait_for)
        if waits:
            wait([future for future, _, _ in waits])
        called = _begin(task, arguments, waits)
        if called.child.state is not None:
            return called.child
        try:
            return called.settle(execute(called.run, called.parameters, called.results))
        except BaseException as error:
            leave_unended(called.run, error)
            called.raised(interruption(error))
            raise


async def call_async(
    task: TaskDefinition,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wait_for: Any = (),
) -> Child:
    """Runs a task of a coroutine function here and now."""
    check_async_library(task.name)
    await pause_if_asked_async()
    arguments, waits = _waits(task, args, kwargs, wait_for)
    if waits:
        await wait_async(future for future, _, _ in waits)
    called = await _begin_async(task, arguments, waits)
    if called.child.state is not None:
        return called.child
    try:
        return called.settle(await execute_async(called.run, called.parameters, called.results))
    except BaseException as error:
        called.raised(interruption(error))
        raise


def stream(
    task: TaskDefinition,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wait_for: Any = (),
) -> Generator[Any, Any, Any]:
    """Runs a task of a generator function, item by item."""
    arguments, waits = _waits(task, args, kwargs, wait_for)
    wait([future for future, _, _ in waits])
    called = _begin(task, arguments, waits)
    if called.child.state is not None:
        called.child.handle_unless_completed()
        return result_of(called.child.state)
    driver = Driver(called.run, attempts_of(called.run, called.results), called.raised)
    return (yield from driver.stream(lambda: task.invoke(called.parameters), _as_it_is))


async def stream_async(
    task: TaskDefinition,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wait_for: Any = (),
) -> AsyncGenerator[Any, Any]:
    """Runs a task of an async generator function, item by item."""
    check_async_library(task.name)
    arguments, waits = _waits(task, args, kwargs, wait_for)
    await wait_async(future for future, _, _ in waits)
    called = await _begin_async(task, arguments, waits)
    if called.child.state is not None:
        result_of(called.child.state)
        return
    driver = Driver(called.run, attempts_of(called.run, called.results), called.raised)
    async with aclosing(
        driver.stream_async(lambda: task.invoke(called.parameters), _as_it_is_async)
    ) as items:
        step: Callable[[], Awaitable[Any]] = items.__anext__
        while True:
            try:
                item = await step()
            except StopAsyncIteration:
                return
            try:
                sent = yield item
            except GeneratorExit:
                raise
            except BaseException as thrown:  # noqa: BLE001 - it is the generator's to deal with
                step = partial(items.athrow, thrown)
            else:
                step = items.__anext__ if sent is None else partial(items.asend, sent)


def _as_it_is(value: Any) -> Any:
    return value


async def _as_it_is_async(value: Any) -> Any:
    return value
