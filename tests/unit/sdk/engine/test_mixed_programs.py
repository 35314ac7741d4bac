"""Programs of sync and async flows and tasks, one within the other, end with the right values."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from towpath import flow, task
from towpath.task_runners import InlineTaskRunner, ThreadPoolTaskRunner
from towpath.testing import harness

if TYPE_CHECKING:
    from towpath.task_runners import TaskRunner


@dataclass(frozen=True)
class Node:
    """A call: what it calls itself, and how it waits for that."""

    is_async: bool
    is_flow: bool
    submitted: bool
    blocking: bool
    children: tuple[Node, ...]

    @property
    def value(self) -> int:
        return 1 + sum(child.value for child in self.children)


def begin(node: Node, runner: TaskRunner, *, in_async: bool) -> Any:
    """Begins a child: a future, a coroutine, or its value."""
    if node.submitted or (node.is_async and not in_async):
        return (async_task if node.is_async else sync_task).submit(node, runner)
    if node.is_flow:
        kind = async_flow if node.is_async else sync_flow
        return kind.with_options(task_runner=runner)(node, runner)
    return (async_task if node.is_async else sync_task)(node, runner)


def in_sync(node: Node, runner: TaskRunner) -> int:
    begun = [begin(child, runner, in_async=False) for child in node.children]
    return 1 + sum(one if isinstance(one, int) else one.result() for one in begun)


async def in_async(node: Node, runner: TaskRunner) -> int:
    begun = [begin(child, runner, in_async=True) for child in node.children]
    coroutines = [one for one in begun if inspect.iscoroutine(one)]
    together = asyncio.gather(*coroutines)
    if not node.blocking:
        await asyncio.sleep(0)
    total = 1
    for one in begun:
        if isinstance(one, int):
            total += one
        elif not inspect.iscoroutine(one):
            total += one.result() if node.blocking else await one
    return total + sum(await together)


@flow
def sync_flow(node: Node, runner: Any) -> int:
    return in_sync(node, runner)


@flow
async def async_flow(node: Node, runner: Any) -> int:
    return await in_async(node, runner)


@task
def sync_task(node: Node, runner: Any) -> int:
    return sync_flow(node, runner) if node.is_flow else in_sync(node, runner)


@task
async def async_task(node: Node, runner: Any) -> int:
    return await async_flow(node, runner) if node.is_flow else await in_async(node, runner)


def _node(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    flags = [st.booleans() for _ in range(4)]
    return st.builds(Node, *flags, children=st.lists(children, max_size=3).map(tuple))


_leaf = st.builds(Node, *[st.booleans() for _ in range(4)], children=st.just(()))
nodes = st.recursive(_leaf, _node, max_leaves=8)
runners = st.sampled_from(
    [InlineTaskRunner(), ThreadPoolTaskRunner(max_workers=1), ThreadPoolTaskRunner(max_workers=3)]
)


def _within(*kinds: bool) -> Node:
    """Sync and async tasks, each submitted by the one before, below a flow that blocks its loop."""
    node: tuple[Node, ...] = ()
    for kind in reversed(kinds):
        node = (Node(is_async=kind, is_flow=False, submitted=True, blocking=True, children=node),)
    return Node(is_async=True, is_flow=True, submitted=False, blocking=True, children=node)


@pytest.mark.timeout(60)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(node=_within(False, True), runner=ThreadPoolTaskRunner(max_workers=2))
@example(node=_within(True, False, True), runner=ThreadPoolTaskRunner(max_workers=1))
@given(node=nodes, runner=runners)
def test_any_mixed_program_ends_with_the_right_value(node: Node, runner: TaskRunner) -> None:
    with harness() as recorded:
        kind = async_flow if node.is_async else sync_flow
        outcome: Any = kind.with_options(task_runner=runner, validate_parameters=False)(
            node, runner
        )
        value = asyncio.run(outcome) if node.is_async else outcome
    assert value == node.value
    assert {run.state for run in recorded.runs} == {"COMPLETED"}
