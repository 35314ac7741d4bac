from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_auth.audit import FIRST_HASH, LOST_HASH, AuditHead, AuditRecord, chained, find_break

Entries = list[tuple[AuditRecord, str]]


def record(sequence: int, **changes: Any) -> AuditRecord:
    text = {name.name: name.name for name in fields(AuditRecord) if name.type == "str"}
    values: dict[str, Any] = {**text, "sequence": sequence, "recorded_us": sequence * 1000}
    return AuditRecord(**{**values, **changes})


def chain(count: int) -> tuple[Entries, AuditHead]:
    entries: Entries = []
    last = FIRST_HASH
    for sequence in range(1, count + 1):
        entry = record(sequence)
        last = chained(entry, last)
        entries.append((entry, last))
    return entries, AuditHead(sequence=count, hash=last)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_log_that_nobody_touched_is_whole(count: int) -> None:
    assert find_break(*chain(count)) == ""


@given(at=st.integers(min_value=0, max_value=4))
def test_a_removed_entry_is_found(at: int) -> None:
    entries, head = chain(5)
    del entries[at]
    assert find_break(entries, head) != ""


@given(
    at=st.integers(min_value=0, max_value=4),
    name=st.sampled_from([name.name for name in fields(AuditRecord)]),
)
def test_a_changed_entry_is_found_whatever_was_changed(at: int, name: str) -> None:
    entries, head = chain(5)
    entry, hash_ = entries[at]
    old = getattr(entry, name)
    changes: dict[str, Any] = {name: old + 100 if isinstance(old, int) else f"{old}!"}
    entries[at] = (replace(entry, **changes), hash_)
    assert find_break(entries, head) != ""


@given(at=st.integers(min_value=0, max_value=3))
def test_entries_out_of_order_are_found(at: int) -> None:
    entries, head = chain(5)
    entries[at], entries[at + 1] = entries[at + 1], entries[at]
    assert find_break(entries, head) != ""


def test_a_chain_written_anew_doesnt_end_as_the_first_did() -> None:
    _, head = chain(5)
    last = FIRST_HASH
    entries: Entries = []
    for sequence in range(1, 6):
        entry = record(sequence, actor="nobody")
        last = chained(entry, last)
        entries.append((entry, last))
    assert "entry 5 is not the one that was written last" in find_break(entries, head)


def test_a_log_without_its_end_is_found() -> None:
    entries, head = chain(5)
    assert "ends with entry 4" in find_break(entries[:4], head)
    assert "ends with entry 0" in find_break([], head)


@given(at=st.integers(min_value=0, max_value=4))
def test_a_log_that_had_lost_its_end_says_so(at: int) -> None:
    entries, _ = chain(5)
    last = LOST_HASH
    for place in range(at, 5):
        last = chained(entries[place][0], last)
        entries[place] = (entries[place][0], last)
    found = find_break(entries, AuditHead(sequence=5, hash=last))
    assert found == f"the log had lost its end before entry {at + 1}"


def test_texts_that_run_into_each_other_hash_differently() -> None:
    left = record(1, actor="ab", action="c")
    right = record(1, actor="a", action="bc")
    assert chained(left, FIRST_HASH) != chained(right, FIRST_HASH)
