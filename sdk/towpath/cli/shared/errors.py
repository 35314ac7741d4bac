"""How commands end when something is wrong: one line, a hint, an exit code."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

import click

from towpath.exceptions import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    NotATowpathServer,
    NotFound,
    NotSignedIn,
    RpcError,
    ServerUnreachable,
    TowpathError,
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

_SOURCES: Final = "`towpath config view --show-sources` tells where the address comes from"
_KINDS: Final[tuple[tuple[type[TowpathError], int, str], ...]] = (
    (ServerUnreachable, UNREACHABLE, "`towpath doctor` tells what is wrong"),
    (NotATowpathServer, UNREACHABLE, _SOURCES),
    (NotFound, NOT_FOUND, "`towpath run ls` shows the runs there are"),
    (NotSignedIn, FORBIDDEN, "`towpath whoami` shows who you are to the server"),
    (Conflict, CONFLICT, ""),
    (InvalidRequest, USAGE, ""),
    (ConfigurationError, USAGE, "`towpath config validate` lists all that is wrong"),
)
_LISTS: Final = {
    "apiKeys": "`towpath key ls` shows your keys, with --of those of others",
    "roles": "`towpath role ls` shows the roles there are",
    "runs": "`towpath run ls` shows the runs there are",
    "secrets": "`towpath secret ls` shows the secrets there are",
    "serviceAccounts": "`towpath service-account ls` shows the accounts there are",
    "tenants": "`towpath tenant ls` shows the tenants there are",
    "trusts": "`towpath trust ls` shows the trusts there are",
    "users": "`towpath member ls` shows who is in",
    "workspaces": "`towpath workspace ls` shows the workspaces you may enter",
}
"""What shows the names there are, by the collection that a name is of."""


class CommandError(TowpathError):
    """A command can't do what it was asked; says what can be done."""

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
    """What is said of an error, and the exit code."""

    code: str
    message: str
    hint: str
    exit_code: int


def ending(error: Exception) -> Ending:
    """How a command ends with an error."""
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
        hint = "free the way to it, or point TOWPATH_HOME elsewhere"
        return Ending(code="FAILED", message=message, hint=hint, exit_code=FAILED)
    message = f"something unforeseen happened: {type(error).__name__}: {error}"
    hint = "`towpath --debug ...` shows where"
    return Ending(code="INTERNAL", message=message, hint=hint, exit_code=FAILED)


def show(end: Ending, *, as_json: bool) -> None:
    """Says it on standard error, as a line with a hint or as an object."""
    if as_json:
        content = {"code": end.code, "message": end.message, "hint": end.hint}
        click.echo(json.dumps(content), err=True)
        return
    click.echo(f"Error: {' '.join(end.message.split())}", err=True)
    if end.hint and end.hint not in end.message:
        click.echo(f"  {end.hint}", err=True)


def _hint(error: TowpathError, usual: str) -> str:
    """What to say after an error, where that depends on more than its kind."""
    if isinstance(error, NotFound) and error.metadata.get("resource"):
        return _list_hint(error.metadata["resource"])
    if isinstance(error, NotSignedIn) and error.code == "UNAUTHENTICATED":
        return "`towpath doctor` tells which key or login counts, and where it comes from"
    return usual


def _list_hint(resource: str) -> str:
    """What shows those there are of what wasn't found; empty where nothing does."""
    if re.fullmatch(r"[0-9A-Za-z]{16}", resource):
        return _LISTS["apiKeys"]
    if " of " in resource:  # a role of somebody
        return _LISTS["users"]
    return _LISTS.get(resource.rpartition("/")[0].rpartition("/")[2], "")


def _usage(error: click.ClickException) -> Ending:
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"see `{error.ctx.command_path} --help`"
    code = "USAGE" if error.exit_code == USAGE else "FAILED"
    message = error.format_message()
    return Ending(code=code, message=message, hint=hint, exit_code=error.exit_code)
