"""Results: kept, found again, and refused with a reason."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import enum
import math
import socket
import subprocess
import sys
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from towpath import flow, task
from towpath._results.encoding import dumps, loads
from towpath._results.hashing import stable_hash
from towpath._results.places import Folder
from towpath._results.scalars import NotEncodableError
from towpath._results.store import StoredResults
from towpath.cache_policies import DEFAULT, INPUTS, NO_CACHE, RUN_ID, TASK_SOURCE
from towpath.exceptions import DefinitionError, ResultError, UnhashableInputError
from towpath.tasks import exponential_backoff, task_input_hash

from tests.budgets import examples

if TYPE_CHECKING:
    from towpath.testing import Harness


class Colour(enum.Enum):
    RED = 1


@dataclass
class Point:
    x: int
    y: object = None


class Reading(BaseModel):
    station: str
    at: dt.datetime
    nested: Point | None = None


VALUES = [
    None,
    {"$": "a key of our own", "plain": [1, 2.5, True, "text"]},
    {1: "one", (2, 3): frozenset({4})},
    (1, [2, (3,)], {4, 5}),
    b"\x00bytes",
    math.inf,
    dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC),
    dt.timedelta(days=-1, microseconds=3),
    dt.date(2026, 3, 1),
    decimal.Decimal("1.10"),
    uuid.UUID(int=7),
    Path("/some/where"),
    Colour.RED,
    Point(1, Point(2)),
    Reading(station="K", at=dt.datetime(2026, 3, 1, tzinfo=dt.UTC), nested=Point(1)),
]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    back = loads(dumps(value))
    assert back == value
    assert type(back) is type(value)
    assert stable_hash(back) == stable_hash(value)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.integers() | st.text())
    ),
    max_leaves=20,
)


@settings(max_examples=examples(200), deadline=None)
@given(plain)
def test_any_nested_value_comes_back_and_hashes_alike(value: object) -> None:
    back = loads(dumps(value))
    assert back == value
    assert stable_hash(back) == stable_hash(value)


@settings(max_examples=examples(200), deadline=None)
@given(plain, plain)
def test_values_that_are_written_differently_hash_differently(one: object, other: object) -> None:
    assert (stable_hash(one) == stable_hash(other)) == (
        stable_hash(loads(dumps(one))) == stable_hash(loads(dumps(other)))
    )
    if repr(one) != repr(other) and one != other:
        assert stable_hash(one) != stable_hash(other)


def test_a_hash_is_the_same_in_another_process() -> None:
    code = (
        "from towpath._results.hashing import stable_hash;"
        "print(stable_hash({'b': {'x', 'y', 'z'}, 'a': (1, 2.5)}))"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert hashes == {stable_hash({"a": (1, 2.5), "b": {"z", "y", "x"}}) + "\n"}


def test_the_order_of_a_dict_does_not_change_its_hash() -> None:
    assert stable_hash({"a": 1, "b": 2}) == stable_hash({"b": 2, "a": 1})
    assert stable_hash({1: 1, 2: 2}) == stable_hash({2: 2, 1: 1})


@pytest.mark.parametrize("value", [object(), OrderedDict(), [1, {"k": socket.socket}]])
def test_what_json_can_not_give_back_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(NotEncodableError):
        dumps(value)


def test_inputs_that_have_no_stable_hash_fail_the_call_and_are_named(
    towpath_harness: Harness,
) -> None:
    @task(cache_policy=INPUTS, retries=3)
    def query(connection: object, number: int) -> int:
        return number

    @flow
    def asks() -> None:
        query({"to": [object()]}, 1)

    with pytest.raises(
        UnhashableInputError,
        match=r"'connection'.*\['to'\]\[0\] is a object.*INPUTS - 'connection'",
    ):
        asks()
    assert towpath_harness.run("query").states == ["RUNNING", "FAILED"]


def test_a_parameter_can_be_left_out_of_the_key(towpath_harness: Harness) -> None:
    calls: list[int] = []

    @task(cache_policy=INPUTS + TASK_SOURCE - "connection")
    def query(connection: object, number: int) -> int:
        calls.append(number)
        return number

    @flow
    def asks() -> list[int]:
        return [query(object(), 1), query(object(), 1), query(object(), 2)]

    assert asks() == [1, 1, 2]
    assert calls == [1, 2]


def test_results_that_can_not_be_stored_fail_with_what_to_do(towpath_harness: Harness) -> None:
    @task(persist_result=True, retries=2)
    def opens() -> object:
        return {"socket": object()}

    @flow
    def stores() -> None:
        opens()

    with pytest.raises(ResultError, match=r"\['socket'\] is a object.*result_serializer"):
        stores()
    assert towpath_harness.run("opens").states == ["RUNNING", "FAILED"]


def test_pickle_is_there_for_those_who_ask(towpath_harness: Harness) -> None:
    @task(persist_result=True, result_serializer="pickle")
    def ordered() -> object:
        return OrderedDict(a=1)

    @flow
    def keeps() -> object:
        return [ordered(), ordered()]

    assert keeps() == [OrderedDict(a=1), OrderedDict(a=1)]
    assert [run.reason for run in towpath_harness.runs if run.kind == "task"] == ["", "CACHED"]


def test_persisting_flows_compute_nothing_twice_over_their_retries(
    towpath_harness: Harness,
) -> None:
    calls: list[str] = []

    @task
    def costly(name: str) -> str:
        calls.append(name)
        return name

    @flow(persist_result=True, retries=1)
    def retried() -> str:
        value = costly("once")
        if len(calls) == 1 and towpath_harness.run("retried").attempt == 1:
            calls.append("failed")
            raise ConnectionError("away")
        return value

    assert retried() == "once"
    assert calls == ["once", "failed"]
    assert retried() == "once"
    assert calls == ["once", "failed", "once"]


def test_keys_can_be_a_function_of_the_run_and_its_arguments(towpath_harness: Harness) -> None:
    seen: list[tuple[str, object]] = []

    def by_day(run: object, arguments: dict[str, object]) -> str:
        seen.append((run.owner.name, arguments["moment"]))
        return str(arguments["moment"])[:10]

    @task(cache_key_fn=by_day)
    def load(moment: str) -> str:
        return moment

    @flow
    def days() -> list[str]:
        return [load("2026-03-01T10"), load("2026-03-01T12"), load("2026-03-02T10")]

    assert days() == ["2026-03-01T10", "2026-03-01T10", "2026-03-02T10"]
    assert seen[0] == ("load", "2026-03-01T10")


def test_a_key_function_that_raises_fails_its_run_only(towpath_harness: Harness) -> None:
    def broken(run: object, arguments: object) -> str:
        raise KeyError("no key")

    @task(cache_key_fn=broken)
    def load() -> int:
        return 1

    @flow
    def tries() -> str:
        return load.submit(return_state=True).message

    assert "no key" in tries()


def test_refreshing_computes_anew_and_keeps_the_new_result(towpath_harness: Harness) -> None:
    values = iter("abc")

    @task(cache_policy=INPUTS)
    def letter() -> str:
        return next(values)

    @flow
    def letters() -> list[str]:
        fresh = letter.with_options(refresh_cache=True)
        return [letter(), fresh(), letter()]

    assert letters() == ["a", "b", "b"]


def test_tasks_of_the_same_arguments_do_not_share_results(towpath_harness: Harness) -> None:
    @task(cache_policy=INPUTS)
    def double(value: int) -> int:
        return value * 2

    @task(cache_policy=INPUTS)
    def triple(value: int) -> int:
        return value * 3

    @flow
    def both() -> list[int]:
        return [double(2), triple(2)]

    assert both() == [4, 6]


def test_run_id_keeps_results_within_one_flow_run(towpath_harness: Harness) -> None:
    calls: list[int] = []

    @task(cache_policy=INPUTS + RUN_ID)
    def note(value: int) -> int:
        calls.append(value)
        return value

    @flow
    def twice() -> None:
        note(1)
        note(1)

    twice()
    twice()
    assert calls == [1, 1]


def test_a_stored_result_that_is_damaged_is_computed_anew(
    towpath_harness: Harness, tmp_path: Path
) -> None:
    store = StoredResults(Folder(tmp_path))
    stored = store.write("key", [1, 2], run_id="r", serializer="json", expires=None)
    assert store.read("key") == (stored, [1, 2])
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ResultError, match="refresh_cache=True"):
        store.read("key")
    assert store.read("other") is None


def test_a_disk_that_takes_no_result_costs_the_cache_only(
    towpath_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "_written", full)

    @task(cache_policy=INPUTS)
    def value() -> int:
        return 7

    @flow
    def goes_on() -> int:
        return value()

    assert goes_on() == 7
    (line,) = towpath_harness.run("value").logs
    assert "could not be stored" in line.body
    assert "No space left" in line.body


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cache_policy": INPUTS, "cache_key_fn": task_input_hash}, "not both"),
        ({"cache_policy": "INPUTS"}, "towpath.cache_policies"),
        ({"result_serializer": "yaml"}, "json, pickle"),
        ({"retries": -1}, "from 0 up"),
        ({"timeout_seconds": -1}, "from 0 up"),
        ({"retry_condition_fn": 1}, "is a function"),
        ({"cache_key_fn": "key"}, "is a function"),
        ({"task_run_name": 5}, "a text or a function"),
        ({"on_failure": [5]}, "takes functions"),
        ({"retry_jitter_factor": -1}, "a number from 0 up"),
        ({"cache_polcy": INPUTS}, "did you mean 'cache_policy'"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_the_definition(
    options: dict[str, object], says: str
) -> None:
    with pytest.raises(DefinitionError, match=says):
        task(**options)(lambda: None)


def test_no_cache_added_to_a_policy_is_that_policy() -> None:
    assert INPUTS + NO_CACHE is INPUTS
    assert NO_CACHE + INPUTS is INPUTS
    assert repr(DEFAULT) == repr(INPUTS + TASK_SOURCE + RUN_ID)


def test_backoff_doubles(towpath_harness: Harness) -> None:
    @task(retries=3, retry_delay_seconds=exponential_backoff(10))
    def never() -> None:
        raise ConnectionError("away")

    @flow
    def waits() -> None:
        never(return_state=True)

    waits()
    assert towpath_harness.clock.elapsed == 10 + 20 + 40


def test_jitter_and_conditions_hold_for_flows_too(towpath_harness: Harness) -> None:
    @flow(
        retries=5,
        retry_delay_seconds=100,
        retry_jitter_factor=0.5,
        retry_condition_fn=lambda _flow, run, _state: run.run_count < 3,
    )
    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()
    assert towpath_harness.run("fails").attempt == 3
    assert 200 <= towpath_harness.clock.elapsed <= 300


def test_async_hooks_are_awaited(towpath_harness: Harness) -> None:
    seen: list[str] = []

    async def note(_task: object, run: object, _state: object) -> None:
        await asyncio.sleep(0)
        seen.append(run.name)

    @task(on_completion=[note])
    async def one() -> None: ...

    @flow
    async def awaits() -> None:
        await one()

    asyncio.run(awaits())
    assert seen == ["one"]
