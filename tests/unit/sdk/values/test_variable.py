from __future__ import annotations

import asyncio
import json
import math
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath import flow, task
from towpath._values.variable_json import MOST_BYTES, value_as_json
from towpath.exceptions import RpcError, VariableError
from towpath.testing import harness
from towpath.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),  # with halves of surrogate pairs
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))
    monkeypatch.delenv("TOWPATH_SERVER_ADDRESS", raising=False)
    return tmp_path


@given(JSON)
def test_every_json_value_is_written_so_that_it_is_read_back(value: Any) -> None:
    written = value_as_json("x", value)
    assert written.encode().decode() == written
    again = json.loads(written)
    # By the text, since 1 equals True and 1.0.
    assert json.dumps(again) == json.dumps(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}, b"x", {"a": [math.nan]}])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(VariableError, match=r"isn't JSON: .* Give texts"):
        value_as_json("x", value)


def test_what_contains_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(VariableError, match="isn't JSON"):
        value_as_json("x", endless)


def test_a_large_value_is_refused_with_what_to_do() -> None:
    assert len(value_as_json("x", "ä" * ((MOST_BYTES - 2) // 2)).encode()) == MOST_BYTES
    with pytest.raises(VariableError, match=r"65538 bytes.*store it in a file") as raised:
        value_as_json("x", "ä" * (MOST_BYTES // 2))
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("name", ["", "A", "-a", "a.b", "a/b", "a b", "ä", "a" * 256, "a\n"])
def test_a_name_that_can_not_be_one_is_refused(home: Path, name: str) -> None:
    with pytest.raises(VariableError, match="can't name a variable"):
        Variable.get(name)
    with pytest.raises(VariableError, match="can't name a variable"):
        Variable.set(name, 1)
    with pytest.raises(VariableError, match="can't name a variable"):
        Variable.unset(name)
    assert list(home.iterdir()) == []


def test_variables_live_in_the_home_without_a_server(home: Path) -> None:
    assert Variable.get("answer") is None
    assert Variable.get("answer", default=7) == 7
    made = Variable.set("answer", {"n": (42, None)}, tags=["a", "b"])
    assert made == Variable("answer", {"n": [42, None]}, ("a", "b"))
    assert Variable.get("answer") == {"n": [42, None]}
    with pytest.raises(VariableError, match="overwrite=True") as raised:
        Variable.set("answer", 1)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value.__cause__, RpcError)
    assert Variable.get("answer") == {"n": [42, None]}
    assert Variable.set("answer", "ä", overwrite=True) == Variable("answer", "ä")
    assert Variable.get("answer") == "ä"
    assert (Variable.unset("answer"), Variable.unset("answer")) == (True, False)
    assert Variable.get("answer") is None
    assert Variable.set("fresh", False, overwrite=True).value is False
    assert Variable.get("fresh", default=True) is False


def test_async_code_awaits_them_by_either_name(home: Path) -> None:
    def helper() -> object:
        return Variable.get("a")

    async def used() -> list[object]:
        made = await Variable.set("a", 1)
        reading: list[Awaitable[object]] = [Variable.get("a"), Variable.aget("b", 2)]
        both = await asyncio.gather(*reading)
        await Variable.aset("b", 3, overwrite=True)
        # A function that isn't a coroutine gets the value, wherever it is called.
        read = [await Variable.get(name) for name in ("a", "b")]
        return [made.value, *both, *read, helper(), await Variable.unset("a")]

    assert asyncio.run(used()) == [1, 1, 2, 1, 3, 1, True]
    assert asyncio.run(Variable.aunset("b")) is True


def test_flows_and_tasks_use_them(home: Path) -> None:
    @task
    async def advance() -> int:
        seen = await Variable.get("mark", default=0)
        await Variable.set("mark", seen + 10, overwrite=True)
        return int(seen)

    @task
    def read() -> object:
        return Variable.get("mark")

    @flow
    async def load() -> list[object]:
        return [await advance(), await advance(), read()]

    with harness():
        assert asyncio.run(load()) == [0, 10, 20]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")
def test_a_forked_child_reads_them(home: Path) -> None:
    Variable.set("a", [1])
    child = os.fork()
    if not child:
        os._exit(0 if Variable.get("a") == [1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
