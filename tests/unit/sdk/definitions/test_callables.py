"""Callables of every kind as flows, tasks, hooks and conditions."""

from __future__ import annotations

import asyncio
import functools
import operator
from typing import TYPE_CHECKING, Annotated, Any
from unittest.mock import AsyncMock

import numpy as np
import pytest
from towpath import flow, get_run_logger, task
from towpath.annotations import Sensitive
from towpath.cache_policies import INPUTS, TASK_SOURCE
from towpath.exceptions import DefinitionError, ParameterError, RunTimedOut, UnhashableInputError
from towpath.task_runners import ProcessPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath.task_runners import TaskRunner
    from towpath.testing import Harness


def add(value: int, amount: int = 1) -> int:
    """Adds an amount."""
    return value + amount


async def add_async(value: int, amount: int = 1) -> int:
    await asyncio.sleep(0)
    get_run_logger().info("added %s", amount)
    return value + amount


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that doesn't know of async functions."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Adding:
    def __init__(self, amount: Any) -> None:
        self.amount = amount

    def __call__(self, value: int) -> int:
        return int(value + self.amount)


class AddingAsync(Adding):
    async def __call__(self, value: int) -> int:  # type: ignore[override]
        return await add_async(value, self.amount)


class Unhashable(Adding):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Wrapping:
    """A decorator that is a class."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


SYNC = {
    "partial": functools.partial(add, amount=5),
    "partial of a partial": functools.partial(functools.partial(add), amount=5),
    "object": Adding(5),
    "unhashable object": Unhashable(5),
    "partial of an object": functools.partial(Adding(5)),
    "method": Adding(5).__call__,
    "lambda": lambda value: value + 5,
    "wrapper": Wrapping(functools.partial(add, amount=5)),
}
ASYNC = {
    "partial": functools.partial(add_async, amount=5),
    "object": AddingAsync(5),
    "partial of an object": functools.partial(AddingAsync(5)),
    "mock": AsyncMock(return_value=6),
}


@pytest.mark.parametrize("kind", SYNC)
def test_a_callable_of_any_kind_is_a_task_and_a_flow(
    kind: str, runner: TaskRunner, towpath_harness: Harness
) -> None:
    each = task(SYNC[kind])

    @flow(task_runner=runner)
    def calls() -> list[int]:
        return [each(1), each.submit(1).result(), *each.map([2]).result()]

    assert calls() == [6, 6, 7]
    assert flow(SYNC[kind])(1) == 6


@pytest.mark.parametrize("kind", ASYNC)
async def test_an_async_callable_of_any_kind_is_awaited(
    kind: str, runner: TaskRunner, towpath_harness: Harness
) -> None:
    each = task(ASYNC[kind])

    @flow(task_runner=runner)
    async def calls() -> list[int]:
        return [await each(1), each.submit(1).result()]

    assert await calls() == [6, 6]
    assert await flow(ASYNC[kind])(1) == 6


def test_names_are_those_of_the_function_or_class() -> None:
    assert [task(SYNC[kind]).name for kind in ("partial", "object", "method")] == [
        "add",
        "Adding",
        "__call__",
    ]
    bound = task(functools.partial(add, amount=5))
    assert bound.description == "Adds an amount."
    assert bound.task_key == f"{__name__}.add"
    assert task(Adding(1)).task_key == f"{__name__}.Adding"
    assert flow(Adding(1), name="chosen").name == "chosen"


def test_builtins_are_tasks() -> None:
    assert task(len)([1, 2]) == 2
    assert task(max)(1, 2) == 2
    assert task("a-b".split)("-") == ["a", "b"]
    assert task(len, cache_policy=INPUTS + TASK_SOURCE)([1]) == 1
    # Its signature shows defaults that it refuses when they are given.
    assert task(np.add)(1, 2) == 3
    assert task(functools.partial(np.add, 1), cache_policy=TASK_SOURCE)(2) == 3


def test_what_a_partial_binds_is_validated_as_a_default_and_named_in_errors() -> None:
    assert flow(functools.partial(add, amount=5))("1") == 6
    with pytest.raises(ParameterError, match="parameter 'value': Input should be a valid integer"):
        flow(functools.partial(add, amount=5))("one")
    with pytest.raises(DefinitionError, match=r"binds what its function doesn't take: .*'wrong'"):
        task(functools.partial(add, wrong=5))


def test_methods_are_bound_as_python_binds_them() -> None:
    class Tools:
        factor = 3
        of_object = task(Adding(5))
        of_partial = task(functools.partial(add, amount=5))
        of_method = task(Adding(5).__call__)

        @task
        @Wrapping
        def wrapped(self, value: int) -> int:
            return self.factor * value

    tools = Tools()
    assert [tools.of_object(1), tools.of_partial(1), tools.of_method(1)] == [6, 6, 6]
    assert tools.wrapped(2) == 6


def test_what_a_partial_binds_is_an_input(towpath_harness: Harness) -> None:
    def cached(function: Any) -> Any:
        return task(function, cache_policy=INPUTS)

    @flow
    def calls() -> list[int]:
        of_name = [cached(functools.partial(add, amount=n))(1) for n in (5, 7, 5)]
        of_place = [cached(functools.partial(add, n))() for n in (1, 2, 1)]
        return [*of_name, *of_place, cached(add)(1, 7)]

    assert calls() == [6, 8, 6, 2, 3, 2, 8]
    reasons = [run.reason for run in towpath_harness.runs if run.kind == "task"]
    # The last call is one that a partial has made before.
    assert reasons == ["", "", "CACHED", "", "", "CACHED", "CACHED"]


def test_the_state_of_an_object_is_an_input(towpath_harness: Harness) -> None:
    @flow
    def calls() -> list[int]:
        objects = [Adding(5), Adding(7), Adding(5)]
        policy = INPUTS + TASK_SOURCE
        return [
            *(task(each, cache_policy=policy)(1) for each in objects),
            *(task(functools.partial(each), cache_policy=policy)(1) for each in objects),
        ]

    assert calls() == [6, 8, 6, 6, 8, 6]
    reasons = [run.reason for run in towpath_harness.runs if run.kind == "task"]
    assert reasons == ["", "", "CACHED", "CACHED", "CACHED", "CACHED"]


def test_the_object_of_a_builtin_method_is_an_input(towpath_harness: Harness) -> None:
    @flow
    def calls() -> list[str]:
        return [task(text.upper, cache_policy=INPUTS)() for text in ("a", "b", "a")]

    assert calls() == ["A", "B", "A"]


def test_state_without_a_hash_is_refused(towpath_harness: Harness) -> None:
    with pytest.raises(UnhashableInputError, match=r"'self' .*\.amount is a object"):
        task(Adding(object()), cache_policy=INPUTS)(1)
    with pytest.raises(UnhashableInputError, match=r"'self' .*itemgetter"):
        task(operator.itemgetter(0), cache_policy=INPUTS)([1])


def test_a_sensitive_value_that_a_partial_binds_is_hidden(towpath_harness: Harness) -> None:
    def connect(password: Annotated[str, Sensitive], host: str) -> None:
        get_run_logger().info("%s at %s", password, host)

    task(functools.partial(connect, "hunter2-of-x"))("db")
    task(functools.partial(connect, password="hunter2-of-x", host="db"))()
    lines = [line.body for run in towpath_harness.runs for line in run.logs]
    assert lines == ["*** at db", "*** at db"]


def test_a_wrapper_around_an_async_function_runs_to_its_end(
    runner: TaskRunner, towpath_harness: Harness
) -> None:
    each = task(plain(add_async))

    @flow(task_runner=runner)
    def calls() -> list[Any]:
        return [each(1, 5), each.submit(1, 5).result(), task(lambda: add_async(1, 5))()]

    assert calls() == [6, 6, 6]
    assert flow(plain(add_async))(1) == 2
    # What the coroutine logs belongs to the run that made it.
    assert [len(run.logs) for run in towpath_harness.runs if run.kind == "task"] == [1, 1, 1]


async def test_a_wrapper_around_an_async_function_is_awaited_in_a_loop(
    towpath_harness: Harness,
) -> None:
    loops: list[Any] = []

    @plain
    async def here() -> int:
        loops.append(asyncio.get_running_loop())
        return 1

    @plain
    def around() -> int:
        return 2

    @flow
    async def calls() -> list[Any]:
        return [await task(here)(), task(around)()]

    assert await calls() == [1, 2]
    assert await flow(here)() == 1
    assert loops == [asyncio.get_running_loop()] * 2


def test_a_timeout_ends_the_coroutine_of_a_wrapper(towpath_harness: Harness) -> None:
    ended: list[str] = []

    @plain
    async def sleeps() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.append("ended")

    with pytest.raises(RunTimedOut):
        task(sleeps, timeout_seconds=0.01)()
    assert ended == ["ended"]


def test_what_fails_in_the_coroutine_of_a_wrapper_is_retried(towpath_harness: Harness) -> None:
    tries: list[int] = []

    @plain
    async def fails_once() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("first")
        return len(tries)

    assert task(fails_once, retries=1)() == 2
    (run,) = towpath_harness.runs
    assert run.attempt == 2


def test_a_callable_of_any_kind_is_a_hook_and_a_condition(towpath_harness: Harness) -> None:
    seen: list[Any] = []

    def note(place: str, _owner: object, _run: object, state: Any) -> bool:
        seen.append((place, state.type.value))
        return len(seen) < 4

    async def note_async(place: str, owner: object, run: object, state: Any) -> bool:
        await asyncio.sleep(0)
        return note(place, owner, run, state)

    class Noting:
        def __call__(self, owner: object, run: object, state: Any) -> None:
            note("object", owner, run, state)

    @task(
        retries=9,
        retry_condition_fn=functools.partial(note_async, "condition"),
        on_failure=[functools.partial(note, "partial"), Noting()],
        on_running=functools.partial(note_async, "async"),
    )
    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()
    tried = [("async", "RUNNING"), ("condition", "FAILED")]
    assert seen == [*tried, *tried, ("partial", "FAILED"), ("object", "FAILED")]


def test_an_async_function_makes_no_cache_key() -> None:
    async def key(_run: object, _arguments: object) -> str:
        return "k"

    with pytest.raises(DefinitionError, match="cache_key_fn is an ordinary function"):
        task(add, cache_key_fn=key)  # type: ignore[call-overload]


def test_callables_run_in_processes(towpath_harness: Harness) -> None:
    by_partial, by_object = task(functools.partial(add, amount=5)), task(Adding(7))
    by_wrapper = task(plain(add_async))

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def calls() -> list[int]:
        futures = [by_partial.submit(1), by_object.submit(1), by_wrapper.submit(1)]
        return [each.result() for each in futures]

    assert calls() == [6, 8, 2]
