"""The table of Prefect's names gives names and commands of Towpath that exist."""

from __future__ import annotations

import importlib
import importlib.util
import re
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from towpath.cli._main import run

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = (files("towpath._prefect_names") / "names.toml").read_text(encoding="utf-8")
TABLE: dict[str, Any] = tomllib.loads(TEXT)["modules"]


def _targets() -> Iterator[tuple[str, str, str]]:
    for theirs, module in TABLE.items():
        for name in module.get("same", "").split():
            yield f"{theirs}.{name}", module["to"], name
        for name, ours in module.get("renamed", {}).items():
            to, _, renamed = ours.rpartition(".")
            yield f"{theirs}.{name}", to, renamed


@pytest.mark.parametrize("theirs", TABLE)
def test_the_names_that_stand_for_those_of_a_module_are_there(theirs: str) -> None:
    asked = [each for each in _targets() if each[0].rpartition(".")[0] == theirs]
    assert [each for each in asked if not _is_there(each[1], each[2])] == []


def test_the_table_has_names_to_ask_for() -> None:
    assert len(list(_targets())) > 150


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`towpath ([^`]+)`", TEXT))))
def test_the_commands_of_the_advice_are_there(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command.split()
    options = {word for word in words if word.startswith("--")}
    assert run([*(word for word in words if word not in options), "--help"]) == 0
    assert options <= set(re.findall(r"--[\w-]+", capsys.readouterr().out))


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"(?:use|call|catch) (towpath(?:\.\w+)+)", TEXT)))
)
def test_the_names_of_the_advice_are_there(name: str) -> None:
    module, _, last = name.rpartition(".")
    assert _is_there(module, last)


def _is_there(module: str, name: str) -> bool:
    if hasattr(importlib.import_module(module), name):
        return True
    return importlib.util.find_spec(f"{module}.{name}") is not None
