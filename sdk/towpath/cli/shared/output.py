"""Output of the commands: `-o`, lists as tables, JSON, and pairs of label and text."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from towpath._display.words import escaped_controls, printable
from towpath.cli.shared.tables import Column, print_table
from towpath.cli.shared.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Item = TypeVar("Item")

LIST_OUTPUTS: Final = ("table", "wide", "json", "name")

list_output = click.option(
    "-o",
    "--output",
    type=click.Choice(LIST_OUTPUTS),
    default="table",
    show_default=True,
    help="Output format.",
)
text_output = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)


def print_list(
    items: Sequence[Item],
    columns: Mapping[str, Callable[[Item], str]],
    output: str,
    *,
    as_json: Callable[[Item], dict[str, Any]],
) -> None:
    """Prints values as `-o` asks for; "name" prints the first column.

    Args:
        items: The values.
        columns: The table's columns from left to right: titles, and what makes their cells.
        output: One of `LIST_OUTPUTS`.
        as_json: Makes the object that stands for a value in JSON.
    """
    if output == "json":
        print_json([as_json(item) for item in items])
    elif output == "name":
        name = next(iter(columns.values()))
        for item in items:
            click.echo(printable(name(item)))
    else:
        table = [
            Column(title=title, cells=[cell(item) or "-" for item in items])
            for title, cell in columns.items()
        ]
        print_table(table, wide=output == "wide")


def print_facts(facts: Iterable[tuple[str, str]], *, width: int) -> None:
    """Prints a line for each pair of a label and a text.

    Args:
        facts: The pairs.
        width: Characters from the start of a label to that of its text.
    """
    for label, text in facts:
        click.echo(f"{label:<{width}}{printable(text)}")


def print_json(content: Any) -> None:
    """Prints one JSON document."""
    click.echo(_json_text(content, indent=2))


def print_json_line(content: Any) -> None:
    """Prints a value as JSON in one line."""
    click.echo(_json_text(content))


def _json_text(content: Any, *, indent: int | None = None) -> str:
    """JSON without controls of terminals, in characters that standard output can hold."""
    unicode = "utf" in (sys.stdout.encoding or "utf-8").lower()
    return escaped_controls(json.dumps(content, indent=indent, ensure_ascii=not unicode))


def json_object(**fields: Any) -> dict[str, Any]:
    """An object of the contract's JSON: empty fields are left out, times are in RFC 3339."""
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value or isinstance(value, dict)
    }
