"""What a script prints whose flow failed: one report instead of Python's traceback.

Only exceptions that a flow run marked are reported so; TOWPATH_FULL_TRACEBACK=1 brings Python's
traceback back.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

from towpath._display import summary
from towpath._runs.failures import annotate, annotation, place, text_of
from towpath._state_type import StateType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from towpath._runs.children import Child

_MARK: Final = "__towpath_report__"
_REST: Final = "__towpath_rest__"
"""The flow run's name, and what is left to say once the display has told of its failures."""
_NAMES: Final = 8
_previous_hook: Any = None


def attach(
    error: BaseException, flow_name: str, children: Iterable[Child], said: Callable[[str], str]
) -> None:
    """Marks the exception that ended a flow run with what there is to say.

    Args:
        error: The exception.
        flow_name: Of the flow run.
        children: The runs that it began.
        said: Takes out of a text what must not be seen.
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
    lines.append("  look closer: towpath run ls --state FAILED")
    annotate(error, _MARK, said("\n".join(lines)))
    annotate(error, _REST, (flow_name, said("\n".join(_whereabouts(error, ended)))))


def _whereabouts(error: BaseException, ended: Sequence[Child]) -> list[str]:
    """What the display's summary of a failed flow run leaves to say."""
    found = [
        place
        for child in ended
        if child.state and not child.causes
        for place in _places(child.state.exception)
    ]
    return [
        *(dict.fromkeys(found) if ended else _places(error)),
        "  look closer: towpath run ls --state FAILED",
    ]


def set_up() -> None:
    """Has marked exceptions that nobody catches print their report."""
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
        sys.stderr.write(f"{left if summary.last_shown == flow_name else report}\n")


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
