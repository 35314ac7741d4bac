"""The public names: users' code stands on them, so that losing one is a decision."""

from __future__ import annotations

from importlib import import_module

import pytest

NAMES = {
    "towpath": "Flow State Task allow_failure flow get_run_logger quote tags task unmapped",
    "towpath.annotations": "allow_failure quote unmapped",
    "towpath.cache_policies": (
        "CacheKeyFnPolicy CachePolicy CompoundCachePolicy DEFAULT FLOW_PARAMETERS INPUTS NO_CACHE"
        " RUN_ID TASK_SOURCE"
    ),
    "towpath.context": "RunContext get_run_context tags",
    "towpath.flows": "Flow flow",
    "towpath.futures": "Future FutureList as_completed wait",
    "towpath.logging": "get_run_logger",
    "towpath.runtime": "flow_run task_run",
    "towpath.states": "State StateType",
    "towpath.task_runners": (
        "InlineTaskRunner ProcessPoolTaskRunner TaskRunner ThreadPoolTaskRunner"
    ),
    "towpath.tasks": "Task exponential_backoff task task_input_hash",
    "towpath.testing": "Harness LogLine Run VirtualClock harness",
}


@pytest.mark.parametrize("module", NAMES)
def test_public_names_are_there_and_no_others(module: str) -> None:
    imported = import_module(module)
    assert sorted(imported.__all__) == sorted(NAMES[module].split())
    for name in imported.__all__:
        assert getattr(imported, name) is not None or module.startswith("towpath.runtime")
