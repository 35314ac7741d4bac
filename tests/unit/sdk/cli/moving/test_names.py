"""Every name that the table gives for one of Prefect's is there."""

from __future__ import annotations

import importlib
import importlib.util
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE: dict[str, Any] = tomllib.loads(
    (files("towpath.cli.moving") / "names.toml").read_text(encoding="utf-8")
)["modules"]


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


def _is_there(module: str, name: str) -> bool:
    if hasattr(importlib.import_module(module), name):
        return True
    return importlib.util.find_spec(f"{module}.{name}") is not None
