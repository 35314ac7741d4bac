"""Prints one report, instead of Python's traceback, when a flow of a script fails.

Only exceptions that a flow run has marked are reported so. TOWPATH_FULL_TRACEBACK=1 restores
Python's traceback.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

from towpath._display import summary
from towpath._display.words import encodable, printable
from towpath._runs.failures import annotate, annotation, place, text_of
from towpath._settings.current import settings_of_runs
from towpath._state_type import StateType
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from towpath._runs.children import Child
    from towpath._settings.declared import Settings

_MARK: Final = "__towpath_report__"
_REST: Final = "__towpath_rest__"
"""The flow run's name, and the lines to print if the display has shown its failures."""
_NAMES: Final = 8
_previous_hook: Any = None


def attach(
    error: BaseException, flow_name: str, children: Iterable[Child], said: Callable[[str], str]
) -> None:
    """Attaches its report to the exception that ended a flow run.

    Args:
        error: The exception.
        flow_name: Of the flow run.
        children: The runs that it began.
        said: Removes sensitive values from a text.
    """
    ended = [child for child in children if child.state and not child.state.is_completed()]
    lines = [f"✗ {flow_name} failed: {_headline(error)}"]
    for child in ended:
        if child.state is not None and child.state.type is not StateType.SKIPPED:
            lines.append(f"  {child.name} {_word(child)} ({child.state.message})")
            lines += _places(child.state.exception)
    skipped = [c.name for c in ended if c.state and c.state.type is StateType.SKIPPED]
    if skipped:
        more = f" and {len(skipped) - _NAMES} more" if len(skipped) > _NAMES else ""
        lines.append(f"  not run: {', '.join(skipped[:_NAMES])}{more}")
    if not ended:
        lines += _places(error)
    lines.append("  look closer: towpath run ls --all --state FAILED")
    annotate(error, _MARK, said("\n".join(lines)))
    annotate(error, _REST, (flow_name, said("\n".join(_whereabouts(error, ended)))))


def _whereabouts(error: BaseException, ended: Sequence[Child]) -> list[str]:
    """Returns the lines that the display's summary of a failed flow run lacks."""
    found = [
        place
        for child in ended
        if child.state and not child.causes
        for place in _places(child.state.exception)
    ]
    return [
        *(dict.fromkeys(found) if ended else _places(error)),
        "  look closer: towpath run ls --all --state FAILED",
    ]


def settings_for_run() -> Settings:
    """Returns the settings for a root run.

    Raises:
        ConfigurationError: They can't be used; uncaught, it is printed as one line.
    """
    try:
        return settings_of_runs()
    except ConfigurationError as error:
        set_up()
        line = f"Error: {error}\n  `towpath config validate` lists all problems"
        annotate(error, _MARK, line)
        annotate(error, _REST, ("", line))
        raise


def set_up() -> None:
    """Installs a hook that prints the report of an uncaught marked exception."""
    global _previous_hook  # noqa: PLW0603 - a process has one hook
    if _previous_hook is None:
        _previous_hook = sys.excepthook
        sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    report = annotation(error, _MARK)
    rest = annotation(error, _REST)
    if report is None or rest is None or os.environ.get("TOWPATH_FULL_TRACEBACK") == "1":
        _previous_hook(kind, error, frames)
    else:
        flow_name, left = rest
        shown = printable(left if summary.last_shown == flow_name else report, lines=True)
        sys.stderr.write(encodable(f"{shown}\n", sys.stderr.encoding))


def _headline(error: BaseException) -> str:
    text = text_of(error)
    name = type(error).__name__
    if type(error).__module__.startswith("towpath"):
        return text or name
    return f"{name}: {text}" if text else name


def _word(child: Child) -> str:
    state = child.state
    return state.type.value.lower().replace("_", " ") if state is not None else ""


def _places(error: BaseException | None) -> list[str]:
    """The line of the user's code that raised, if it is known."""
    found = place(error) if error is not None else ""
    return [f"    {found}"] if found else []
