"""What a callable is made of: its function, its names, and what is bound to it."""

from __future__ import annotations

import functools
import inspect
import operator
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath._callables import (
    Named,
    bound_object,
    function_of,
    plain_function,
    returns_coroutine,
    signature_of,
    whole_call,
)


def joined(first: int, second: int = 2, *rest: int, key: int = 3, **others: int) -> Any:
    """Returns what it got."""
    return (first, second, rest, key, others)


class Adding:
    """Adds."""

    def __init__(self, amount: int) -> None:
        self.amount = amount

    def __call__(self, value: int) -> int:
        return value + self.amount

    def method(self, value: int) -> int:
        return value - self.amount


class Equal(Adding):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Counting(functools.partial[Any]):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs), "counted"


POSITIONAL = st.lists(st.integers(), max_size=4)
NAMED = st.dictionaries(st.sampled_from(["first", "second", "key", "x", "y"]), st.integers())


@given(bound=POSITIONAL, named=NAMED, then=NAMED, args=POSITIONAL, kwargs=NAMED)
def test_a_call_of_a_partial_depends_on_what_its_function_gets(
    bound: list[int],
    named: dict[str, int],
    then: dict[str, int],
    args: list[int],
    kwargs: dict[str, int],
) -> None:
    function = function_of(functools.partial(functools.partial(joined, *bound, **named), **then))
    try:
        right = joined(*bound, *args, **{**named, **then, **kwargs})
    except TypeError:
        return
    called = signature_of(function).bind(*args, **kwargs)
    called.apply_defaults()
    call = whole_call(function, dict(called.arguments))
    assert tuple(call.values()) == right
    assert list(call) == ["first", "second", "rest", "key", "others"]


def test_a_call_depends_on_the_object_of_its_method() -> None:
    adding = Adding(5)
    for each in (adding, adding.method, functools.partial(adding), functools.partial(adding, 1)):
        function = function_of(each)
        parameters = {"value": 1} if signature_of(function).parameters else {}
        assert whole_call(function, parameters) == {"self": adding, "value": 1}
        assert bound_object(function) is adding
    assert whole_call("a-b".split, {"sep": "-"}) == {"self": "a-b", "sep": "-"}
    assert whole_call(len, {"obj": []}) == {"obj": []}
    assert bound_object(len) is None


def test_what_has_no_hash_is_called_by_a_method_that_has_one() -> None:
    one, other = function_of(Equal(1)), function_of(Equal(2))
    assert len({one, other}) == 2
    assert (one(1), other(1)) == (2, 3)


def test_a_partial_with_a_call_of_its_own_is_an_object() -> None:
    function = function_of(Counting(joined, 1))
    assert function() == ((1, 2, (), 3, {}), "counted")
    assert bound_object(function) is not None


@pytest.mark.parametrize(
    ("thing", "qualname", "name"),
    [
        (joined, "joined", "joined"),
        (functools.partial(functools.partial(joined, 1), 2), "joined", "joined"),
        (functools.lru_cache(joined), "joined", "joined"),
        (Adding(1), "Adding", "Adding"),
        (functools.partial(Adding(1)), "Adding", "Adding"),
        (Adding(1).method, "Adding.method", "method"),
        (Adding, "Adding", "Adding"),
        (len, "len", "len"),
        (str.upper, "str.upper", "upper"),
        (operator.itemgetter(1), "itemgetter", "itemgetter"),
        (Mock(), "Mock", "Mock"),
    ],
)
def test_every_callable_has_names_and_a_signature(thing: Any, qualname: str, name: str) -> None:
    named = Named.of(thing)
    assert (named.qualname, named.name) == (qualname, name)
    assert named.module
    assert isinstance(signature_of(function_of(thing)), inspect.Signature)


def test_documentation_is_what_the_author_wrote() -> None:
    assert Named.of(functools.partial(joined, 1)).doc == "Returns what it got."
    assert Named.of(Adding(1)).doc == "Adds."


def test_a_builtin_without_a_signature_takes_anything() -> None:
    assert str(signature_of(max)) == "(*args, **kwargs)"


def test_a_partial_that_can_not_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword"):
        signature_of(function_of(functools.partial(len, wrong=1)))


def test_the_innermost_function_is_found() -> None:
    @functools.wraps(joined)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return joined(*args, **kwargs)

    assert plain_function(function_of(functools.partial(wrapper, 1))) is joined
    assert plain_function(function_of(functools.partial(Adding(1), 1))) is Adding.__call__


def test_mocks_say_whether_they_are_async() -> None:
    assert returns_coroutine(AsyncMock())
    assert not returns_coroutine(Mock())
