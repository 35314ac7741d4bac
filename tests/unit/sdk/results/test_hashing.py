"""Cache keys: equal only for values that can't be told apart."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import operator
import random
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from towpath._results.comparing import difference
from towpath._results.hashing import stable_hash
from towpath._results.scalars import NotEncodableError

from tests.unit.sdk.results.kinds import NIGHT, Right, Slotted, ZoneInfo, half, money, values


def twice(value: int) -> int:
    return value * 2


def adder(number: int) -> Any:
    def add(value: int) -> int:
        return value + number

    return add


def local_class(number: int) -> Any:
    @dataclass
    class Local:
        a: int = number

    return Local


@dataclass
class Derived:
    name: str
    hidden: Any = field(init=False, default=None)
    unequal: Any = field(compare=False, default=None)

    def __post_init__(self) -> None:
        self.length = len(self.name)


class Plain:
    def __init__(self, held: Any) -> None:
        self.held = held


def derived(name: str = "n", **changes: Any) -> Derived:
    made = Derived(name)
    for key, value in changes.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ("\ud83d\ude00", "\U0001f600"),
        ([1], (1,)),
        ({1}, frozenset({1})),
        ({1: "a"}, {"1": "a"}),
        ({"$": "tuple", "v": []}, ()),
        (derived(hidden=1), derived(hidden=2)),
        (derived(unequal=1), derived(unequal=2)),
        (derived(length=1), derived(length=2)),
        (derived(more=1), derived()),
        (half(1), half(2)),
        (Slotted(1, 2), Slotted(1, 3)),
        (money(1, source="a"), money(1, source="b")),
        (money(1, currency="EUR"), money(1)),
        (
            NIGHT.replace(tzinfo=ZoneInfo("Europe/Berlin")),
            NIGHT.replace(tzinfo=ZoneInfo("Europe/Madrid")),
        ),
        (
            NIGHT.replace(tzinfo=ZoneInfo("Europe/Berlin")),
            NIGHT.replace(tzinfo=dt.timezone(dt.timedelta(hours=2))),
        ),
        (NIGHT, NIGHT.replace(fold=1)),
        (Right.READ | Right.ADMIN, Right.READ),
        (Slotted, half),
    ],
)
def test_values_that_can_be_told_apart_have_different_keys(one: Any, other: Any) -> None:
    assert stable_hash(one) != stable_hash(other)
    assert stable_hash([one]) != stable_hash([other])


@settings(deadline=None)
@given(values, values)
def test_equal_keys_mean_that_values_can_not_be_told_apart(one: Any, other: Any) -> None:
    if stable_hash(one) == stable_hash(other):
        assume(not _holds_dict(one))  # their order doesn't count
        assert difference(one, other) is None
    assert stable_hash(one) == stable_hash(copy.deepcopy(one))


def _holds_dict(value: Any) -> bool:
    return "{" in repr(value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda x: x, "a function that its name .*<lambda>.* doesn't lead back to"),
        ([adder(1)], r"\[0\] is a function that its name 'adder.<locals>.add'"),
        (twice.__get__(1), "it is a method"),
        (functools.partial(twice, 1), "it is a functools.partial"),
        ({"to": [].append}, r"\['to'\] is a builtin_function_or_method"),
        (local_class(1), "a class within a function"),
        ([local_class(1)()], r"\[0\] is a .*Local, a class within a function"),
        (Plain(1), "it is a .*Plain"),
        (object(), "it is a object"),
        (OrderedDict(), "it is a collections.OrderedDict"),
        (iter([1]), "it is a list_iterator"),
        (derived(hidden=Plain(1)), r"it.hidden|\.hidden is a .*Plain"),
    ],
)
def test_what_can_not_be_told_apart_for_certain_has_no_key(value: Any, says: str) -> None:
    with pytest.raises(NotEncodableError, match=says):
        stable_hash(value)


def test_functions_and_classes_that_their_names_lead_back_to_have_keys() -> None:
    things = [twice, adder, len, operator.add, int, Slotted, Plain]
    assert len({stable_hash(thing) for thing in things}) == len(things)


def test_an_object_of_any_class_is_taken_by_its_attributes_if_asked() -> None:
    def key(value: Any) -> str:
        return stable_hash(value, any_class=True)

    assert key(Plain(1)) == key(Plain(1)) != key(Plain(2))
    for value in (Plain(Plain(1)), [Plain(1)], object(), OrderedDict(), ValueError()):
        with pytest.raises(NotEncodableError):
            key(value)


class Dice(random.Random):
    pass


@pytest.mark.parametrize("value", [operator.itemgetter(1), functools.partial(twice), Dice(1)])
def test_an_object_with_state_that_no_attribute_shows_has_no_key(value: Any) -> None:
    with pytest.raises(NotEncodableError):
        stable_hash(value, any_class=True)


def test_arrays_are_told_apart_by_content_shape_and_dtype() -> None:
    zeros = np.zeros(4)
    arrays = [zeros, zeros.reshape(2, 2), zeros.astype("f4"), zeros.astype("i8"), zeros + 1]
    assert len({stable_hash(array) for array in arrays}) == len(arrays)
    with pytest.raises(NotEncodableError):
        stable_hash(np.array([object()]))


def test_sharing_does_not_change_a_key_and_costs_nothing() -> None:
    shared: Any = [1]
    apart: Any = [1]
    for _ in range(60):
        shared = [shared, shared]
    for _ in range(5):
        apart = [copy.deepcopy(apart), apart]
    few: Any = [1]
    for _ in range(5):
        few = [few, few]
    assert stable_hash(apart) == stable_hash(few)
    assert stable_hash(shared) == stable_hash(shared)


def test_what_contains_itself_has_no_key() -> None:
    cycle: list[Any] = []
    cycle.append({"in": cycle})
    with pytest.raises(NotEncodableError, match=r"\[0\]\['in'\] contains itself"):
        stable_hash(cycle)
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotEncodableError, match="nested too deeply"):
        stable_hash(deep)
