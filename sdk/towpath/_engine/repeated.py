"""Subflows of a flow that is tried again: those that completed, and whose results are kept.

They don't run again: the call gives the kept result. A call is the same when it has the same
arguments and is the same one in order among the calls of that flow within the attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath._delivery.reports import StateReport
from towpath._engine.caching import ResultEntry
from towpath._engine.flow_run_start import begin
from towpath._results.hashing import stable_hash
from towpath._results.scalars import NotEncodableError
from towpath._runs.cancellation import Cancellation
from towpath._runs.children import Child
from towpath._state_type import StateType
from towpath.states import State

if TYPE_CHECKING:
    from towpath._engine.definitions import FlowDefinition
    from towpath._runs.context import RunContext


def key_of(flow: FlowDefinition, parameters: dict[str, Any], parent: RunContext | None) -> str:
    """Returns the key of a subflow's result; empty where its result isn't kept, or has no key."""
    if parent is None or parent.kind != "flow":
        return ""
    number = parent.children.next_subflow(flow.flow_id)
    persist = flow.result_policy.persist
    if not (parent.persist_result if persist is None else persist):
        return ""
    try:
        digest = stable_hash(parameters)
    except NotEncodableError:
        return ""
    return f"subflow:{parent.run_id}:{flow.flow_id}:{number}:{digest}"


def earlier(
    flow: FlowDefinition, parameters: dict[str, Any], parent: RunContext | None, key: str
) -> Child | None:
    """Returns the subflow as it completed in an earlier attempt of its flow, else None."""
    if parent is None or not key or parent.attempt == 1:
        return None
    replay = parent.replay
    replays = replay is not None and (parent.replays or replay.names(-1, flow.name, flow.flow_id))
    hit = ResultEntry(flow.result_policy, parent, {}, key=key).look_up(replays=replays)
    if hit is None:
        return None
    report = StateReport(
        state=StateType.COMPLETED,
        time=0.0,
        reason="CACHED",
        message=f"result of run {hit.run_id}",
        result=hit.content,
    )
    run = begin(flow, parameters, parent, Cancellation(), None, report)
    state: State[Any] = State(StateType.COMPLETED, reason="CACHED", value=hit.value)
    return Child(run.name, state=state.of_run("flow", run.run_id, run.name))
