"""Words and formats that the display and the command line share."""

from __future__ import annotations

import codecs
import re
import time
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
_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls of terminals (C0, C1), line breaks of Unicode, changes of direction, lone surrogates."""
_ASCII: Final = {"✓": "+", "✗": "x", "●": "*", "↻": "r", "■": "#", "·": ".", "…": "."}
_SPOKEN: Final = {StateType.SKIPPED: "not run"}


def printable(text: str, *, lines: bool = False) -> str:
    """Returns a text with control characters replaced, since they could change the terminal.

    So are characters that change the direction of text: what is shown would differ from the name.

    Args:
        text: From anywhere.
        lines: Keep line breaks and tabs; else all blank space becomes single spaces.
    """
    if not lines:
        text = " ".join(text.split())
    return _CONTROLS.sub("\ufffd", text)


def escaped_controls(text: str) -> str:
    """Returns JSON whose texts have the same controls as escapes, which mean the same."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def encodable(text: str, encoding: str | None) -> str:
    """Returns a text as a stream of some encoding can hold it; None stands for UTF-8."""
    name = encoding or "utf-8"
    return text.encode(name, PLAIN_SYMBOLS).decode(name)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_ASCII.get(char, "?") for char in lost), error.end


PLAIN_SYMBOLS: Final = "towpath.plain"
"""Handler of encoding errors: the display's symbols become ASCII, others a question mark."""
codecs.register_error(PLAIN_SYMBOLS, _plain)


def state_colour(state: StateType) -> str | None:
    """Returns the colour of a state; None for the terminal's default."""
    return _COLOURS.get(state)


def state_symbol(state: StateType) -> str:
    """Returns the character for a state, which is clear without colour."""
    return _SYMBOLS.get(state, _WAITING)


def state_word(state: StateType) -> str:
    """Returns the word for a state in a sentence: "failed", "timed out", "not run"."""
    return _SPOKEN.get(state) or state.value.lower().replace("_", " ")


def counted(counts: Mapping[StateType, int]) -> list[tuple[StateType, str]]:
    """Returns each state of some runs with a text, "9,812 completed".

    Completed runs come first, then other ended ones, then those that have not ended.
    """
    order = [state for state in StateType if state.terminal]
    order += [state for state in StateType if not state.terminal]
    return [(s, f"{counts[s]:,} {state_word(s)}") for s in order if counts.get(s, 0) > 0]


def span(seconds: float, *, digits: int = 2) -> str:
    """Formats a span of time briefly.

    Args:
        seconds: Its length.
        digits: Decimals of a span below a minute.
    """
    if seconds < _MINUTE:
        return f"{seconds:.{digits}f}s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{left:02}s"


def log_line(line: LogReport, run: RunContext | None) -> str:
    """Formats a log line for the terminal, line break included.

    Args:
        line: As it was reported.
        run: The current run. The line belongs to it unless another process sent the line.
    """
    severity = next(name for least, name in _SEVERITIES if line.severity >= least)
    name = f"{printable(run.name)}  " if run is not None and run.run_id == line.run_id else ""
    at = time.strftime("%H:%M:%S", time.localtime(line.time))
    body = printable(line.body, lines=True).replace("\n", "\n          ")
    trace = printable(line.failure.stack_trace, lines=True) if line.failure is not None else ""
    return f"{at}  {severity}  {name}{body}\n{trace}"


def short_id(run_id: str) -> str:
    """Returns the short form of a run id, as the service makes it: its last 40 bits in base 32."""
    rest = int(run_id[-10:], 16)
    digits: list[str] = []
    for _ in range(_SHORT_LENGTH):
        rest, digit = divmod(rest, 32)
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))
