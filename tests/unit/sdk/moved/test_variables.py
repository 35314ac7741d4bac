"""Variables: set and read in flows, tasks and scripts, by both names in async code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath.variables import Variable

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))


@moves("variables.Variable", "Variable.get", "Variable.set", "Variable.unset")
def test_a_script_and_its_flow_share_a_variable() -> None:
    @task
    def read() -> Any:
        return Variable.get("greeting")

    @flow
    def greet() -> list[Any]:
        Variable.set("greeting", {"text": "hello", "times": 3}, overwrite=True)
        return [read(), Variable.get("other"), Variable.get("other", default="none")]

    made = Variable.set("greeting", "hi", tags=["words"])
    assert (made.name, made.value, list(made.tags)) == ("greeting", "hi", ["words"])
    with pytest.raises(ValueError, match="overwrite"):
        Variable.set("greeting", "hello")
    assert greet() == [{"text": "hello", "times": 3}, None, "none"]
    assert (Variable.unset("greeting"), Variable.unset("greeting")) == (True, False)


@moves("Variable.aget", "Variable.aset", "Variable.aunset")
def test_async_code_awaits_variables() -> None:
    @flow
    async def count() -> list[Any]:
        await Variable.aset("n", 1)
        await Variable.set("n", 2, overwrite=True)
        return [await Variable.aget("n"), await Variable.get("n"), await Variable.aunset("n")]

    assert asyncio.run(count()) == [2, 2, True]
