"""Exceptions as they are reported: type, message, and the frames that are the user's.

Invariant: no function here raises, for any class of exception. An exception may refuse to give its
text, its attributes or its frames, and may refuse to take new ones.
"""

from __future__ import annotations

import traceback
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from towpath._delivery.reports import FailureReport
from towpath._redaction.patterns import scrubbed

if TYPE_CHECKING:
    from collections.abc import Callable

_OURS: Final = str(Path(__file__).parents[1])
_REMOTE: Final = "__towpath_remote__"
_MOST_CAUSES: Final = 7
_MOST_FRAMES: Final = 500
"""As many frames of each exception are read, the innermost; runs that nest deeply have more."""
_NO_TEXT: Final = "<exception str() failed>"
"""As Python's own tracebacks say it."""


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
    links = [error]
    while len(links) <= _MOST_CAUSES and (cause := _cause(links[-1])) is not None:
        links.append(cause)
    report: FailureReport | None = None
    for link in reversed(links):
        report = FailureReport(
            type=said(_type_of(link)),
            message=said(text_of(link)),
            stack_trace=said(_stack_trace(link)),
            cause=report,
        )
    assert report is not None
    return report


def headline(error: BaseException) -> str:
    """Type and text of an exception on one line."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def text_of(error: BaseException) -> str:
    """The text of an exception."""
    try:
        return str.__str__(str(error))
    except Exception:  # noqa: BLE001 - the class may do anything
        return _NO_TEXT


def place(error: BaseException) -> str:
    """The line of the user's code that raised, if it is known; empty otherwise."""
    remote = _remote(error)
    if remote is not None:
        return remote.place
    try:
        frames = traceback.extract_tb(_users_frames(error), limit=-1)
    except Exception:  # noqa: BLE001 - reading a line asks the module's loader
        return ""
    if not frames or _is_ours(frames[-1].filename):
        return ""
    last = frames[-1]
    return f"{last.filename}:{last.lineno} in {last.name}: {last.line or ''}".rstrip(": ")


def keep_trace(error: BaseException) -> RemoteTrace:
    """Makes the trace to send with an exception to another process."""
    return RemoteTrace(stack_trace=_stack_trace(error), place=place(error))


def restore_trace(error: BaseException, trace: RemoteTrace) -> None:
    """Gives an exception that came from another process its trace back."""
    annotate(error, _REMOTE, trace)


def annotate(error: BaseException, name: str, value: object) -> None:
    """Sets an attribute of an exception, also of one that refuses assignments.

    One that has no room for attributes goes without.
    """
    try:
        object.__setattr__(error, name, value)
    except Exception:  # noqa: BLE001 - the class may do anything
        return


def annotation(error: BaseException, name: str) -> Any:
    """What `annotate` set, or None."""
    try:
        return getattr(error, name, None)
    except Exception:  # noqa: BLE001 - the class may do anything
        return None


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}"


def _cause(error: BaseException) -> BaseException | None:
    cause: object = annotation(error, "__cause__")
    return cause if isinstance(cause, BaseException) else None


def _remote(error: BaseException) -> RemoteTrace | None:
    remote = annotation(error, _REMOTE)
    return remote if isinstance(remote, RemoteTrace) else None


def _stack_trace(error: BaseException) -> str:
    remote = _remote(error)
    if remote is not None:
        return remote.stack_trace
    try:
        described = traceback.TracebackException(
            type(error), error, _users_frames(error), limit=-_MOST_FRAMES
        )
        _hide_our_frames(described)
        return "".join(described.format())
    except Exception:  # noqa: BLE001 - the class may do anything, and groups may nest too deep
        return f"{headline(error)}\n"


def _users_frames(error: BaseException) -> TracebackType | None:
    """The user's frames among the innermost; these where there is none of the user's."""
    # The whole of a long traceback is walked here only, since reading a frame is slow.
    last: deque[TracebackType] = deque(maxlen=_MOST_FRAMES)
    link = error.__traceback__
    while link is not None:
        last.append(link)
        link = link.tb_next
    shown = [one for one in last if not _is_ours(one.tb_frame.f_code.co_filename)] or last
    users: TracebackType | None = None
    for one in reversed(shown):
        users = TracebackType(users, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return users


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS)


def _hide_our_frames(described: traceback.TracebackException) -> None:
    """Leaves the user's frames, of causes too; all where there is none of the user's."""
    chain: list[traceback.TracebackException | None] = [described]
    while chain:
        link = chain.pop()
        if link is None:
            continue
        users = [frame for frame in link.stack if not _is_ours(frame.filename)]
        if users:
            link.stack = traceback.StackSummary.from_list(users)
        chain += [link.__cause__, link.__context__]
