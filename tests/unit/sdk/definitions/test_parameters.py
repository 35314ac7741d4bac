"""Arguments of flows against annotations: what is converted, and what is left as it is."""

from __future__ import annotations

import io
from typing import Any, Protocol, TypedDict, Union, Unpack

import pytest
from towpath import flow
from towpath.exceptions import DefinitionError, ParameterError


class Reader(Protocol):
    def read(self) -> str: ...


class Options(TypedDict, total=False):
    size: int


Nested = Union[dict[str, "Nested"], list["Nested"], int]  # noqa: UP007 - a name within itself


def test_several_arguments_are_converted_and_checked_each() -> None:
    @flow
    def starred(*numbers: int, **shares: float) -> Any:
        return numbers, shares

    assert starred("1", 2, a="0.5") == ((1, 2), {"a": 0.5})
    with pytest.raises(ParameterError, match=r"parameter 'numbers'\[1\]: .*'x'"):
        starred(1, "x")
    with pytest.raises(ParameterError, match=r"parameter 'shares'\['a'\]: .*'x'"):
        starred(a="x")
    assert starred() == ((), {})


def test_annotations_of_arguments_as_a_whole_leave_them_as_they_are() -> None:
    @flow
    def unpacked(**options: Unpack[Options]) -> Any:
        return options

    assert unpacked(size="3") == {"size": "3"}


def test_a_default_that_does_not_fit_is_left_as_it_is() -> None:
    @flow
    def defaults(number: int = None, text: int = "n/a", size: int = "3") -> Any:  # noqa: RUF013 - as users write it
        return number, text, size

    assert defaults() == (None, "n/a", 3)
    assert defaults("3") == (3, "n/a", 3)
    with pytest.raises(ParameterError, match="'number'"):
        defaults("x")


def test_calls_do_not_share_a_default_that_can_be_changed() -> None:
    @flow
    def appends(items: list[int] = []) -> list[int]:  # noqa: B006 - what the test is about
        items.append(1)
        return items

    assert [appends(), appends()] == [[1], [1]]


def test_protocols_that_can_not_be_checked_take_anything() -> None:
    @flow
    def reads(source: Reader) -> Any:
        return source

    source = io.StringIO()
    assert reads(source) is source


def test_an_annotation_that_can_not_be_checked_is_named() -> None:
    @flow
    def nested(fine: int, value: Nested) -> Any:
        return value

    with pytest.raises(DefinitionError, match=r"parameter 'value' is annotated .*list.*Nested"):
        nested(1, 1)
    assert nested.with_options(validate_parameters=False)(1, 2) == 2
