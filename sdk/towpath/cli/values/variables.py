"""`towpath variable`: named values of the workspace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from towpath._display.words import printable
from towpath._values.variable_json import value_as_json
from towpath.cli.shared.errors import CONFLICT, CommandError
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import (
    json_object,
    list_output,
    print_facts,
    print_json,
    print_list,
    text_output,
)
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import local_minute
from towpath.exceptions import Conflict

if TYPE_CHECKING:
    from towpath.client import Client, VariableInfo

_LABEL_WIDTH: Final = 10
_MOST_SHOWN: Final = 60
"""Most characters of a value in a table."""


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage variables of the workspace."""


@group.command("ls")
@list_output
def list_variables(output: str) -> None:
    """List variables."""
    with service_client() as client:
        variables = list(client.variables.list())
    print_list(
        variables,
        {
            "VARIABLE": lambda item: item.name,
            "VALUE": _shortened,
            "CHANGED": lambda item: local_minute(item.changed),
            "TAGS": lambda item: ", ".join(item.tags),
        },
        output,
        as_json=_as_json,
    )


@group.command()
@click.argument("name")
@text_output
def get(name: str, output: str) -> None:
    """Print the value of a variable."""
    with service_client() as client:
        value = client.variables.get(name).value
    if output == "json":
        print_json(value)
    else:
        click.echo(printable(_text(value)))


@group.command()
@click.argument("name")
@text_output
def inspect(name: str, output: str) -> None:
    """Show a variable."""
    with service_client() as client:
        variable = client.variables.get(name)
    if output == "json":
        print_json(_as_json(variable))
    else:
        print_facts(_facts(variable), width=_LABEL_WIDTH)


@group.command("set")
@click.argument("name")
@click.argument("value")
@click.option("--tag", "tags", multiple=True, help="Tag of the variable; may be repeated.")
@click.option("--overwrite", is_flag=True, help="Replace the value of a variable that exists.")
@click.option("--etag", default="", help="With --overwrite: etag that the variable must have.")
def set_variable(
    name: str, value: str, tags: tuple[str, ...], etag: str, *, overwrite: bool
) -> None:
    """Set a variable: VALUE is JSON, or else a text."""
    if etag and not overwrite:
        raise click.UsageError("--etag belongs to a change: give --overwrite, too")
    with service_client() as client:
        if overwrite:
            made = client.variables.set(name, _parsed(value), tags=tags or None, etag=etag)
        else:
            made = _created(client, name, _parsed(value), tags)
    note(f'{made.resource_name} set: Variable.get("{made.name}") reads it')


@group.command()
@click.argument("name")
@yes_option
def unset(name: str, *, yes: bool) -> None:
    """Delete a variable."""
    if confirmed(f"Runs that read {name} will get their default. Go on?", yes=yes):
        with service_client() as client:
            client.variables.delete(name)
        note(f"variable {name} deleted")


def _created(client: Client, name: str, value: Any, tags: tuple[str, ...]) -> VariableInfo:
    try:
        return client.variables.create(name, value, tags=tags)
    except Conflict as error:
        if error.code != "ALREADY_EXISTS":
            raise
        raise CommandError(
            f"there is a variable {name} already",
            hint="--overwrite replaces its value",
            code=error.code,
            exit_code=CONFLICT,
        ) from error


def _parsed(written: str) -> Any:
    """A value of JSON, or the text itself."""
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return written


def _text(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shortened(variable: VariableInfo) -> str:
    text = _text(variable.value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


def _facts(variable: VariableInfo) -> list[tuple[str, str]]:
    return [
        ("name", variable.resource_name),
        ("value", _text(variable.value)),
        ("tags", ", ".join(variable.tags) or "-"),
        ("created", local_minute(variable.created)),
        ("changed", local_minute(variable.changed)),
        ("etag", variable.etag),
    ]


def _as_json(variable: VariableInfo) -> dict[str, Any]:
    return json_object(
        name=variable.resource_name,
        value_json=value_as_json(variable.name, variable.value),
        tags=list(variable.tags),
        create_time=variable.created,
        update_time=variable.changed,
        etag=variable.etag,
    )
