"""Stored results: a value comes back as it was, or is refused with a sentence."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from pydantic import BaseModel, PrivateAttr
from towpath import flow, task
from towpath._results import encoding, scalars
from towpath._results.comparing import difference
from towpath._results.encoding import dumps, loads
from towpath._results.hashing import stable_hash
from towpath._results.places import Folder
from towpath._results.scalars import NotEncodableError
from towpath._results.store import StoredResults
from towpath.exceptions import ResultError

from tests.unit.sdk.results import kinds
from tests.unit.sdk.results.kinds import (
    BERLIN,
    NIGHT,
    VALUES,
    Doubling,
    Money,
    Slotted,
    money,
    values,
)

if TYPE_CHECKING:
    from pathlib import Path

    from towpath.testing import Harness


@pytest.mark.parametrize("value", VALUES.values(), ids=list(VALUES))
def test_a_value_of_every_kind_comes_back_as_it_was(value: Any) -> None:
    back = loads(dumps(value))
    assert type(back) is type(value)
    assert difference(value, back) is None
    assert stable_hash(back) == stable_hash(value)


@settings(deadline=None)
@given(values)
def test_any_value_comes_back_as_it_was(value: Any) -> None:
    back = loads(dumps(value))
    assert difference(value, back) is None
    assert stable_hash(back) == stable_hash(value)


def test_reading_calls_no_constructor_and_no_validator() -> None:
    doubled = Doubling(21)
    doubled.note = "changed"
    back = loads(dumps(doubled))
    assert (back.value, back.note) == (42, "changed")
    price = Money(amount=3)
    assert loads(dumps(price)).cents == price.cents == 300


def test_models_come_back_with_all_that_tells_them_apart() -> None:
    back = loads(dumps(money(5, source="private", more=1)))
    assert (back._source, back.more) == ("private", 1)
    assert back == money(5, source="private", more=1)
    assert back.model_fields_set == {"cents", "more"}


def test_values_worked_out_once_are_worked_out_again() -> None:
    price = money(5)
    assert price.label == "5 EUR"
    back = loads(dumps(price))
    assert "label" not in vars(back)
    assert back.label == "5 EUR"
    assert stable_hash(price) == stable_hash(money(5))


def test_numpy_scalars_come_back_as_they_were() -> None:
    for value in (
        np.float64(1.5),
        np.float32(1.5),
        np.int8(-3),
        np.bool_(True),
        np.str_("text"),
        np.datetime64("2026-03-01", "D"),
        np.complex128(1j),
    ):
        back = loads(dumps([value]))[0]
        assert type(back) is type(value)
        assert back == value
        assert back.dtype == value.dtype
    assert stable_hash(np.float64(1.5)) != stable_hash(1.5)
    with pytest.raises(NotEncodableError, match=r"\[0\] is a numpy scalar"):
        dumps([np.zeros(1, dtype=[("a", "i4")])[0]])


class LikeAMoment(dt.datetime):
    pass


class LikeASpan(dt.timedelta):
    pass


class LikeAList(list[int]):
    pass


class Elsewhere(dt.tzinfo):
    def utcoffset(self, _: Any) -> dt.timedelta:
        return dt.timedelta(hours=1)


@dataclasses.dataclass
class NamedList(list[int]):
    name: str = ""


class Guarded(BaseModel):
    _lock: Any = PrivateAttr(default_factory=threading.Lock)


def local() -> Any:
    @dataclasses.dataclass
    class Local:
        a: int = 1

    return Local()


def endless() -> Any:
    value: list[Any] = []
    value.append({"again": value})
    return value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([LikeAMoment(2026, 3, 1)], r"\[0\] is a .*LikeAMoment"),
        (LikeASpan(1), "it is a .*LikeASpan"),
        ({"a": LikeAList([1])}, r"\['a'\] is a .*LikeAList"),
        (NIGHT.replace(tzinfo=Elsewhere()), "it has a time zone of .*, which can't be named"),
        (NamedList(), "it is a .*NamedList"),
        ([Guarded()], r"\[0\].*\['_lock'\] is a _thread.lock"),
        ((local(),), r"\[0\] is a .*Local, a class within a function"),
        (endless(), "contains itself"),
    ],
)
def test_a_value_that_would_come_back_as_something_else_is_refused(value: Any, says: str) -> None:
    with pytest.raises(NotEncodableError, match=says):
        dumps(value)


def test_few_objects_that_stand_for_endless_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoding, "_MOST_CONTAINERS", 1000)
    value: Any = [1]
    for _ in range(40):
        value = [value, value]
    with pytest.raises(NotEncodableError, match="more than 1,000 lists"):
        dumps(value)


def test_objects_of_a_class_that_has_changed_are_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = dumps(Slotted(1))

    @dataclasses.dataclass(frozen=True, slots=True)
    class Other:
        a: Any
        b: Any
        c: Any

    Other.__module__, Other.__qualname__ = Slotted.__module__, "Slotted"
    monkeypatch.setattr(kinds, "Slotted", Other)
    with pytest.raises(ValueError, match="has other fields now"):
        loads(data)


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        (1, True, ""),
        (0.0, -0.0, ""),
        ([1, [2]], [1, [2.0]], "[1][0]"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ""),
        ({1}, {True}, "[0]"),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00"), ""),
        (NIGHT.replace(tzinfo=BERLIN), NIGHT.replace(tzinfo=BERLIN, fold=1), ""),
        ({"at": NIGHT.replace(tzinfo=dt.UTC)}, {"at": NIGHT.replace(tzinfo=BERLIN)}, "['at']"),
        (money(1, source=1), money(1, source=2), ".__pydantic_private__['_source']"),
        (Slotted((1,)), Slotted((2,)), ".a[0]"),
        ([object()], [object()], "[0]"),
    ],
)
def test_differences_are_found_where_equality_passes_over_them(
    one: Any, other: Any, where: str
) -> None:
    assert difference(one, other) == where


def test_a_result_is_read_back_before_it_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = StoredResults(Folder(tmp_path))
    monkeypatch.setitem(scalars._READERS, "decimal", float)
    with pytest.raises(ResultError, match=r"\['price'\] would come back as something else"):
        store.write("k", {"price": decimal.Decimal(1)}, run_id="r", serializer="json", expires=None)
    monkeypatch.setitem(scalars._READERS, "decimal", lambda _: 1 / 0)
    with pytest.raises(ResultError, match="can't be read back: division by zero"):
        store.write("k", decimal.Decimal(1), run_id="r", serializer="json", expires=None)
    assert not list(tmp_path.iterdir())


class Unreadable(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)


class Pickled:
    def __reduce__(self) -> Any:
        return dict, ()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Unreadable(1, "x"), "can't be pickled and read back"),
        (Pickled(), "comes back from its pickle as a dict"),
    ],
)
def test_a_pickle_that_gives_back_something_else_is_refused(
    value: Any, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ResultError, match=says):
        StoredResults(Folder(tmp_path)).write(
            "k", value, run_id="r", serializer="pickle", expires=None
        )


def test_a_cached_run_returns_what_the_first_run_returned(towpath_harness: Harness) -> None:
    made = [VALUES["a model"], VALUES["root of a dict"], VALUES["a fold"], VALUES["flags"]]
    calls: list[int] = []

    @task(persist_result=True)
    def result(number: int) -> Any:
        calls.append(number)
        return made[number]

    @flow
    def twice() -> list[Any]:
        return [[result(number), result(number)] for number in range(len(made))]

    for value, (first, second) in zip(made, twice(), strict=True):
        assert first is value
        assert difference(first, second) is None
    assert calls == [0, 1, 2, 3]
