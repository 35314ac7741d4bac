"""Task runs: called directly, or submitted and run once what they wait for has ended."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import uuid_utils

from towpath._delivery.reports import RunReport, StateReport
from towpath._delivery.session import current_reporter
from towpath._engine.arguments import futures_in, resolved
from towpath._engine.attempts import Attempts
from towpath._engine.children import Child
from towpath._parameters import bind
from towpath._state_type import StateType
from towpath.context import RunContext, current_run, current_tags
from towpath.exceptions import MissingContextError, UpstreamFailed
from towpath.futures import Future
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath._task import Task
    from towpath.task_runners import TaskRunner

_quick = threading.local()


def begin(
    task: Task[..., Any],
    parameters: dict[str, Any],
    state: StateType,
    *,
    mapped: bool = False,
    dependencies: Sequence[tuple[str, str]] = (),
) -> RunContext:
    """Reports a task run."""
    parent = current_run.get()
    reporter = parent.reporter if parent else current_reporter()
    index = parent.next_index(task.task_key) if parent else 0
    run_id = str(uuid_utils.uuid7())
    name = task.run_name(parameters)
    if name is None:
        name = f"{task.name}[{index}]" if mapped or index else task.name
    context = RunContext(
        run_id=run_id,
        kind="task",
        name=name,
        flow_id=parent.flow_id if parent else "",
        flow_name=parent.flow_name if parent else "",
        root_run_id=parent.root_run_id if parent else run_id,
        parent_run_id=parent.run_id if parent else "",
        reporter=reporter,
        parameters=parameters,
        tags=task.tags | (parent.tags if parent else frozenset()) | current_tags(),
        runner=parent.runner if parent else None,
        log_prints=task.log_prints or (parent.log_prints if parent else False),
        # What a task begins is the business of the flow around it, too.
        children=parent.children if parent else [],
    )
    reporter.create(
        RunReport(
            run_id=run_id,
            kind="task",
            state=StateReport(state=state, time=time.time()),
            display_name=name,
            flow_id=context.flow_id,
            flow_name=context.flow_name,
            task_key=task.task_key,
            task_name=task.name,
            task_index=index,
            parent_run_id=context.parent_run_id,
            root_run_id="" if parent is None else context.root_run_id,
            tags=sorted(context.tags) if context.tags else (),
            dependencies=dependencies,
            max_attempts=task.policy.retries + 1,
            timeout_seconds=task.policy.timeout_seconds,
        )
    )
    return context


def _child(context: RunContext) -> Child:
    child = Child(context.name)
    parent = current_run.get()
    if parent is not None:
        parent.children.append(child)
    return child


def _execute(task: Task[..., Any], context: RunContext, parameters: dict[str, Any]) -> State[Any]:
    token = current_run.set(context)
    try:
        if task.is_async:
            attempts = Attempts(context, task.policy, task)
            return asyncio.run(attempts.run_async(lambda: task.invoke(parameters)))
        return Attempts(context, task.policy, task).run(lambda: task.invoke(parameters))
    finally:
        current_run.reset(token)


def _prepare(
    task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[RunContext, Child, dict[str, Any]]:
    parameters = bind(task.fn, args, kwargs, owner=f"task {task.name!r}")
    waits = futures_in(parameters)
    if waits:
        for future, _, allowed in waits:
            future.wait()
            if not allowed and not future.state.is_completed():
                future.result()
        parameters = resolved(parameters)
    context = begin(
        task,
        parameters,
        StateType.RUNNING,
        dependencies=[(future.task_run_id, name) for future, name, _ in waits],
    )
    return context, Child(context.name), parameters


def _note(child: Child) -> None:
    """Keeps an ended call if its flow must know of it: results of the others can be freed."""
    parent = current_run.get()
    if parent is not None and child.state is not None and not child.state.is_completed():
        parent.children.append(child)


def call(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Child:
    """Runs a task of an ordinary function here and now."""
    context, child, parameters = _prepare(task, args, kwargs)
    try:
        child.state = _execute(task, context, parameters)
    except BaseException as error:
        child.state = State(type=StateType.CANCELLED, exception=error)
        _note(child)
        raise
    _note(child)
    return child


async def call_async(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Child:
    """Runs a task of a coroutine function here and now."""
    context, child, parameters = _prepare(task, args, kwargs)
    token = current_run.set(context)
    try:
        attempts = Attempts(context, task.policy, task)
        child.state = await attempts.run_async(lambda: task.invoke(parameters))
    except BaseException as error:
        child.state = State(type=StateType.CANCELLED, exception=error)
        _note(child)
        raise
    finally:
        current_run.reset(token)
    _note(child)
    return child


def submit(
    task: Task[..., Any],
    parameters: dict[str, Any],
    *,
    wait_for: Sequence[Future[Any]] = (),
    mapped: bool = False,
) -> Future[Any]:
    """Submits a task run: it begins once all it waits for has ended.

    Raises:
        MissingContextError: Outside a flow there is nothing to run it.
    """
    parent = current_run.get()
    if parent is None or parent.runner is None:
        raise MissingContextError(
            f"{task.name}.submit() needs a flow around it to run in: call it within a function"
            f" decorated with @flow, or call {task.name}() directly"
        )
    waits = futures_in(parameters) + [(future, "", False) for future in wait_for]
    dependencies = [(future.task_run_id, name) for future, name, _ in waits]
    context = begin(task, parameters, StateType.PENDING, mapped=mapped, dependencies=dependencies)
    child = _child(context)
    future: Future[Any] = Future(context.run_id, child)
    child.future = future
    _Submission(task, context, future, waits, parent.runner).wait()
    return future


class _Submission:
    """A submitted run that counts down what it waits for."""

    def __init__(
        self,
        task: Task[..., Any],
        context: RunContext,
        future: Future[Any],
        waits: list[tuple[Future[Any], str, bool]],
        runner: TaskRunner,
    ) -> None:
        self._task = task
        self._context = context
        self._future = future
        self._waits = waits
        self._runner = runner
        self._missing = len(waits) + 1
        self._lock = threading.Lock()

    def wait(self) -> None:
        for future, _, _ in self._waits:
            future.when_done(self._one_less)
        self._one_less()

    def _one_less(self) -> None:
        with self._lock:
            self._missing -= 1
            if self._missing:
                return
        failed = [
            future
            for future, _, allowed in self._waits
            if not allowed and not future.state.is_completed()
        ]
        if failed:
            _in_turn(lambda: self._skip(failed))
        else:
            self._runner.run(self._run)

    def _run(self) -> None:
        try:
            parameters = resolved(self._context.parameters)
            self._context.reporter.transition(
                self._context.run_id, StateReport(state=StateType.RUNNING, time=time.time())
            )
            state = _execute(self._task, self._context, parameters)
        except BaseException as error:  # noqa: BLE001 - a thread of ours must not lose it
            state = State(type=StateType.CANCELLED, exception=error, message=str(error))
        self._future.finish(state)

    def _skip(self, failed: list[Future[Any]]) -> None:
        child = self._future.child
        child.causes = [future.child for future in failed]
        root = child.causes[0]
        while root.causes:
            root = root.causes[0]
        what = root.state.type.value.lower().replace("_", " ") if root.state else ""
        message = f"not run: {root.name} {what} ({root.state.message if root.state else ''})"
        self._context.reporter.transition(
            self._context.run_id,
            StateReport(
                state=StateType.SKIPPED,
                time=time.time(),
                reason="UPSTREAM_FAILED",
                message=message,
            ),
        )
        error = UpstreamFailed(message)
        error.__cause__ = root.state.exception if root.state else None
        self._future.finish(
            State(
                type=StateType.SKIPPED, reason="UPSTREAM_FAILED", message=message, exception=error
            )
        )


def _in_turn(work: Any) -> None:
    """Runs work after the work of this thread that led to it: long chains don't nest."""
    queue: list[Any] | None = getattr(_quick, "queue", None)
    if queue is not None:
        queue.append(work)
        return
    _quick.queue = queue = [work]
    try:
        while queue:
            queue.pop(0)()
    finally:
        _quick.queue = None
