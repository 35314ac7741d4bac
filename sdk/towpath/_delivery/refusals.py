"""Refusals: outboxes that a server doesn't take while it takes others, why, and the way out."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from towpath._delivery.outbox import workspace_of
from towpath.exceptions import (
    ConfigurationError,
    NotATowpathServer,
    RpcError,
    ServerUnreachable,
    TowpathError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

REFUSED: Final = "refused.json"
_MOST_NAMED: Final = 3
_WORKSPACES: Final = "workspaces/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An outbox that could not be delivered."""

    path: str
    """The outbox's folder."""
    workspace: str
    """Id of the workspace that its runs are in."""
    code: str
    """gRPC status code by name; empty when the outbox can't be read."""
    message: str
    """The reason."""
    way_out: str
    """What to do, as a sentence without its full stop."""


def note_refusal(folder: Path, error: Exception) -> Refusal:
    """Returns the refusal of an outbox by an error, and notes it there for `towpath doctor`."""
    workspace = workspace_of(folder).removeprefix(_WORKSPACES)
    refusal = Refusal(
        path=str(folder),
        workspace=workspace,
        code=error.code if isinstance(error, RpcError) else "",
        message=str(error) or type(error).__name__,
        way_out=_way_out(error, workspace),
    )
    written = folder / f"{REFUSED}.new"
    with suppress(OSError):  # A full disk doesn't hold delivery up.
        written.write_text(json.dumps(asdict(refusal)), encoding="utf-8")
        written.replace(folder / REFUSED)
    return refusal


def noted_refusal(folder: Path) -> Refusal | None:
    """Returns the last refusal of an outbox; None if none is noted in it."""
    try:
        return Refusal(**json.loads((folder / REFUSED).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget_refusal(folder: Path) -> None:
    """Removes the note in an outbox that a server now takes."""
    with suppress(OSError):
        (folder / REFUSED).unlink(missing_ok=True)


def concerns_all(error: Exception) -> bool:
    """Whether an error is one of the connection or the credential, which all outboxes share."""
    if isinstance(error, RpcError) and error.code == "UNAUTHENTICATED":
        return True
    return isinstance(error, ServerUnreachable | NotATowpathServer | ConfigurationError)


def concerns_workspace(error: Exception, workspace: str) -> bool:
    """Whether an error is that the workspace isn't there, or that the caller may not report to it.

    Args:
        error: The error of a call.
        workspace: Id of the workspace that the call was about.
    """
    return isinstance(error, RpcError) and error.metadata.get("resource") == (
        f"{_WORKSPACES}{workspace}"
    )


def described(refusals: Iterable[Refusal]) -> list[tuple[str, str]]:
    """Returns, for each reason, which outboxes were refused and why, and the way out."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for refusal in refusals:
        by_reason.setdefault((refusal.message, refusal.way_out), []).append(refusal.path)
    return [
        (f"{_count(paths)} not delivered: {message} ({_named(paths)})", f"{way_out}.")
        for (message, way_out), paths in by_reason.items()
    ]


def _way_out(error: Exception, workspace: str) -> str:
    if concerns_workspace(error, workspace):
        return (
            f"If {workspace} is misspelt, correct the setting `workspace` (TOWPATH_WORKSPACE), and"
            f" run `towpath sync --move {workspace} NAME` to deliver to the right workspace what"
            " waits; on a server with identity, `towpath workspace create"
            f" {workspace}` makes it"
        )
    if isinstance(error, TowpathError):
        return "Once this is fixed, `towpath sync` or a pipeline of this home delivers what waits"
    return "Make the outbox readable and run `towpath sync`, or delete it"


def _count(paths: list[str]) -> str:
    return "1 outbox was" if len(paths) == 1 else f"{len(paths)} outboxes were"


def _named(paths: list[str]) -> str:
    further = len(paths) - _MOST_NAMED
    named = ", ".join(paths[:_MOST_NAMED])
    return f"{named} and {further} more" if further > 0 else named
