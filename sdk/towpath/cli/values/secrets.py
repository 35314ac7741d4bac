"""`towpath secret`. A value comes from a file, standard input or a prompt, and is never printed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from towpath.api.v1 import secret_service_pb2 as pb
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.service import (
    Shown,
    as_json,
    call,
    call_pages,
    moment,
    show,
    workspace_name,
)
from towpath.cli.shared.session import (
    confirmed,
    invocation,
    list_output,
    note,
    print_json,
    text_output,
)
from towpath.settings import get_settings

MOST_BYTES: Final = 64 * 1024

# A value that is typed behind the name is refused here, since click would print it.
_NO_VALUE: Final = {"allow_extra_args": True}
_value_file = click.option(
    "--value-file",
    type=click.Path(allow_dash=True),
    help="Take the value from this file as it is; - for standard input.",
)
_description = click.option("--description", help="What it is for.")


@click.group(cls=CommandGroup)
def group() -> None:
    """Keep values that runs use, and nobody sees."""


@group.command(context_settings=_NO_VALUE)
@click.argument("name")
@_value_file
@_description
@click.pass_context
def create(ctx: click.Context, name: str, value_file: str | None, description: str | None) -> None:
    """Make a secret; its value is read from standard input, or asked for."""
    _refuse_values(ctx)
    answer = call(
        *("SecretService", "CreateSecret"),
        parent=_workspace(),
        secret_id=name,
        secret=pb.Secret(value=_read(value_file), description=description or ""),
    )
    note(f'{answer.secret.name} is there: Secret.load("{name}") reads it in a run')


@group.command("ls")
@list_output
def list_secrets(output: str) -> None:
    """List secrets, without their values."""
    show(
        call_pages("SecretService", "ListSecrets", "secrets", parent=_workspace()),
        (
            Shown("SECRET", lambda item: item.name.rpartition("/")[2]),
            Shown("VERSION", lambda item: str(item.version)),
            Shown("CHANGED", lambda item: moment(item, "update_time")),
            Shown("SET BY", lambda item: item.setter),
            Shown("DESCRIPTION", lambda item: item.description),
        ),
        output,
    )


@group.command()
@click.argument("name")
@text_output
def inspect(name: str, output: str) -> None:
    """Describe a secret; nobody is shown its value."""
    secret = call("SecretService", "GetSecret", name=_name(name)).secret
    if output == "json":
        print_json(as_json(secret))
        return
    for label, text in _lines(secret):
        click.echo(f"{label:<13}{text}")


@group.command(context_settings=_NO_VALUE)
@click.argument("name")
@_value_file
@_description
@click.option("--etag", default="", help="Only if it still has this etag; inspect tells it.")
@click.pass_context
def update(
    ctx: click.Context, name: str, value_file: str | None, description: str | None, etag: str
) -> None:
    """Set a new value; with --description and no --value-file, change that alone."""
    _refuse_values(ctx)
    secret, paths = pb.Secret(name=_name(name), etag=etag), list[str]()
    if description is not None:
        secret.description = description
        paths.append("description")
    if description is None or value_file is not None:
        secret.value = _read(value_file)
        paths.append("value")
    answer = call("SecretService", "UpdateSecret", secret=secret, update_mask={"paths": paths})
    note(f"{answer.secret.name} has version {answer.secret.version} of its value")


@group.command("rm")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask.")
def remove(name: str, *, yes: bool) -> None:
    """Delete a secret with its value."""
    if confirmed(f"Runs that load {name} fail from now on. Go on?", yes=yes):
        call("SecretService", "DeleteSecret", name=_name(name))
        note(f"{_name(name)} is gone")


def _workspace() -> str:
    return workspace_name(get_settings().workspace)


def _name(name: str) -> str:
    return f"{_workspace()}/secrets/{name}"


def _refuse_values(ctx: click.Context) -> None:
    if ctx.args:
        raise click.UsageError(
            "a value on the command line ends up in its history: give the name alone, and pipe the"
            " value in, or be asked for it"
        )


def _read(value_file: str | None) -> bytes:
    """The value, from where it is said to be."""
    value = _from_input() if value_file in {None, "-"} else _from_file(Path(str(value_file)))
    if not value:
        raise click.UsageError("the value is empty: nothing was changed")
    if len(value) > MOST_BYTES:
        raise click.UsageError(f"the value has more than {MOST_BYTES} bytes: keep it elsewhere")
    return value


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"can't read {path}: {error.strerror}") from None


def _from_input() -> bytes:
    """Standard input less one line feed at its end, or what is typed unseen."""
    if not sys.stdin.isatty():
        piped = sys.stdin.buffer.read(MOST_BYTES + 3)
        return piped.removesuffix(b"\r\n" if piped.endswith(b"\r\n") else b"\n")
    if invocation().no_input:
        raise click.UsageError("nobody is there to be asked: pipe the value in")
    text: str = click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)
    return text.encode()


def _lines(secret: Any) -> list[tuple[str, str]]:
    return [
        ("name", secret.name),
        ("description", secret.description or "-"),
        ("version", str(secret.version)),
        ("set by", secret.setter),
        ("made", moment(secret, "create_time")),
        ("changed", moment(secret, "update_time")),
        ("etag", secret.etag),
    ]
