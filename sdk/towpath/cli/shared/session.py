"""A command's session: its client, its global options, notes and questions."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from towpath._display.progress import Progress
from towpath._display.words import printable
from towpath._settings.current import get_settings
from towpath._transport.service import server_address
from towpath.cli.shared.errors import UNREACHABLE, CommandError
from towpath.cli.shared.profile_key import exposed_file
from towpath.exceptions import Conflict

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath._settings.declared import Settings
    from towpath.client import Client

yes_option = click.option("--yes", is_flag=True, help="No question before the change.")


@dataclass(slots=True, kw_only=True)
class Invocation:
    """The global options of the command line, and the state of the command."""

    debug: bool = False
    quiet: bool = False
    no_input: bool = False
    profile: str = ""
    server: str = ""
    exposure_checked: bool = False
    """Whether the command has checked that other users can't read the API key."""


@contextmanager
def connected(*, following: bool = False) -> Generator[Client]:
    """A client for commands about runs; see `towpath.client.connect`."""
    from towpath.client import connect  # noqa: PLC0415 - gRPC would slow down `--help`

    with connect(checked_settings(), following=following) as client:
        yield client


@contextmanager
def service_client() -> Generator[Client]:
    """A client for all other commands: it delivers no reports first.

    Raises:
        CommandError: There is no server, and the local database can't do what the command asks.
    """
    from towpath.client._connect import open_client  # noqa: PLC0415 - gRPC would slow down `--help`

    settings = checked_settings()
    with open_client(settings) as client:
        try:
            yield client
        except Conflict as error:
            if server_address(settings) or error.metadata.get("feature") != "identity":
                raise
            raise CommandError(
                "this command needs a server: none is configured, and none runs on this home",
                hint="start one with `towpath server start`, or name one with --server HOST:PORT",
                code="UNAVAILABLE",
                exit_code=UNREACHABLE,
            ) from error


def checked_settings() -> Settings:
    """The settings for calls; warns once when other users can read the API key among them."""
    settings = get_settings()
    current = invocation()
    if settings.api_key and not current.exposure_checked:
        current.exposure_checked = True
        if file := exposed_file(settings.api_key, current.profile):
            note(
                f"other users can read the API key in {file}: run `chmod 600 {file}` to prevent it"
            )
    return settings


def invocation() -> Invocation:
    """The global options of the command that runs."""
    found = click.get_current_context().find_object(Invocation)
    return found or Invocation()


def note(text: str) -> None:
    """Prints a message on standard error, unless --quiet."""
    if not invocation().quiet:
        click.echo(printable(text, lines=True), err=True)


def progress(what: str, *, unit: str, total: int | None = None, hidden: bool = False) -> Progress:
    """Shows progress on standard error; see `Progress`. Shows none with --quiet, or if hidden."""
    shown = not (hidden or invocation().quiet)
    return Progress(what, unit=unit, total=total, stream=sys.stderr if shown else None)


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether to go on: because of --yes, or of the answer to a question.

    Raises:
        click.UsageError: There is no terminal to ask on.
    """
    if yes:
        return True
    if invocation().no_input or not sys.stdin.isatty():
        raise click.UsageError(
            "this command asks before it goes on, and there is no terminal: give --yes"
        )
    return click.confirm(question, err=True)


def colourful() -> bool:
    """Whether standard output shows colours and takes redrawing."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
