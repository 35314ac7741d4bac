"""The web page offers commands that there are, and asks for rights that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from towpath.cli._main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[4]
PAGES = ROOT / "service/ui/src"
COMMAND = re.compile(r"(?<![\w.])towpath (?!import)[a-z](?:\$\{[^}]*\}|[^`\"'<\\\n])*")
HOLE = re.compile(r"\$?\{[^}]*\}")
RIGHT = re.compile(r"\bmay\(\"([^\"]+)\"\)")
PERMISSION = re.compile(r"permission: *\"([^\"]+)\"")


def _sources() -> Iterator[str]:
    for path in sorted(PAGES.rglob("*.ts*")):
        if not path.is_relative_to(PAGES / "gen"):
            yield path.read_text(encoding="utf-8")


def _commands() -> set[str]:
    return {HOLE.sub("X", found).strip() for text in _sources() for found in COMMAND.findall(text)}


@pytest.mark.parametrize("said", sorted(_commands()))
def test_a_command_of_the_page_is_there(said: str) -> None:
    words = [word for word in said.split()[1:] if word != "X" or len(said.split()) > 2]
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        assert words, f"{said} is a group of commands"
        inner = command.get_command(context, words.pop(0))
        assert inner is not None, f"there is no command: {said}"
        command, context = inner, click.Context(inner, parent=context)
    known = {option for item in command.params for option in item.opts}
    assert {word for word in words if word.startswith("-")} <= known
    names = [item for item in command.params if isinstance(item, click.Argument)]
    given = words[: next((i for i, word in enumerate(words) if word.startswith("-")), len(words))]
    assert len(given) <= len(names) or any(item.nargs != 1 for item in names), said


def test_the_page_asks_for_rights_that_there_are() -> None:
    protos = (ROOT / "protos/towpath/api/v1").glob("*.proto")
    known = {one for path in protos for one in PERMISSION.findall(path.read_text(encoding="utf-8"))}
    asked = {one for text in _sources() for one in RIGHT.findall(text)}
    assert asked
    assert asked <= known
