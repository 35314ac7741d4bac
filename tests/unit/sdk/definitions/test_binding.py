"""Arguments are bound to parameters as Python binds them."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath import task
from towpath._definitions.parameters import bind
from towpath.exceptions import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable


def passes_on(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function; what takes its place takes positional arguments only."""

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def two(a: Any, b: Any = 2) -> Any:
    return a, b


FUNCTIONS: list[Callable[..., Any]] = [
    lambda: (),
    lambda a: (a,),
    two,
    lambda a=1, b=2, c=3: (a, b, c),
    lambda a, /, b=2: (a, b),
    lambda a, *, b=2: (a, b),
    lambda a, *b: (a, b),
    lambda a=1, **b: (a, b),
    functools.partial(two, 1),
    functools.partial(two, b=3),
]


@given(
    function=st.sampled_from(FUNCTIONS),
    args=st.lists(st.none() | st.integers(), max_size=4).map(tuple),
    kwargs=st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.none() | st.integers()),
)
def test_a_call_binds_and_runs_as_in_python(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        with pytest.raises(ParameterError):
            bind(function, args, kwargs, owner="task 'x'")
        return
    bound.apply_defaults()
    parameters = bind(function, args, kwargs, owner="task 'x'")
    assert list(parameters.items()) == list(bound.arguments.items())
    assert task(function).invoke(parameters) == function(*args, **kwargs)


def test_defaults_are_left_out_where_a_map_asks_for_that() -> None:
    assert bind(two, (1,), {}, owner="task 'x'", defaults=False) == {"a": 1}


def test_a_wrapper_gets_its_arguments_by_place() -> None:
    wrapped = task(passes_on(two))
    assert wrapped.invoke(bind(wrapped.fn, (), {"b": 5, "a": 4}, owner="task 'x'")) == (4, 5)


def test_arguments_that_are_not_complete_leave_defaults_to_the_function() -> None:
    assert task(two).invoke({"a": 7}) == (7, 2)
