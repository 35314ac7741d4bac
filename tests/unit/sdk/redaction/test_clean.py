"""Texts of any kind, as reports carry them."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from towpath._redaction.clean import clean

ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]) | st.just("\0"))


@given(text=ANY_TEXT)
def test_any_text_can_be_reported(text: str) -> None:
    cleaned = clean(text)
    assert "\0" not in cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert clean(cleaned) == cleaned


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_text_that_can_be_held_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_bytes_of_file_names_can_be_read_in_the_report() -> None:
    assert clean(os.fsdecode(b"caf\xe9\0")) == "caf\\udce9\\x00"


def test_a_class_of_texts_has_no_say() -> None:
    class Odd(str):
        __slots__ = ()

        def isascii(self) -> bool:
            raise AssertionError("asked")

    assert type(clean(Odd("a"))) is str
