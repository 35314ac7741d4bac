"""What the display and the command line say in the same words."""

from __future__ import annotations

import time
import unicodedata
from typing import TYPE_CHECKING, Final

from towpath._state_type import StateType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath._delivery.reports import LogReport
    from towpath._runs.context import RunContext

_MINUTE: Final = 60
_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_SHORT_LENGTH: Final = 8
_COLOURS: Final = {
    StateType.COMPLETED: "green",
    StateType.FAILED: "red",
    StateType.CRASHED: "red",
    StateType.TIMED_OUT: "red",
    StateType.RUNNING: "cyan",
    StateType.RETRYING: "yellow",
    StateType.SKIPPED: "yellow",
    StateType.CANCELLED: "yellow",
}
_SYMBOLS: Final = {
    StateType.COMPLETED: "✓",
    StateType.FAILED: "✗",
    StateType.CRASHED: "✗",
    StateType.TIMED_OUT: "✗",
    StateType.RUNNING: "●",
    StateType.RETRYING: "↻",
    StateType.SKIPPED: "-",
    StateType.CANCELLED: "■",
}
_WAITING: Final = "·"
_SEVERITIES: Final = ((21, "FATAL"), (17, "ERROR"), (13, "WARNING"), (9, "INFO"), (0, "DEBUG"))
_SPOKEN: Final = {StateType.SKIPPED: "not run"}


def printable(text: str, *, lines: bool = False) -> str:
    """A text that can't move the cursor or change the terminal.

    Args:
        text: From anywhere.
        lines: Keep line breaks and tabs; else all blank space becomes single spaces.
    """
    if not lines:
        text = " ".join(text.split())
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"} else "\ufffd"
        for char in text
    )


def state_colour(state: StateType) -> str | None:
    """The colour of a state, None for the terminal's own."""
    return _COLOURS.get(state)


def state_symbol(state: StateType) -> str:
    """One character that tells a state without colour."""
    return _SYMBOLS.get(state, _WAITING)


def state_word(state: StateType) -> str:
    """A state as a sentence names it: "failed", "timed out", "not run"."""
    return _SPOKEN.get(state) or state.value.lower().replace("_", " ")


def counted(counts: Mapping[StateType, int]) -> list[tuple[StateType, str]]:
    """The states that runs are in, each with its "9,812 completed": ended well, badly, not yet."""
    order = [state for state in StateType if state.terminal]
    order += [state for state in StateType if not state.terminal]
    return [(s, f"{counts[s]:,} {state_word(s)}") for s in order if counts.get(s, 0) > 0]


def span(seconds: float, *, digits: int = 2) -> str:
    """A span of time, short.

    Args:
        seconds: Its length.
        digits: Decimals to show of a span below a minute.
    """
    if seconds < _MINUTE:
        return f"{seconds:.{digits}f}s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{left:02}s"


def log_line(line: LogReport, run: RunContext | None) -> str:
    """A log line as the terminal shows it, line break included.

    Args:
        line: As it was reported.
        run: The run that code here is in, which the line is of unless a process sent it.
    """
    severity = next(name for least, name in _SEVERITIES if line.severity >= least)
    name = f"{printable(run.name)}  " if run is not None and run.run_id == line.run_id else ""
    at = time.strftime("%H:%M:%S", time.localtime(line.time))
    body = printable(line.body, lines=True).replace("\n", "\n          ")
    trace = printable(line.failure.stack_trace, lines=True) if line.failure is not None else ""
    return f"{at}  {severity}  {name}{body}\n{trace}"


def short_id(run_id: str) -> str:
    """The last 8 characters of a run id as the service shortens it: its last 40 bits, base 32."""
    rest = int(run_id[-10:], 16)
    digits: list[str] = []
    for _ in range(_SHORT_LENGTH):
        rest, digit = divmod(rest, 32)
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))
