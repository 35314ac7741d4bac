"""Futures and states as inputs of tasks, maps and subflows."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from towpath import State, allow_failure, flow, quote, task, unmapped
from towpath.annotations import freeze, opaque
from towpath.exceptions import MappingLengthMismatch, MappingMissingIterable, UpstreamFailed
from towpath.states import Completed, Failed

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from towpath.testing import Harness


@task
def same(value: Any) -> Any:
    return value


@task
def listed(count: int = 3) -> list[int]:
    return list(range(count))


@task
def breaks() -> int:
    raise OSError("disk")


@task
def kind_of(value: Any) -> str:
    return type(value).__name__


@moves("Task.submit", "Task.__call__", "return_state")
def test_a_state_in_an_argument_becomes_its_result() -> None:
    @flow
    def run() -> list[Any]:
        state = listed(return_state=True)
        nested = {"a": [state], "b": 1}
        return [same(state), same.submit(state).result(), same(nested), kind_of(quote(state))]

    assert run() == [[0, 1, 2], [0, 1, 2], {"a": [[0, 1, 2]], "b": 1}, "State"]


@moves("allow_failure")
def test_a_state_of_a_failed_run_skips_the_task_unless_that_is_allowed(recorded: Harness) -> None:
    @flow(final_state="return_value")
    def run() -> str:
        state = breaks(return_state=True)
        same.submit(state)
        return kind_of(allow_failure(state))

    assert run() == "OSError"
    assert recorded.run("same").state == "SKIPPED"
    assert "disk" in recorded.run("same").message
    assert recorded.run("same").upstream == [recorded.run("breaks").id]


@moves("Task.map", "unmapped", "FutureList.result")
def test_futures_of_lists_are_mapped_over_and_depended_on(recorded: Harness) -> None:
    @flow
    def run() -> list[Any]:
        numbers = listed.submit()
        state = listed(2, return_state=True)
        return [same.map(numbers).result(), same.map(state).result()]

    assert run() == [[0, 1, 2], [0, 1]]
    mapped = [each for each in recorded.runs if each.task_name == "same"]
    assert all(len(each.upstream) == 1 for each in mapped)


def test_a_map_over_the_result_of_a_failed_run_raises_its_error() -> None:
    @flow
    def run() -> Any:
        return same.map(breaks.submit())

    with pytest.raises(OSError, match="disk"):
        run()


def test_failures_are_allowed_item_by_item() -> None:
    @flow
    def run() -> list[str]:
        return kind_of.map(allow_failure([breaks.submit(), same.submit(1)])).result()

    assert run() == ["OSError", "int"]


class Model(BaseModel):
    a: int = 1


class Colour(enum.Enum):
    RED = 1


@dataclass
class Frame:
    columns: tuple[str, ...] = ("a",)
    shape: tuple[int, int] = (1, 1)

    def __iter__(self) -> Any:
        return iter(self.columns)


Frame.columns, Frame.shape = ("a",), (1, 1)


@pytest.mark.parametrize(
    "whole", ["text", b"bytes", {"a": 1}, Model(), Colour, Frame(), unmapped([1, 2])], ids=repr
)
def test_some_values_go_to_every_call_of_a_map_whole(whole: Any) -> None:
    @task
    def pair(item: int, other: Any) -> tuple[int, str]:
        return item, type(other).__name__

    @flow
    def run() -> list[tuple[int, str]]:
        return pair.map([1, 2], whole).result()

    expected = "list" if isinstance(whole, unmapped) else type(whole).__name__
    assert run() == [(1, expected), (2, expected)]


def test_defaults_are_not_mapped_over_and_further_keywords_are() -> None:
    @task
    def total(item: int, factors: tuple[int, ...] = (1, 2, 3), **others: int) -> int:
        return item * sum(factors) + sum(others.values())

    @flow
    def run() -> list[int]:
        return total.map([1, 2], more=[10, 20], fixed=unmapped(100)).result()

    assert run() == [116, 132]


@moves("exceptions.MappingLengthMismatch", "exceptions.MappingMissingIterable")
def test_maps_of_different_lengths_or_of_nothing_are_refused() -> None:
    @flow
    def run(*arguments: Any) -> Any:
        return same.with_options(name="pair").map(*arguments)

    @task
    def pair(a: int, b: int) -> int:
        return a + b

    @flow
    def uneven() -> Any:
        return pair.map([1, 2, 3], [1])

    with pytest.raises(MappingLengthMismatch, match=r"'a': 3, 'b': 1"):
        uneven()
    with pytest.raises(MappingMissingIterable, match="no argument is a list"):
        run(5)


def test_a_map_can_return_the_states_of_its_runs() -> None:
    @flow
    def run() -> list[str]:
        states = same.map([1, 2], return_state=True)
        return [f"{state.name}:{state.result()}" for state in states]

    assert run() == ["Completed:1", "Completed:2"]


@moves("wait_for")
@pytest.mark.parametrize("kind", ["one", "list", "nested", "state", "values", "allowed"])
def test_runs_are_waited_for_in_every_form(kind: str, recorded: Harness) -> None:
    @flow(final_state="return_value")
    def run() -> Any:
        first = breaks.submit() if kind == "allowed" else same.submit(1)
        forms: dict[str, Any] = {
            "one": first,
            "list": [first],
            "nested": [[first], {"x": first}],
            "state": first.final_state() if kind == "state" else None,
            "values": [5, "text", None, first],
            "allowed": allow_failure(first),
        }
        return listed.submit(wait_for=forms[kind]).result()

    assert run() == [0, 1, 2]
    first = next(each for each in recorded.runs if each.task_name in {"same", "breaks"})
    assert set(recorded.run("listed").upstream) == {first.id}


def test_futures_and_states_given_to_subflows_are_resolved(recorded: Harness) -> None:
    @flow
    def inner(numbers: list[int], extra: dict[str, int]) -> int:
        return sum(numbers) + extra["n"]

    @flow
    async def inner_async(number: int) -> int:
        return number

    @flow
    def run() -> int:
        return inner(listed.submit(), {"n": same.submit(10)}) + inner(
            listed(return_state=True), {"n": 0}
        )

    @flow
    async def run_async() -> int:
        return await inner_async(same.submit(4))  # type: ignore[arg-type]

    assert run() == 16
    assert asyncio.run(run_async()) == 4
    assert recorded.run("inner_async").state == "COMPLETED"


def test_a_subflow_with_a_failed_input_is_skipped(recorded: Harness) -> None:
    @flow
    def inner(number: int) -> int:
        return number

    @flow(final_state="return_value")
    def run() -> str:
        state: State[int] = inner(breaks.submit(), return_state=True)  # type: ignore[arg-type]
        with pytest.raises(UpstreamFailed, match="disk"):
            inner(1, wait_for=[breaks.submit()])
        return state.name

    assert run() == "Skipped"
    assert {each.state for each in recorded.runs if each.flow_name == "inner"} == {"SKIPPED"}


@moves("quote", "opaque", "freeze")
def test_wrappers_keep_values_from_being_searched() -> None:
    @flow
    def run() -> list[Any]:
        future = same.submit(1)
        kinds = kind_of(quote(future)), same(opaque(future)), same(opaque([1]))
        inner = same(opaque([future]))
        return [*kinds, type(inner[0]).__name__, same(freeze(2)), freeze(2).unfreeze()]

    assert run() == ["Future", 1, [1], "Future", 2, 2]


def test_a_state_made_by_hand_is_an_input_of_no_run(recorded: Harness) -> None:
    @flow(final_state="return_value")
    def run() -> int:
        same.with_options(name="other").submit(Failed(message="by hand"))
        return same(Completed(data=7))

    assert run() == 7
    assert recorded.run("other").state == "SKIPPED"
    assert recorded.run("same[1]").upstream == []
