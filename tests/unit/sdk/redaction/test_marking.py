from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Optional

from pydantic import SecretStr  # noqa: TC002 - the annotations are looked up
from towpath import Sensitive
from towpath._redaction import sensitive_parameters, shown_parameters

Password = Annotated[str, Sensitive]


def as_text(
    a: Annotated[str, Sensitive],
    b: Annotated[str, Sensitive()] | None,
    c: Optional[Annotated[str, Sensitive]],  # noqa: UP045 - as users of older versions write it
    d: list[Annotated[str, Sensitive]],
    e: SecretStr,
    f: Password,
    g: dict[str, Password],
    plain: str,
    other: Annotated[str, "a note"],
    bare: Any = None,
) -> None: ...


def test_parameters_are_marked_in_every_way_of_writing_it() -> None:
    assert sensitive_parameters(as_text) == set("abcdefg")


def test_annotations_that_are_no_texts_are_read_as_well() -> None:
    def function(a: Any, b: Any) -> None: ...

    function.__annotations__ = {"a": Annotated[int, Sensitive], "b": int}
    assert sensitive_parameters(function) == {"a"}


def test_what_can_not_be_looked_up_is_hidden_if_it_says_so() -> None:
    def function(a: Any, b: Any) -> None: ...

    function.__annotations__ = {"a": "Annotated[Nowhere, Sensitive]", "b": "Nowhere"}
    assert sensitive_parameters(function) == {"a"}


def test_a_function_without_annotations_has_none() -> None:
    assert sensitive_parameters(lambda x: x) == frozenset()
    given = {"x": 1}
    assert shown_parameters(lambda x: x, given) is given


def test_a_partial_has_those_of_its_function() -> None:
    assert sensitive_parameters(partial(as_text, "x")) == set("abcdefg")


def test_a_template_sees_nothing_whatever_it_asks() -> None:
    def function(user: Annotated[Any, Sensitive], n: int) -> None: ...

    shown = shown_parameters(function, {"user": {"password": "x"}, "n": 3})
    template = "{user} {user.password[0]} {user!r} {user:>10} {n:02d}"
    assert template.format(**shown) == "*** *** *** *** 03"
