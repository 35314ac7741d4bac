from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_auth.envelope import DataKey, SealBroken, new_data_key

CONTENT = new_data_key()
KEY = DataKey("key-1", "kek-1", CONTENT)
PLACE = "tenant|secret|row|value|1"
RECORD = KEY.seal(b"secret", PLACE)


@given(content=st.binary(max_size=300), place=st.text(max_size=50))
def test_what_is_sealed_opens_in_its_place(content: bytes, place: str) -> None:
    assert KEY.open(KEY.seal(content, place), place) == content


def test_a_record_says_which_keys_it_is_under() -> None:
    assert RECORD.split(".")[:3] == ["1", "kek-1", "key-1"]
    # Whichever key wraps the data key now, its records open.
    assert DataKey("key-1", "kek-2", CONTENT).open(RECORD, PLACE) == b"secret"


@pytest.mark.parametrize("part", range(5))
def test_what_is_sealed_opens_nowhere_else(part: int) -> None:
    names = PLACE.split("|")
    names[part] = f"{names[part]}0"
    with pytest.raises(SealBroken):
        KEY.open(RECORD, "|".join(names))


@given(at=st.integers(min_value=0, max_value=len(RECORD) - 1), other=st.characters(codec="ascii"))
def test_what_was_changed_doesnt_open(at: int, other: str) -> None:
    changed = RECORD[:at] + other + RECORD[at + 1 :]
    try:
        opened = KEY.open(changed, PLACE)
    except SealBroken:
        return
    # Base64 has characters with bits to spare.
    assert opened == b"secret"


NO_RECORDS = ("", "1", "1.a.b", "1.a.b.c", f"2{RECORD[1:]}", RECORD[:-40], f"{RECORD}.x", "1.k.k.é")


@pytest.mark.parametrize("record", NO_RECORDS, ids=range(len(NO_RECORDS)))
def test_what_is_no_record_doesnt_open(record: str) -> None:
    with pytest.raises(SealBroken):
        KEY.open(record, PLACE)


def test_another_key_opens_nothing_whatever_it_is_called() -> None:
    for other in (DataKey("key-1", "kek-1", os.urandom(32)), DataKey("key-2", "kek-1", CONTENT)):
        with pytest.raises(SealBroken):
            other.open(RECORD, PLACE)


def test_two_records_of_the_same_are_not_alike_and_a_key_shows_nothing() -> None:
    assert KEY.seal(b"secret", PLACE) != RECORD
    assert repr(KEY) == "DataKey(key-1)"
