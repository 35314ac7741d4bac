"""The beginning of flow runs: new ones, and those that the service has made."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import uuid_utils

from towpath._clock import current_clock, system_clock
from towpath._delivery.reports import RunReport, StateReport
from towpath._delivery.session import current_reporter, ensure_server
from towpath._display.begin import observed
from towpath._dropped import hear_dropped
from towpath._engine import failure_report
from towpath._engine.defaults import default_persistence, policy_of
from towpath._engine.run_logging import logs_prints, set_up
from towpath._redaction.live import LiveSecrets
from towpath._runs.children import Children
from towpath._runs.context import FlowRunContext, current_tags, named_in
from towpath._runs.interruption import Interruption
from towpath._runs.loops import Loops, depth_below
from towpath._runs.stack import level_below
from towpath._runs.transactions import transaction_around
from towpath._runs.unended import leave_unended
from towpath._state_type import StateType
from towpath._tracing.begin import trace_of

if TYPE_CHECKING:
    from towpath._engine.definitions import FlowDefinition
    from towpath._runs.cancellation import Cancellation
    from towpath._runs.context import RunContext
    from towpath._runs.replay import Replay


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLease:
    """A run that exists before its code begins.

    Attributes:
        run_id: Id of the run.
        attempt: Attempt that begins, from 1.
        fence: Fence of the lease that it executes under; 0 without.
        parent_run_id: Run that it is a child of; empty for none.
        root_run_id: Outermost run around it; empty when it is itself.
        code_version: Version of its code where that isn't in the code; empty for the flow's own.
        secrets: Values among its parameters that must not be shown.
        timeout_seconds: Time after which its process is stopped; None for no limit.
        replay: Tasks that it runs again although their results are kept; None for none.
    """

    run_id: str
    attempt: int = 1
    fence: int = 0
    parent_run_id: str = ""
    root_run_id: str = ""
    code_version: str = ""
    secrets: LiveSecrets = field(default_factory=LiveSecrets)
    timeout_seconds: float | None = None
    replay: Replay | None = None


def loops_around(parent: RunContext | None) -> Loops | None:
    """The loops that a flow run shares with those around it; those of a forked parent are gone."""
    around = parent.flow_run if parent is not None else None
    return None if around is None or around.inherited else around.loops


def begin(
    flow: FlowDefinition,
    parameters: dict[str, Any],
    parent: RunContext | None,
    cancellation: Cancellation,
    lease: RunLease | None,
    ended: StateReport | None = None,
) -> RunContext:
    """Makes a flow run, and reports it as RUNNING, or in the state that it has ended in.

    Args:
        flow: The flow.
        parameters: Its arguments.
        parent: The run around it; None for a root run.
        cancellation: Takes requests to end it.
        lease: The run that it is, where the service has made it; None for a new one.
        ended: The final state of a run that doesn't begin, but for its time; None for others.

    Returns:
        The run as its code meets it.
    """
    level = level_below(parent, flow.name)
    settings = failure_report.settings_for_run()
    if parent is None and settings.require_server:
        ensure_server(settings)
    set_up()
    failure_report.set_up()
    hear_dropped()
    clock = parent.clock if parent else current_clock.get() or system_clock
    persist = flow.result_policy.persist
    lease = lease or RunLease(
        run_id=str(uuid_utils.uuid7()),
        parent_run_id=parent.run_id if parent else "",
        root_run_id=parent.root_run_id if parent else "",
    )
    seconds = lease.timeout_seconds
    run = FlowRunContext(
        run_id=lease.run_id,
        kind="flow",
        name="",
        flow_id=flow.flow_id,
        flow_name=flow.name,
        root_run_id=lease.root_run_id or lease.run_id,
        parent_run_id=lease.parent_run_id,
        attempt=lease.attempt,
        fence=lease.fence,
        reporter=parent.reporter if parent else observed(current_reporter(), settings.display),
        parameters=parameters,
        tags=current_tags().union(flow.tags),
        children=Children(),
        owner=flow,
        parent=parent,
        runner=flow.task_runner.duplicate(),
        settings=settings,
        log_prints=logs_prints(flow, parent, settings),
        persist_result=default_persistence(parent, settings) if persist is None else persist,
        clock=clock,
        created=clock.time(),
        interruption=Interruption(),
        cancellation=cancellation,
        level=level,
        loops=loops_around(parent) or Loops(),
        loop_depth=depth_below(parent),
        secrets=parent.secrets if parent else lease.secrets,
        replay=lease.replay,
        transaction=transaction_around(parent),
        ends=None if seconds is None else time.monotonic() + seconds,
    )
    run.hide(parameters)
    run.name = flow.name  # For code that makes the name, and reads it.
    run.name = run.secrets.text(named_in(run, flow.run_name) or flow.name)
    run.trace = trace_of(run)
    if ended is None:
        state = StateReport(
            state=StateType.RUNNING, time=run.created, attempt=run.attempt, fence=run.fence
        )
    else:
        state = replace(ended, time=run.created)
    try:
        run.reporter.create(
            RunReport(
                run_id=run.run_id,
                kind="flow",
                state=state,
                display_name=run.name,
                flow_id=flow.flow_id,
                flow_name=flow.name,
                parent_run_id=run.parent_run_id,
                root_run_id=lease.root_run_id,
                tags=sorted(run.tags),
                max_attempts=policy_of(run).most_retries + 1,
                timeout_seconds=flow.policy.timeout_seconds,
                code_version=lease.code_version or flow.code_version,
                traceparent=run.trace.traceparent if run.trace is not None else "",
            )
        )
        if lease.fence or lease.attempt > 1:
            # The run is there already, so its creation changes nothing.
            run.reporter.transition(run.run_id, state)
    except BaseException as error:
        leave_unended(run, error)
        raise
    return run
