"""How a worker calls a task's function, within a run that the flow's process reports."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import cloudpickle

from towpath._delivery.session import end_forked_child
from towpath._engine.time_limit import time_limit
from towpath._redaction.live import LiveSecrets
from towpath._runners.inline import InlineTaskRunner
from towpath._runners.remote.messages import BegunRun, Ended, dump_result, raised
from towpath._runs.children import Children
from towpath._runs.context import FlowRunContext, TaskRunContext, current_run, tags
from towpath._runs.interruption import Interruption
from towpath._runs.waiting import run_in
from towpath._tracing.begin import adopted
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._delivery.reports import Reporter
    from towpath._engine.definitions import TaskDefinition
    from towpath._runners.remote.messages import RunFacts
    from towpath._runs.context import RunContext
    from towpath._runs.loops import Loops


def answer(
    load: Callable[[], tuple[TaskDefinition, bytes]],
    reporter: Reporter,
    loops: Loops,
    interruption: Interruption | None = None,
) -> Ended:
    """Calls a task's function; whatever is raised meanwhile is part of the answer.

    Args:
        load: Unpickles the task; returns it with the pickled facts and arguments.
        reporter: Takes the reports of the function and of the runs that it begins.
        loops: Of this process: clients that stay in its memory belong to a loop.
        interruption: Stops the function, which then has its timeout enforced here, too; None where
            the process is killed for both.
    """
    pid = os.getpid()
    children, secrets = Children(), LiveSecrets()
    try:
        task, work = load()
        facts, parameters = cloudpickle.loads(work)
        secrets.add_texts(facts.secrets)
        run = _run_of(facts, parameters, task, reporter, children, interruption)
        if run.parent is not None:
            run.parent.loops = loops
        run.secrets = secrets
        value = _within(run, facts, lambda: _outcome(task, parameters, run, loops, interruption))
        _leave_child(pid, None)
        return Ended(
            value=dump_result(value), failed_runs=_failed_runs(children), secrets=secrets.values
        )
    except BaseException as error:  # noqa: BLE001 - the flow's process decides what it means
        _leave_child(pid, error)
        return raised(error, _failed_runs(children), secrets.values)


def _within(run: RunContext, facts: RunFacts, body: Callable[[], Any]) -> Any:
    token = current_run.set(run)
    try:
        around = run.trace.executing(run) if run.trace is not None else nullcontext()
        with tags(*facts.inner_tags), around:
            return body()
    finally:
        current_run.reset(token)


def _outcome(
    task: TaskDefinition,
    parameters: dict[str, Any],
    run: RunContext,
    loops: Loops,
    interruption: Interruption | None,
) -> Any:
    if interruption is None:
        outcome = task.body(parameters)
        return run_in(loops.at(0), lambda: outcome) if task.awaited else outcome
    with time_limit(task.policy.timeout_seconds, run):
        if not task.awaited:
            return interruption.run(lambda: task.body(parameters))
        return interruption.within(lambda: run_in(loops.at(0), lambda: task.body(parameters)))


def _leave_child(pid: int, error: BaseException | None) -> None:
    """Ends a child that was forked in the task: the worker alone answers the call."""
    if os.getpid() != pid:
        end_forked_child(error)


def _run_of(
    facts: RunFacts,
    parameters: dict[str, Any],
    task: TaskDefinition,
    reporter: Reporter,
    children: Children,
    interruption: Interruption | None,
) -> RunContext:
    flow_run = None
    common: dict[str, Any] = {
        "flow_id": facts.flow_id,
        "flow_name": facts.flow_name,
        "root_run_id": facts.root_run_id,
        "reporter": reporter,
        "children": children,
        "log_prints": facts.log_prints,
        "persist_result": facts.persist_result,
    }
    if facts.flow_run is not None:
        flow_run = FlowRunContext(
            kind="flow",
            parent_run_id="",
            interruption=interruption or Interruption(),
            **facts.flow_run,
            **common,
        )
    return TaskRunContext(
        run_id=facts.run_id,
        kind="task",
        name=facts.name,
        parent_run_id=facts.parent_run_id,
        parameters=parameters,
        tags=facts.tags,
        owner=task,
        parent=flow_run,
        runner=InlineTaskRunner(),
        attempt=facts.attempt,
        trace=adopted(facts.traceparent),
        # A runner without an interruption kills this process at the task's own timeout.
        ends=end_of(facts, None if interruption else task.policy.timeout_seconds),
        **common,
    )


def end_of(facts: RunFacts, seconds: float | None) -> float | None:
    """When a run's time is over, by the monotonic clock of this process.

    Args:
        facts: Of the run.
        seconds: What it has from now on; None for no limit of its own.

    Returns:
        The end; None without a limit.
    """
    left = [] if seconds is None else [seconds]
    if facts.deadline is not None:
        left.append(facts.deadline - time.time())
    return time.monotonic() + min(left) if left else None


def _failed_runs(children: Children) -> list[BegunRun]:
    return [
        BegunRun(
            name=child.name,
            state=State(
                type=child.state.type, reason=child.state.reason, message=child.state.message
            ),
            handled=child.handled,
        )
        for child in children
        if child.state is not None and child.failed
    ]
