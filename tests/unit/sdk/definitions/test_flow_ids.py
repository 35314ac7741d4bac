"""Ids of flows: different names are different flows, for good."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath import flow
from towpath._definitions.flow_ids import flow_id_of

CONTRACT = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("etl", "etl"),
        ("load_orders", "load-orders"),
        ("load_2_b", "load-2-b"),
        ("load-orders", "load--orders"),
        ("load-all_orders", "load--all-orders"),
        ("a" * 63, "a" * 63),
        ("日次集計", "flow---00ba1dd66010a4b6"),
        ("Übersicht", "ubersicht---4d2bb368f919df81"),
        ("Daily report (EU)", "daily-report-eu---7397775a9ca7b151"),
        ("load__orders", "load-orders---aab7604232586aab"),
    ],
)
def test_ids_stay_the_same_for_good(name: str, id_: str) -> None:
    assert flow(lambda: None, name=name).flow_id == id_


@pytest.mark.parametrize(
    "names",
    [
        ("日次集計", "月次集計"),
        ("данные", "отчёт"),
        ("🚀", "🐍", "flow", "!!!", "-", "_", " "),
        ("Übersicht", "bersicht", "ubersicht", "U\u0308bersicht"),
        ("etl (eu)", "etl: eu", "etl eu", "ETL eu"),
        ("a" * 63 + "1", "a" * 63 + "2", "a" * 63),
        ("load_a", "load-a", "load__a", "load--a", "load_-a", "_load_a", "load_a_", "Load_a"),
        ("flow---00ba1dd66010a4b6", "日次集計"),
        ("\ud83d\ude00", "\U0001f600"),
    ],
)
def test_names_that_look_alike_are_different_flows(names: tuple[str, ...]) -> None:
    assert len({flow_id_of(name) for name in names}) == len(names)


names = st.text() | st.text("ab_-", max_size=6) | st.text("aB_- é", min_size=60, max_size=70)


@given(names, names)
def test_any_two_names_have_different_ids_that_the_contract_takes(one: str, other: str) -> None:
    assert CONTRACT.fullmatch(flow_id_of(one))
    assert (flow_id_of(one) == flow_id_of(other)) == (one == other)
