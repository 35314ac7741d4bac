"""`towpath secret`. A value comes from a file, standard input or a prompt, and is never printed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import (
    json_object,
    list_output,
    print_facts,
    print_json,
    print_list,
    text_output,
)
from towpath.cli.shared.session import confirmed, invocation, note, service_client, yes_option
from towpath.cli.shared.times import local_minute

if TYPE_CHECKING:
    from towpath.client import SecretInfo

MOST_BYTES: Final = 64 * 1024
_LABEL_WIDTH: Final = 13

# A value that is typed behind the name is refused here, since click would print it.
_NO_VALUE: Final = {"allow_extra_args": True}
_value_file = click.option(
    "--value-file",
    type=click.Path(allow_dash=True),
    help="File whose content is the value; - for standard input.",
)
_description = click.option("--description", help="Description of the secret.")


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage secrets, whose values only runs can read."""


@group.command(context_settings=_NO_VALUE)
@click.argument("name")
@_value_file
@_description
@click.pass_context
def create(ctx: click.Context, name: str, value_file: str | None, description: str | None) -> None:
    """Create a secret; read its value from standard input, or ask for it."""
    _refuse_values(ctx)
    value = _read(value_file)
    with service_client() as client:
        created = client.secrets.create(name, value, description=description or "")
    note(f'{created.resource_name} created: Secret.load("{created.id}") reads it in a run')


@group.command("ls")
@list_output
def list_secrets(output: str) -> None:
    """List secrets, without their values."""
    with service_client() as client:
        secrets = list(client.secrets.list())
    print_list(
        secrets,
        {
            "SECRET": lambda item: item.id,
            "VERSION": lambda item: str(item.version),
            "CHANGED": lambda item: local_minute(item.changed),
            "SET BY": lambda item: item.setter,
            "DESCRIPTION": lambda item: item.description,
        },
        output,
        as_json=_as_json,
    )


@group.command()
@click.argument("name")
@text_output
def inspect(name: str, output: str) -> None:
    """Show a secret, without its value."""
    with service_client() as client:
        secret = client.secrets.get(name)
    if output == "json":
        print_json(_as_json(secret))
    else:
        print_facts(_facts(secret), width=_LABEL_WIDTH)


@group.command(context_settings=_NO_VALUE)
@click.argument("name")
@_value_file
@_description
@click.option(
    "--etag", default="", help="Etag that the secret must still have, as `inspect` shows it."
)
@click.pass_context
def update(
    ctx: click.Context, name: str, value_file: str | None, description: str | None, etag: str
) -> None:
    """Set a new value; with --description and no --value-file, change only that."""
    _refuse_values(ctx)
    only_description = description is not None and value_file is None
    value = None if only_description else _read(value_file)
    with service_client() as client:
        changed = client.secrets.update(name, value=value, description=description, etag=etag)
    note(f"{changed.resource_name} now has version {changed.version} of its value")


@group.command("rm")
@click.argument("name")
@yes_option
def remove(name: str, *, yes: bool) -> None:
    """Delete a secret and its value."""
    if confirmed(f"Runs that load {name} will fail. Go on?", yes=yes):
        with service_client() as client:
            client.secrets.delete(name)
        note(f"secret {name} deleted")


def _refuse_values(ctx: click.Context) -> None:
    if ctx.args:
        raise click.UsageError(
            "a value on the command line ends up in the shell's history: give only the name, and"
            " pipe the value in, or type it when asked"
        )


def _read(value_file: str | None) -> bytes:
    """The value, from a file, standard input or a prompt."""
    value = _from_input() if value_file in {None, "-"} else _from_file(Path(str(value_file)))
    if not value:
        raise click.UsageError("the value is empty: nothing was changed")
    if len(value) > MOST_BYTES:
        raise click.UsageError(f"the value has more than {MOST_BYTES} bytes: store it elsewhere")
    return value


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"can't read {path}: {error.strerror}") from None


def _from_input() -> bytes:
    """Standard input without one line feed at its end, or a text that is typed unseen."""
    if not sys.stdin.isatty():
        piped = sys.stdin.buffer.read(MOST_BYTES + 3)
        return piped.removesuffix(b"\r\n" if piped.endswith(b"\r\n") else b"\n")
    if invocation().no_input:
        raise click.UsageError("there is no terminal to ask on: pipe the value in")
    text: str = click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)
    return text.encode()


def _facts(secret: SecretInfo) -> list[tuple[str, str]]:
    return [
        ("name", secret.resource_name),
        ("description", secret.description or "-"),
        ("version", str(secret.version)),
        ("set by", secret.setter),
        ("created", local_minute(secret.created)),
        ("changed", local_minute(secret.changed)),
        ("etag", secret.etag),
    ]


def _as_json(secret: SecretInfo) -> dict[str, Any]:
    return json_object(
        name=secret.resource_name,
        description=secret.description,
        version=str(secret.version),
        setter=secret.setter,
        create_time=secret.created,
        update_time=secret.changed,
        etag=secret.etag,
    )
