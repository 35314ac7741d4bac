"""`towpath artifact`: what runs have made for people to look at."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import click

from towpath._display.words import printable
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import (
    json_object,
    list_output,
    print_facts,
    print_json,
    print_list,
    text_output,
)
from towpath.cli.shared.session import connected, note
from towpath.cli.shared.tables import Column, print_table
from towpath.cli.shared.times import local_minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath.client import Artifact

_LABEL_WIDTH: Final = 13
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@click.group(cls=CommandGroup)
def group() -> None:
    """Show what runs have made to look at."""


@group.command("ls")
@click.argument("run", required=False)
@click.option("--key", default="", help="Only artifacts of this key, all versions.")
@click.option("--latest", is_flag=True, help="Only the newest version of each key.")
@list_output
def list_artifacts(run: str | None, key: str, output: str, *, latest: bool) -> None:
    """List artifacts, newest first; with RUN, those of the run and of its tree."""
    with connected() as client:
        run_id = client.run(run).id if run else ""
        artifacts = list(client.artifacts.list(run=run_id, key=key, latest_only=latest))
    print_list(
        artifacts,
        {
            "ARTIFACT": lambda item: item.id,
            "KIND": lambda item: item.kind,
            "KEY": lambda item: item.key,
            "VERSION": lambda item: str(item.version or ""),
            "MADE": lambda item: local_minute(item.made),
            "DESCRIPTION": lambda item: (item.description or item.title).partition("\n")[0],
        },
        output,
        as_json=_as_json,
    )


@group.command()
@click.argument("artifact")
@text_output
def show(artifact: str, output: str) -> None:
    """Show an artifact by its id, or the newest version of a key."""
    with connected() as client:
        by_id = _ID.fullmatch(artifact) is not None
        found = client.artifacts.get(artifact) if by_id else client.artifacts.latest(artifact)
    if output == "json":
        print_json({**_as_json(found), "content": found.content})
        return
    print_facts(_facts(found), width=_LABEL_WIDTH)
    click.echo()
    if found.kind == "table":
        _print_table(json.loads(found.content))
    elif found.kind == "progress":
        click.echo(f"{json.loads(found.content):g} %")
    else:
        click.echo("\n".join(map(printable, found.content.splitlines())))


def _print_table(table: Any) -> None:
    titles, rows = _rows_of(table)
    columns = [
        Column(title=title, cells=[_cell(row[index]) for row in rows])
        for index, title in enumerate(titles)
    ]
    if columns:
        print_table(columns, wide=True)
    else:
        note("The table is empty.")


def _rows_of(table: Any) -> tuple[Sequence[str], list[list[Any]]]:
    """The titles and the rows of a table in any of its forms."""
    if isinstance(table, dict):
        columns: dict[str, Any] = {**table}
        most = max((len(cells) for cells in columns.values()), default=0)
        padded = [[*cells, *[None] * (most - len(cells))] for cells in columns.values()]
        return list(columns), [list(row) for row in zip(*padded, strict=True)]
    held: list[Any] = [*table]
    if all(isinstance(row, dict) for row in held):
        titles = list(dict.fromkeys(name for row in held for name in row))
        return titles, [[row.get(title) for title in titles] for row in held]
    most = max((len(row) for row in held), default=0)
    return [str(index) for index in range(most)], [
        [*row, *[None] * (most - len(row))] for row in held
    ]


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "-" if value in (None, "") else text


def _facts(artifact: Artifact) -> list[tuple[str, str]]:
    key = f"{artifact.key}, version {artifact.version}" if artifact.key else "-"
    return [
        ("artifact", artifact.id),
        ("kind", artifact.kind),
        ("key", key),
        ("title", artifact.title or "-"),
        ("description", artifact.description or "-"),
        ("run", artifact.run),
        ("made", local_minute(artifact.made)),
        ("changed", local_minute(artifact.changed)),
    ]


def _as_json(artifact: Artifact) -> dict[str, Any]:
    return json_object(
        name=artifact.resource_name,
        key=artifact.key,
        kind=artifact.kind,
        display_name=artifact.title,
        description=artifact.description,
        run=artifact.run,
        root_run=artifact.root_run,
        version=artifact.version,
        size_bytes=artifact.size_bytes,
        occur_time=artifact.made,
        update_time=artifact.changed,
    )
