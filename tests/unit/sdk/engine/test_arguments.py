"""The search for futures in arguments, and what tasks get in their place."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, defaultdict
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr
from towpath import allow_failure, flow, quote, task, unmapped
from towpath._engine import arguments
from towpath._engine.arguments import search
from towpath._runs.children import Child
from towpath._state_type import StateType
from towpath.exceptions import ParameterError
from towpath.futures import Future
from towpath.states import State

if TYPE_CHECKING:
    from towpath.testing import Harness

DEPTH = 20_000  # Calls for each level would end at a tenth of it.


def ended(value: Any = None, error: Exception | None = None) -> Future[Any]:
    future: Future[Any] = Future("r", Child("r"))
    kind = StateType.COMPLETED if error is None else StateType.FAILED
    future.finish(State(type=kind, value=value, exception=error))
    return future


def resolved(value: Any) -> Any:
    return search({"value": value}).resolved()["value"]


@dataclass
class Counted:
    value: Any
    scale: InitVar[int] = 1
    total: int = field(init=False)

    def __post_init__(self, scale: int) -> None:
        BUILT.append(scale)
        self.total = scale


BUILT: list[int] = []


@dataclass(frozen=True, slots=True)
class Frozen:
    value: Any


@dataclass(init=False)
class Half:
    a: Any
    b: Any

    def __init__(self, a: Any) -> None:
        self.a = a


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True, extra="allow")
    a: Any
    b: Any
    _note: str = PrivateAttr("none")


class Pair(NamedTuple):
    left: Any
    right: Any


class Listed(list[Any]):
    def __init__(self, owner: str, items: Any) -> None:
        super().__init__(items)
        self.owner = owner


class Touchy(dict[str, Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("don't look")

    def keys(self) -> Any:
        raise RuntimeError("don't look")


@dataclass(eq=False)
class Node:
    near: list[Any] = field(default_factory=list[Any])
    held: Any = None


@pytest.mark.parametrize(
    "value",
    [
        [1, [2, {"a": (3, {4})}]],
        Half(1),
        Model.model_construct(a=1),
        Counted(1, 3),
        Frozen([1]),
        Listed("x", [1]),
        Touchy(a=1),
        Pair(1, [2]),
        OrderedDict(a=[1]),
        Node(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_argument_without_futures_is_passed_as_the_object_that_it_is(value: Any) -> None:
    assert resolved(value) is value


def test_a_copy_with_results_calls_no_init_and_keeps_all_else() -> None:
    original = Counted(ended(5), 3)
    BUILT.clear()
    copy = resolved(original)
    assert (copy.value, copy.total, BUILT) == (5, 3, [])
    assert isinstance(original.value, Future)


def test_half_built_objects_that_hold_a_future_are_copied_half_built() -> None:
    copy = resolved(Half(ended(5)))
    assert copy.a == 5
    assert not hasattr(copy, "b")
    model = Model.model_construct(a=ended(6))
    assert resolved(model).a == 6
    assert not hasattr(resolved(model), "b")


def test_models_keep_private_attributes_extras_and_which_fields_were_set() -> None:
    model = Model(a=[ended(1)], b=2, more=ended(3))
    model._note = "kept"
    copy = resolved(model)
    assert (copy.a, copy.b, copy.more, copy._note) == ([1], 2, 3, "kept")
    assert copy.model_fields_set == model.model_fields_set
    assert isinstance(model.more, Future)


def test_containers_of_every_class_keep_their_class_and_what_else_they_hold() -> None:
    one = ended(1)
    listed = resolved(Listed("me", [one, 2]))
    assert (listed, type(listed), listed.owner) == ([1, 2], Listed, "me")
    default = resolved(defaultdict(list, a=one))
    assert (default, default["new"]) == ({"a": 1, "new": []}, [])
    assert resolved(OrderedDict(a=one)) == OrderedDict(a=1)
    assert type(resolved(Counter({one: 2}))) is Counter
    assert resolved(Pair(one, 2)) == Pair(1, 2)
    assert type(resolved(Pair(one, 2))) is Pair
    assert resolved({one, 2}) == {1, 2}
    assert resolved(frozenset({one})) == frozenset({1})
    assert resolved(Frozen(one)) == Frozen(1)
    assert resolved({one: "key"}) == {1: "key"}


def test_what_can_not_be_copied_is_passed_as_it_is_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Single:
        def __copy__(self) -> Any:
            return self

    @dataclass
    class Unique(Single):
        value: Any

    unique = Unique(ended(1))
    assert resolved([unique, ended(2)]) == [unique, 2]
    assert "Unique holds a future and can't be copied" in caplog.text
    unhashable = {ended([])}
    assert resolved(unhashable) is unhashable


def test_cycles_end_and_stay_cycles() -> None:
    nodes = [Node(held=ended(number)) for number in range(14)]
    for node in nodes:
        node.near = [other for other in nodes if other is not node]
    copy = resolved(nodes[0])
    assert copy.held == 0
    assert sorted(other.held for other in copy.near) == list(range(1, 14))
    assert all(copy in other.near for other in copy.near)
    assert nodes[0] not in copy.near[0].near


def test_a_tuple_in_a_cycle_is_copied_too() -> None:
    inner: list[Any] = []
    outer = (ended(1), inner)
    inner.append(outer)
    copy = resolved(outer)
    assert copy[0] == 1
    assert copy[1][0] is copy


def test_shared_objects_are_visited_once_and_stay_shared() -> None:
    value: Any = [ended(1)]
    for _ in range(60):
        value = [value, value]
    assert len(search({"value": value}).waits) == 1
    copy = resolved(value)
    for _ in range(60):
        assert copy[0] is copy[1]
        copy = copy[0]
    assert copy == [1]


def test_one_object_in_two_arguments_is_one_object_for_the_task() -> None:
    shared = [ended(1)]
    both = search({"a": shared, "b": {"in": shared}}).resolved()
    assert both["a"] is both["b"]["in"]


def test_depth_has_no_end() -> None:
    value: Any = ended(1)
    for _ in range(DEPTH):
        value = [value]
    copy = resolved(value)
    for _ in range(DEPTH):
        (copy,) = copy
    assert copy == 1


def test_failures_are_allowed_where_the_wrapper_stands() -> None:
    error = ValueError("no")
    failed = ended(error=error)
    shared = [failed]
    found = search({"value": [shared, allow_failure(shared)]})
    assert [allowed for _, _, allowed in found.waits] == [False, True]
    assert resolved([allow_failure(shared)]) == [[error]]


def test_wrappers_are_taken_off_and_quoted_values_are_left_alone() -> None:
    one = ended(1)
    quoted = [one]
    assert resolved(quote(quoted)) is quoted
    assert resolved([unmapped(one), unmapped(2)]) == [1, 2]
    assert search({"value": quote(quoted)}).waits == []


def test_past_the_budget_arguments_are_passed_as_they_are_with_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arguments, "BUDGET", 50)
    near, far = ended("near"), ended("far")
    found = search({"value": [*([index] for index in range(100)), [far], near]})
    assert [future for future, _, _ in found.waits] == [near]
    assert "more than 50 containers" in caplog.text
    assert found.resolved()["value"][-2:] == [[far], "near"]


def test_a_future_that_comes_into_a_list_later_is_not_waited_for() -> None:
    pending: Future[Any] = Future("r", Child("r"))
    given_list = [ended(1)]
    found = search({"value": given_list})
    given_list.append(pending)
    assert found.resolved()["value"] == [1, pending]


def test_a_million_integers_cost_next_to_nothing() -> None:
    numbers = list(range(1_000_000))
    began = time.thread_time()
    assert len([type(number) for number in numbers]) == 1_000_000
    once_through = time.thread_time() - began
    began = time.thread_time()
    found = search({"numbers": numbers})
    assert found.resolved()["numbers"] is numbers
    assert time.thread_time() - began < 4 * once_through


leaves = st.integers() | st.text(max_size=3) | st.none()
wrapped = st.builds(lambda value: ("future", value), st.integers())
trees = st.recursive(
    leaves | wrapped,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(lambda items: ("tuple", items))
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | inner.map(lambda value: ("frozen", value))
        | inner.map(lambda value: ("model", value))
    ),
    max_leaves=25,
)


def built(tree: Any, *, results: bool) -> Any:
    """What a tree stands for, with futures or with their results."""
    if isinstance(tree, list):
        return [built(item, results=results) for item in tree]
    if isinstance(tree, dict):
        return {key: built(item, results=results) for key, item in tree.items()}
    if not isinstance(tree, tuple):
        return tree
    kind, content = tree
    if kind == "future":
        return content if results else ended(content)
    inner = built(content, results=results)
    made = {"tuple": tuple, "frozen": Frozen, "model": lambda value: Model(a=value, b=0)}
    return made[kind](inner)


@settings(deadline=None)
@given(trees)
def test_any_argument_arrives_with_results_in_the_place_of_futures(tree: Any) -> None:
    given_value = built(tree, results=False)
    found = search({"value": given_value})
    got = found.resolved()["value"]
    assert got == built(tree, results=True)
    assert (got is given_value) == (not found.waits)


def test_tasks_get_arguments_as_they_are_whichever_way_they_are_called(
    towpath_harness: Harness,
) -> None:
    @task
    def is_same(one: object, other: object) -> bool:
        return one is other

    @flow
    def passes() -> list[bool]:
        half, deep = Half(1), []
        for _ in range(900):
            deep = [deep]
        return [is_same(half, half), is_same.submit(deep, deep).result()]

    assert passes() == [True, True]


def test_an_array_without_a_dimension_goes_to_every_call_of_a_map() -> None:
    @task
    def added(number: int, array: Any) -> int:
        return number + int(array)

    @flow
    def adding() -> list[int]:
        return added.map([1, 2], np.array(3)).result()

    @flow
    def alone() -> Any:
        return added.map(1, np.array(3))

    assert adding() == [4, 5]
    with pytest.raises(ParameterError, match="no argument is a list to map over"):
        alone()
