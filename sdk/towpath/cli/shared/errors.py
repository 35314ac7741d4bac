"""Errors of commands: a line, a hint and an exit code for each kind."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

import click

from towpath._display.words import printable
from towpath.exceptions import (
    ConfigurationError,
    Conflict,
    DefinitionError,
    FlowPauseTimeout,
    InvalidRequest,
    NotATowpathServer,
    NotFound,
    NotPausedError,
    NotRetryableError,
    NotSignedIn,
    ResultsExpired,
    RpcError,
    ServerUnreachable,
    TowpathError,
    VariableError,
)

OK: Final = 0
"""The command succeeded."""
FAILED: Final = 1
"""The command failed, or the run that it watched failed or crashed."""
USAGE: Final = 2
"""The usage is wrong, or a setting is."""
NOT_FOUND: Final = 3
"""A named run or another resource doesn't exist."""
FORBIDDEN: Final = 4
"""The caller isn't signed in, or lacks a permission."""
CONFLICT: Final = 5
"""The request conflicts with the current state, or the server lacks a feature that it takes."""
UNREACHABLE: Final = 6
"""No Towpath server answers at the address, or a server is required and none is configured."""
CANCELLED: Final = 7
"""The watched run was cancelled."""
TIMED_OUT: Final = 124
"""The watched run timed out."""
INTERRUPTED: Final = 130
"""The command was interrupted by Ctrl-C."""

_SOURCES: Final = "`towpath config view --show-sources` shows where the address comes from"
_KINDS: Final[tuple[tuple[type[TowpathError], int, str], ...]] = (
    (ServerUnreachable, UNREACHABLE, "run `towpath doctor` to find the cause"),
    (NotATowpathServer, UNREACHABLE, _SOURCES),
    (NotFound, NOT_FOUND, "`towpath run ls` lists runs"),
    (NotSignedIn, FORBIDDEN, "`towpath whoami` shows your identity and permissions"),
    (Conflict, CONFLICT, ""),
    (NotPausedError, CONFLICT, "`towpath run explain RUN` shows what a run waits for"),
    (NotRetryableError, CONFLICT, "`towpath run explain RUN` shows the state of a run"),
    (ResultsExpired, CONFLICT, ""),
    (FlowPauseTimeout, CONFLICT, ""),
    (InvalidRequest, USAGE, ""),
    (DefinitionError, USAGE, ""),
    (VariableError, USAGE, ""),
    (ConfigurationError, USAGE, "`towpath config validate` lists all problems"),
)
_LISTS: Final = {
    "apiKeys": "`towpath key ls` lists your keys, with --of those of another principal",
    "artifacts": "`towpath artifact ls` lists artifacts",
    "deployments": "`towpath deployment ls` lists deployments",
    "queues": "`towpath queue ls` lists queues",
    "roles": "`towpath role ls` lists roles",
    "runs": "`towpath run ls` lists runs",
    "schedules": "`towpath schedule ls` lists schedules",
    "secrets": "`towpath secret ls` lists secrets",
    "serviceAccounts": "`towpath service-account ls` lists service accounts",
    "tenants": "`towpath tenant ls` lists tenants",
    "trusts": "`towpath trust ls` lists trusts",
    "users": "`towpath member ls` lists members and their roles",
    "variables": "`towpath variable ls` lists variables",
    "workPools": "`towpath pool ls` lists work pools",
    "workers": "`towpath worker ls` lists workers",
    "workspaces": "`towpath workspace ls` lists the workspaces that you may enter",
}
"""The command that lists the resources of a collection."""


class CommandError(TowpathError):
    """A command can't do what it was asked to; the hint says what to do next."""

    def __init__(
        self, message: str, *, hint: str = "", code: str = "FAILED", exit_code: int = 1
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[object, ...]:
        state = {"hint": self.hint, "code": self.code, "exit_code": self.exit_code}
        return type(self), (str(self),), state


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """An error as it is shown, and the exit code."""

    code: str
    message: str
    hint: str
    exit_code: int


def ending(error: Exception) -> Ending:
    """Returns how a command ends with an error."""
    if isinstance(error, CommandError):
        return Ending(
            code=error.code, message=str(error), hint=error.hint, exit_code=error.exit_code
        )
    if isinstance(error, click.ClickException):
        return _usage(error)
    for kind, exit_code, hint in _KINDS:
        if isinstance(error, kind):
            code = error.code if isinstance(error, RpcError) else "CONFIGURATION"
            shown = _hint(error, hint)
            return Ending(code=code, message=str(error), hint=shown, exit_code=exit_code)
    if isinstance(error, TowpathError):
        code = error.code if isinstance(error, RpcError) else "FAILED"
        return Ending(code=code, message=str(error), hint="", exit_code=FAILED)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}"
        hint = "make the file accessible, or set TOWPATH_HOME to another folder"
        return Ending(code="FAILED", message=message, hint=hint, exit_code=FAILED)
    message = f"unexpected error: {type(error).__name__}: {error}"
    hint = "run the command with `towpath --debug ...` to see the traceback"
    return Ending(code="INTERNAL", message=message, hint=hint, exit_code=FAILED)


def show(end: Ending, *, as_json: bool) -> None:
    """Prints an error on standard error, as a line with a hint or as an object."""
    if as_json:
        content = {"code": end.code, "message": end.message, "hint": end.hint}
        click.echo(json.dumps(content), err=True)
        return
    click.echo(f"Error: {printable(end.message)}", err=True)
    if end.hint and end.hint not in end.message:
        click.echo(f"  {printable(end.hint)}", err=True)


def _hint(error: TowpathError, usual: str) -> str:
    """The hint for an error, where it depends on more than the error's kind."""
    if isinstance(error, NotFound) and error.metadata.get("resource"):
        return _list_hint(error.metadata["resource"])
    if isinstance(error, NotSignedIn) and error.code == "UNAUTHENTICATED":
        return "`towpath doctor` shows which key or login is used, and where it comes from"
    return usual


def _list_hint(resource: str) -> str:
    """The hint for a resource that wasn't found; empty where no command lists its kind."""
    if re.fullmatch(r"[0-9A-Za-z]{16}", resource):
        return _LISTS["apiKeys"]
    if " of " in resource:  # a role of a principal
        return _LISTS["users"]
    return _LISTS.get(resource.rpartition("/")[0].rpartition("/")[2], "")


def _usage(error: click.ClickException) -> Ending:
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"see `{error.ctx.command_path} --help`"
    code = "USAGE" if error.exit_code == USAGE else "FAILED"
    message = error.format_message()
    return Ending(code=code, message=message, hint=hint, exit_code=error.exit_code)
