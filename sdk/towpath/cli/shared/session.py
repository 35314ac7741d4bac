"""What commands share: the client, the ways of printing, what the command line says of all."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from towpath.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath.client import Client
    from towpath.settings import Settings

LIST_OUTPUTS: Final = ("table", "wide", "json", "name")

list_output = click.option(
    "-o",
    "--output",
    type=click.Choice(LIST_OUTPUTS),
    default="table",
    show_default=True,
    help="What to print.",
)
text_output = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What to print.",
)


@dataclass(slots=True, kw_only=True)
class Invocation:
    """What the command line says of the command as a whole."""

    debug: bool = False
    quiet: bool = False
    no_input: bool = False
    profile: str = ""
    server: str = ""
    told_of_exposure: bool = False
    """Whether it was looked, and said, whether others may read the key."""


@contextmanager
def connected(*, following: bool = False) -> Generator[Client]:
    """A client of the service in force; see `towpath.client.connect`."""
    # gRPC and the contract's messages take as long to load as a whole `--help` may.
    from towpath.client import connect  # noqa: PLC0415 - see above

    with connect(settings_in_force(), following=following) as client:
        yield client


def settings_in_force() -> Settings:
    """The settings that a command calls the service with.

    Says so once when others may read the key among them.
    """
    settings = get_settings()
    told = invocation()
    if settings.api_key and not told.told_of_exposure:
        from towpath.cli.identity.profile_key import exposed_file  # noqa: PLC0415 - most have no key

        told.told_of_exposure = True
        if file := exposed_file(settings.api_key, told.profile):
            note(f"others may read the API key in {file}: `chmod 600 {file}` keeps it yours")
    return settings


def invocation() -> Invocation:
    """What the command line says of the command that runs."""
    found = click.get_current_context().find_object(Invocation)
    return found or Invocation()


def note(text: str) -> None:
    """Says something beside the data: on standard error, unless --quiet."""
    if not invocation().quiet:
        click.echo(text, err=True)


def print_json(content: Any) -> None:
    """Prints one JSON document."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether to go on: by --yes, or by asking.

    Raises:
        click.UsageError: Nobody is there to be asked.
    """
    if yes:
        return True
    if invocation().no_input or not sys.stdin.isatty():
        raise click.UsageError("this asks before it goes on: say --yes")
    return click.confirm(question, err=True)


def colourful() -> bool:
    """Whether standard output shows colours and takes redrawing."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
