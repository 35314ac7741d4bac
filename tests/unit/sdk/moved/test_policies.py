"""Cache policies: of one's own, combined, and their options."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    RUN_ID,
    TASK_SOURCE,
    CacheKeyFnPolicy,
    CachePolicy,
    CompoundCachePolicy,
    FlowParameters,
    Inputs,
    RunId,
    TaskSource,
)
from towpath.exceptions import DefinitionError
from towpath.locking.filesystem import FileSystemLockManager
from towpath.locking.memory import MemoryLockManager
from towpath.transactions import IsolationLevel

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from pathlib import Path

    from towpath.testing import Harness


def computed(policy: CachePolicy, *calls: dict[str, Any], **flow_parameters: Any) -> int:
    """How many of some calls compute a result, within one flow."""
    count = 0

    @task(cache_policy=policy)
    def adds(a: int = 0, b: int = 0) -> int:
        nonlocal count
        count += 1
        return a + b

    @flow
    def around(**_: Any) -> None:
        for call in calls:
            adds(**call)

    around(**flow_parameters)
    return count


@moves("cache_policies.CachePolicy", "cache_policy", "context.TaskRunContext.task")
def test_a_policy_of_ones_own_gets_the_context_the_inputs_and_the_flows_parameters() -> None:
    seen: list[Any] = []

    class Mine(CachePolicy):
        def compute_key(
            self,
            task_ctx: Any,
            inputs: dict[str, Any],
            flow_parameters: dict[str, Any],
            **kwargs: Any,
        ) -> str | None:
            seen.append((task_ctx.task.name, task_ctx.task_run.id, inputs, flow_parameters))
            return str(inputs["a"])

    assert computed(Mine(), {"a": 1}, {"a": 1, "b": 2}, {"a": 2}, day="monday") == 2
    (name, run_id, inputs, parameters), *_ = seen
    assert (name, inputs, parameters) == ("adds", {"a": 1, "b": 0}, {"_": {"day": "monday"}})
    assert isinstance(run_id, str)


@moves(
    *("cache_policies.INPUTS", "cache_policies.Inputs", "cache_policies.NO_CACHE"),
    *("cache_policies.TASK_SOURCE", "cache_policies.TaskSource", "cache_policies.RUN_ID"),
    *("cache_policies.RunId", "cache_policies.FLOW_PARAMETERS", "cache_policies.FlowParameters"),
    *("cache_policies.DEFAULT", "CachePolicy.__add__", "CachePolicy.__sub__"),
    "cache_policies.CompoundCachePolicy",
)
@pytest.mark.parametrize(
    ("policy", "count"),
    [
        (Inputs(), 2),
        (Inputs(exclude=["b"]), 1),
        (INPUTS - "b", 1),
        (Inputs(exclude=["a"]) - "b", 1),
        ((INPUTS + TASK_SOURCE) - "b", 1),
        (TaskSource(), 1),
        (RunId(), 1),
        (FlowParameters(), 1),
        (FLOW_PARAMETERS + INPUTS, 2),
        (RUN_ID + TASK_SOURCE, 1),
        (DEFAULT, 2),
        (NO_CACHE, 3),
        (NO_CACHE + INPUTS, 2),
        (CompoundCachePolicy(policies=(INPUTS, TASK_SOURCE)), 2),
    ],
    ids=repr,
)
def test_policies_say_which_runs_are_the_same(policy: CachePolicy, count: int) -> None:
    calls = [{"a": 1}, {"a": 1, "b": 5}, {"a": 1}]
    assert computed(policy, *calls) == count


@moves("cache_policies.CacheKeyFnPolicy", "CachePolicy.from_cache_key_fn", "cache_key_fn")
def test_a_function_makes_keys() -> None:
    policy = CachePolicy.from_cache_key_fn(lambda _, parameters: str(parameters["a"]))
    assert isinstance(policy, CacheKeyFnPolicy)
    assert computed(policy, {"a": 1}, {"a": 1, "b": 2}, {"a": 2}) == 2


def test_only_policies_are_added_and_only_names_left_out() -> None:
    text: Any = "b"
    number: Any = 5
    with pytest.raises(TypeError, match="another one"):
        _ = INPUTS + text
    with pytest.raises(TypeError, match="by its name"):
        _ = INPUTS - number


@moves("CachePolicy.configure")
def test_options_of_a_policy_are_kept_by_combinations() -> None:
    stored = INPUTS.configure(key_storage="folder")
    assert stored.key_storage == "folder"
    assert INPUTS.key_storage is None
    combined = [
        TASK_SOURCE + stored,
        stored + TASK_SOURCE,
        stored - "a",
        (TASK_SOURCE + stored) - "a",
    ]
    assert [each.key_storage for each in combined] == ["folder"] * 4


def test_a_policy_without_kept_results_warns_and_the_task_runs(
    recorded: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):

        @task(persist_result=False, cache_policy=INPUTS)
        def runs() -> int:
            return 1

    assert [runs(), runs()] == [1, 1]
    assert "persist_result=False" in caplog.text
    assert [run.reason for run in recorded.runs] == ["", ""]
    assert runs.cache_policy == NO_CACHE


@moves("isolation_level", "lock_manager", "key_storage")
def test_options_of_policies(tmp_path: Path) -> None:
    locks = MemoryLockManager()
    policy = INPUTS.configure(
        key_storage=tmp_path, lock_manager=locks, isolation_level=IsolationLevel.SERIALIZABLE
    )
    assert policy == Inputs(
        key_storage=tmp_path, lock_manager=locks, isolation_level="SERIALIZABLE"
    )
    for made in (policy + TASK_SOURCE, TASK_SOURCE + policy, policy - "a", policy + NO_CACHE):
        assert made.key_storage == tmp_path
        assert made.lock_manager == locks
        assert made.isolation_level == "SERIALIZABLE"
    assert INPUTS.isolation_level is None
    for other in (
        TaskSource(key_storage="elsewhere"),
        TaskSource(isolation_level="READ_COMMITTED"),
        TaskSource(lock_manager=FileSystemLockManager(tmp_path)),
    ):
        with pytest.raises(DefinitionError, match="policies that are added have one"):
            _ = policy + other
    with pytest.raises(DefinitionError, match="isolation_level is one of READ_COMMITTED, SERIAL"):
        Inputs(isolation_level="CHAOS")
    locks_by_name: Any = "locks"
    with pytest.raises(DefinitionError, match="lock_manager is an object"):
        INPUTS.configure(lock_manager=locks_by_name)

    class Mine(CachePolicy):
        pass

    assert Mine(isolation_level="SERIALIZABLE").isolation_level is IsolationLevel.SERIALIZABLE
