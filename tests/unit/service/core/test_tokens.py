"""Tokens mark places; one that anybody made up is refused, whatever is in it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_service.core import tokens
from towpath_service.core.errors import ServiceError
from towpath_service.core.tokens import (
    make_consistency_token,
    make_token,
    read_consistency_token,
    read_number,
    read_place,
)

QUESTION = ("ListRuns", "tenant", "default")
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def forged(content: bytes) -> str:
    """A token with a right check and any content."""
    check = tokens._check(QUESTION, content)
    return base64.urlsafe_b64encode(check + content).decode().rstrip("=")


@given(NUMBERS, TEXTS)
def test_a_place_is_read_as_it_was_marked(number: int, text: str) -> None:
    token = make_token(QUESTION, (number, text))
    assert read_place(token, QUESTION, int, str) == [number, text]


NO_NUMBERS: list[Any] = [
    *(b"", b"[", b"{}", b"1", b"[]", b"[1,2]", b'["x"]', b"[[]]", b"[null]", b"[true]", b"[1.5]"),
    *(b"[-1]", b"[9223372036854775808]", b"[1e400]", b"[NaN]", b"\xff", b"[" * 100_000),
    b"[" + b"1" * 5000 + b"]",
]


@pytest.mark.parametrize("content", NO_NUMBERS, ids=[str(item[:20]) for item in NO_NUMBERS])
def test_a_token_that_marks_no_number_is_refused(content: bytes) -> None:
    for reason in ("INVALID_PAGE_TOKEN", "RESUME_TOKEN_INVALID"):
        with pytest.raises(ServiceError) as raised:
            read_number(forged(content), QUESTION, reason=reason)
        assert raised.value.reason == reason


@pytest.mark.parametrize("content", [b"[1]", rb'["\u0000"]', rb'["\ud800"]', b"[null]"])
def test_a_token_that_marks_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(ServiceError, match="INVALID_PAGE_TOKEN"):
        read_place(forged(content), QUESTION, str)


@pytest.mark.parametrize("token", ["AAAA", "ä", "*", make_token(("Other",), (1,))])
def test_a_token_that_is_none_or_anothers_is_refused(token: str) -> None:
    with pytest.raises(ServiceError, match="INVALID_PAGE_TOKEN"):
        read_number(token, QUESTION)


def test_a_consistency_token_marks_a_position() -> None:
    assert read_consistency_token(make_consistency_token("t", "w", 7), "t", "w") == 7
    with pytest.raises(ServiceError, match="INVALID_REQUEST"):
        read_consistency_token(make_token(("Consistency", "t", "w"), (1 << 63,)), "t", "w")
