"""The runs around code: contexts, `towpath.runtime`, and what hooks get."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, runtime, tags, task
from towpath.context import FlowRunContext, TaskRunContext, get_run_context
from towpath.exceptions import MissingContextError
from towpath.runtime import deployment, flow_run, task_run

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from towpath.testing import Harness


@moves(
    *("context.FlowRunContext", "context.TaskRunContext", "context.get_run_context"),
    *("context.FlowRunContext.flow_run", "context.FlowRunContext.flow"),
    *("context.FlowRunContext.parameters", "context.FlowRunContext.start_time"),
    *("context.TaskRunContext.task_run", "context.TaskRunContext.parameters"),
    "exceptions.MissingContextError",
)
def test_contexts_are_those_of_the_runs_around(recorded: Harness) -> None:
    @task
    def inner(a: int) -> None:
        run, around = TaskRunContext.get(), FlowRunContext.get()
        assert run is not None
        assert around is not None
        assert get_run_context() is run
        assert isinstance(run, TaskRunContext)
        assert not isinstance(run, FlowRunContext)
        assert (run.task, run.parameters, run.task_run) == (inner, {"a": 1}, run)
        assert (around.flow, around.parameters, around.flow_run) == (outer, {"b": 2}, around)
        assert (run.id, around.id) == (recorded.run("inner").id, recorded.run("outer").id)
        assert run.run_count == 1
        assert run.state.is_running()
        assert around.start_time <= dt.datetime.now(dt.UTC) + dt.timedelta(days=400)

    @flow
    def outer(b: int) -> None:
        assert TaskRunContext.get() is None
        assert isinstance(get_run_context(), FlowRunContext)
        inner(1)

    outer(2)
    assert FlowRunContext.get() is None
    assert TaskRunContext.get() is None
    with pytest.raises(MissingContextError):
        get_run_context()


@moves(
    *("runtime.flow_run", "runtime.task_run", "runtime.deployment", "hooks", "tags()"),
    *("runtime.flow_run.id", "runtime.flow_run.name", "runtime.flow_run.flow_name"),
    *("runtime.flow_run.flow_version", "runtime.flow_run.parameters", "runtime.flow_run.tags"),
    *("runtime.flow_run.run_count", "runtime.flow_run.parent_flow_run_id"),
    *("runtime.flow_run.root_flow_run_id", "runtime.flow_run.scheduled_start_time"),
    *("runtime.task_run.id", "runtime.task_run.name", "runtime.task_run.task_name"),
    *("runtime.task_run.parameters", "runtime.task_run.tags", "runtime.task_run.run_count"),
)
def test_hooks_get_the_run_with_its_state_and_read_the_runtime(recorded: Harness) -> None:
    seen: dict[str, Any] = {}

    def note(owner: Any, run: Any, state: Any) -> None:
        assert run.state is state
        seen[owner.name] = {
            "id": run.id,
            "state": state.name,
            "flow": (flow_run.id, flow_run.name, flow_run.flow_name, flow_run.flow_version),
            "parameters": (flow_run.parameters, task_run.parameters),
            "tags": (flow_run.tags, task_run.tags),
            "task": (task_run.id, task_run.name, task_run.task_name, task_run.run_count),
        }

    @task(on_failure=[note], retries=1, tags=["io"])
    def inner(a: int) -> None:
        raise OSError(a)

    @flow(on_completion=[note], version="3", final_state="return_value")
    def outer(b: int) -> None:
        assert (flow_run.run_count, flow_run.parent_flow_run_id) == (1, None)
        assert flow_run.root_flow_run_id == flow_run.id
        assert isinstance(flow_run.scheduled_start_time, dt.datetime)
        inner(b, return_state=True)

    with tags("nightly"):
        outer(5)
    ids = {name: recorded.run(name).id for name in ("inner", "outer")}
    around = (ids["outer"], "outer", "outer", "3")
    assert seen["inner"] == {
        "id": ids["inner"],
        "state": "Failed",
        "flow": around,
        "parameters": ({"b": 5}, {"a": 5}),
        "tags": (["nightly"], ["io", "nightly"]),
        "task": (ids["inner"], "inner", "inner", 2),
    }
    assert seen["outer"]["flow"] == around
    assert seen["outer"]["task"] == (None, None, None, 0)
    assert runtime.flow_run.id is None


def test_a_run_without_a_deployment_has_none() -> None:
    read = {name: getattr(deployment, name) for name in deployment.__all__}
    assert read == {
        "flow_run_id": None,
        "id": None,
        "name": None,
        "parameters": {},
        "version": None,
    }
    with pytest.raises(AttributeError, match="there are"):
        deployment.colour  # type: ignore[attr-defined]  # noqa: B018


def test_a_running_attempt_after_the_first_is_named_retrying() -> None:
    names: list[str] = []

    @task(retries=1, on_running=[lambda *given: names.append(given[2].name)])
    def again() -> None:
        if len(names) == 1:
            raise OSError

    again()
    assert names == ["Running", "Retrying"]
