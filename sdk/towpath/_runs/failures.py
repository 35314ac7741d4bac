"""Exceptions as they are reported: type, message, and the frames that are the user's."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from towpath._delivery.reports import FailureReport
from towpath._redaction.patterns import scrubbed

if TYPE_CHECKING:
    from collections.abc import Callable

_OURS: Final = str(Path(__file__).parents[1])
_REMOTE: Final = "__towpath_remote__"
_MOST_CAUSES: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTrace:
    """The text of a traceback whose exception has crossed a process boundary."""

    stack_trace: str
    place: str
    """Last line of the user's code, as `place` gives it."""


def describe(error: BaseException, said: Callable[[str], str] = scrubbed) -> FailureReport:
    """Makes the report of an exception and its causes.

    Args:
        error: The exception.
        said: Removes sensitive values from a text.
    """
    return _described(error, said, 0)


def headline(error: BaseException) -> str:
    """Type and text of an exception on one line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def place(error: BaseException) -> str:
    """The line of the user's code that raised, if it is known; empty otherwise."""
    remote = _remote(error)
    if remote is not None:
        return remote.place
    users = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_OURS)
    ]
    if not users:
        return ""
    last = users[-1]
    return f"{last.filename}:{last.lineno} in {last.name}: {last.line or ''}".rstrip(": ")


def keep_trace(error: BaseException) -> RemoteTrace:
    """Makes the trace to send with an exception to another process."""
    return RemoteTrace(stack_trace=_stack_trace(error), place=place(error))


def restore_trace(error: BaseException, trace: RemoteTrace) -> None:
    """Gives an exception that came from another process its trace back."""
    setattr(error, _REMOTE, trace)


def _described(error: BaseException, said: Callable[[str], str], depth: int) -> FailureReport:
    kind, cause = type(error), error.__cause__
    goes_on = cause is not None and depth < _MOST_CAUSES
    return FailureReport(
        type=f"{kind.__module__}.{kind.__qualname__}",
        message=said(str(error)),
        stack_trace=said(_stack_trace(error)),
        cause=_described(cause, said, depth + 1) if cause is not None and goes_on else None,
    )


def _remote(error: BaseException) -> RemoteTrace | None:
    remote = getattr(error, _REMOTE, None)
    return remote if isinstance(remote, RemoteTrace) else None


def _stack_trace(error: BaseException) -> str:
    remote = _remote(error)
    if remote is not None:
        return remote.stack_trace
    described = traceback.TracebackException.from_exception(error)
    _hide_our_frames(described)
    return "".join(described.format())


def _hide_our_frames(described: traceback.TracebackException) -> None:
    """Leaves the user's frames, of causes too; all where there is none of the user's."""
    chain: list[traceback.TracebackException | None] = [described]
    while chain:
        link = chain.pop()
        if link is None:
            continue
        users = [frame for frame in link.stack if not frame.filename.startswith(_OURS)]
        if users:
            link.stack = traceback.StackSummary.from_list(users)
        chain += [link.__cause__, link.__context__]
