"""What the documentation says of commands is what there is."""

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
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")))
TABLE = re.compile(r"^\| command \| does \|\n\| --- \| --- \|\n((?:\|.*\n)+)", re.MULTILINE)
FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = {"bash", "sh", "console"}
SPAN = re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"(?<!from )(?<![=/])\btowpath +([^|&;>#\n]*)")
OF_OTHERS = re.compile(r"\b(?:docker|helm|kubectl|kustomize|podman)\b(?:(?! -- ).)*")
"""A command of another program, up to the one that it runs in a container."""
PLACEHOLDER = re.compile(r"[A-Z_]+|\.\.\.")


def all_commands() -> set[str]:
    """Every command that isn't a group, by its whole name."""
    return set(_below(cli, []))


def documented() -> list[str]:
    """The commands of the table of docs/guides/command-line.md."""
    page = (ROOT / "docs/guides/command-line.md").read_text(encoding="utf-8")
    table = TABLE.search(page)
    assert table is not None
    found: list[str] = []
    for row in table[1].splitlines():
        first = SPAN.search(row)
        assert first is not None
        found += _spelled_out(first[1])
    return found


def mentioned() -> set[str]:
    """What the pages say behind the word towpath, wherever that is code."""
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [
            block["code"].replace("\\\n", " ")
            for block in FENCED.finditer(text)
            if block["language"] in SHELLS
        ]
        spans = SPAN.findall(FENCED.sub("", text))
        # A span may be broken where its line ends.
        pieces = [*blocks, *(span.replace("\n", " ") for span in spans)]
        ours = (OF_OTHERS.sub("", piece) for piece in pieces)
        found |= {said.strip() for piece in ours for said in COMMAND.findall(piece)}
    return found


def test_the_table_has_every_command_once_and_no_other() -> None:
    found = documented()
    assert sorted(found) == sorted(all_commands())


@pytest.mark.parametrize("said", sorted(mentioned()))
def test_a_command_of_a_page_is_there_with_its_options(said: str) -> None:
    command, rest = _found(said.split())
    if isinstance(command, click.Group):
        assert not rest or PLACEHOLDER.fullmatch(rest[0]), f"`{rest[0]}` is no command"
    known = {option for item in command.params for option in item.opts}
    given = {word.strip("[]").partition("=")[0] for word in rest if word.strip("[").startswith("-")}
    assert given - known <= {"-", "--help", "-h"}


def _found(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = cli
    context = click.Context(cli)
    while words and isinstance(command, click.Group):
        if words[0].startswith("-"):
            option = next(item for item in command.params if words[0] in item.opts)
            takes_value = isinstance(option, click.Option) and not option.is_flag
            words = words[2 if takes_value else 1 :]
            continue
        inner = command.get_command(context, words[0])
        if inner is None:
            break
        command, words = inner, words[1:]
        context = click.Context(command, parent=context)
    return command, words


def _below(command: click.Command, path: list[str]) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _below(inner, [*path, name])


def _spelled_out(cell: str) -> Iterator[str]:
    """`key create / ls` is two commands; words in capitals are arguments."""
    words = [word for word in cell.split() if not re.fullmatch(r"[A-Z]+(\.\.\.)?", word)]
    if words[0] == "completion":
        yield words[0]
        return
    first, *others = " ".join(words).split(" / ")
    yield first
    yield from (f"{first.rpartition(' ')[0]} {other}" for other in others)
