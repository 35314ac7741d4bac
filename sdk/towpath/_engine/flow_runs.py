"""Flow runs."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any

import uuid_utils

from towpath import _failure
from towpath._delivery.reports import RunReport, StateReport
from towpath._delivery.session import current_reporter, ensure_server
from towpath._engine.attempts import Attempts
from towpath._engine.children import Child, failure_of, unhandled
from towpath._logging import set_up
from towpath._parameters import bind, validate
from towpath._state_type import StateType
from towpath.context import RunContext, current_run, current_tags
from towpath.futures import Future, wait
from towpath.settings import get_settings
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._flow import Flow


def begin(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> RunContext:
    """Validates the arguments, then reports a flow run as RUNNING."""
    parameters = bind(flow.fn, args, kwargs, owner=f"flow {flow.name!r}")
    if flow.validate_parameters:
        parameters = validate(flow.fn, parameters, owner=f"flow {flow.name!r}")
    parent = current_run.get()
    if parent is None and (settings := get_settings()).require_server:
        ensure_server(settings)
    set_up()
    _failure.set_up()
    reporter = parent.reporter if parent else current_reporter()
    run_id = str(uuid_utils.uuid7())
    context = RunContext(
        run_id=run_id,
        kind="flow",
        name=flow.run_name(parameters),
        flow_id=flow.flow_id,
        flow_name=flow.name,
        root_run_id=parent.root_run_id if parent else run_id,
        parent_run_id=parent.run_id if parent else "",
        reporter=reporter,
        parameters=parameters,
        tags=flow.tags | current_tags(),
        runner=flow.task_runner.duplicate(),
        log_prints=flow.log_prints,
    )
    reporter.create(
        RunReport(
            run_id=run_id,
            kind="flow",
            state=StateReport(state=StateType.RUNNING, time=time.time()),
            display_name=context.name,
            flow_id=flow.flow_id,
            flow_name=flow.name,
            parent_run_id=context.parent_run_id,
            root_run_id="" if parent is None else context.root_run_id,
            tags=sorted(context.tags),
            max_attempts=flow.policy.retries + 1,
            timeout_seconds=flow.policy.timeout_seconds,
            code_version=flow.version or "",
        )
    )
    return context


def run(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> State[Any]:
    """Runs a flow of an ordinary function to its final state."""
    context = begin(flow, args, kwargs)
    child = _as_child(context)

    def body() -> Any:
        context.children.clear()
        assert context.runner is not None
        with context.runner:
            try:
                value = _call(flow.fn, context.parameters)
            except Exception:
                # What was submitted needs the runner until its last run has ended.
                _wait_for_submitted(context)
                raise
            return _settled(flow, context, value)

    token = current_run.set(context)
    try:
        child.state = Attempts(context, flow.policy, flow).run(body)
    finally:
        current_run.reset(token)
    _explain(context, child.state)
    return child.state


async def run_async(
    flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> State[Any]:
    """Runs a flow of a coroutine function to its final state."""
    context = begin(flow, args, kwargs)
    child = _as_child(context)

    async def body() -> Any:
        context.children.clear()
        assert context.runner is not None
        with context.runner:
            try:
                value = await _call(flow.fn, context.parameters)
            except Exception:
                # What was submitted needs the runner until its last run has ended.
                _wait_for_submitted(context)
                raise
            return _settled(flow, context, value)

    token = current_run.set(context)
    try:
        child.state = await Attempts(context, flow.policy, flow).run_async(body)
    finally:
        current_run.reset(token)
    _explain(context, child.state)
    return child.state


def _explain(context: RunContext, state: State[Any]) -> None:
    if not context.parent_run_id and state.exception is not None:
        _failure.attach(state.exception, context.name, context.children)


def _as_child(context: RunContext) -> Child:
    child = Child(context.name)
    parent = current_run.get()
    if parent is not None:
        parent.children.append(child)
    return child


def _call(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    signature = inspect.signature(function)
    arguments = inspect.BoundArguments(signature, dict(parameters))
    return function(*arguments.args, **arguments.kwargs)


def _settled(flow: Flow[..., Any], context: RunContext, value: Any) -> Any:
    """The flow's value, once all it submitted has ended; raises if something failed unhandled."""
    _wait_for_submitted(context)
    if isinstance(value, State):
        return value.result()
    if isinstance(value, Future):
        value = value.result()
    elif isinstance(value, list | tuple) and value and all(isinstance(i, Future) for i in value):
        value = [future.result() for future in value]
    if flow.final_state == "strict":
        failed = unhandled(context.children)
        if failed:
            raise failure_of(failed)
    return value


def _wait_for_submitted(context: RunContext) -> None:
    wait([child.future for child in context.children if child.future is not None])
