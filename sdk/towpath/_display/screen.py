"""A few lines kept below all that this process prints to its terminal.

The cursor rests on an empty line above them, where the next output goes: what bypasses Python's
streams (subprocesses, C code) lands there too and is never erased. While a line is unfinished - a
prompt, somebody else's progress bar - the lines are not shown.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from typing import TextIO

_CLEAR_BELOW: Final = "\x1b[J"
_AS_ONE: Final = ("\x1b[?2026h", "\x1b[?2026l")
"""Has terminals that know it show a frame at once; others ignore it."""
_REDRAW_SECONDS: Final = 0.03
_ASCII: Final = str.maketrans("✓✗●↻■·…", "+x*r#..")


class Screen:
    """The terminal behind standard error.

    Args:
        lock: Held while anything is written, by whatever thread.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._stream: TextIO = sys.stderr
        self._write: Callable[[str], Any] = sys.stderr.write
        self._hooked: list[tuple[TextIO, Any]] = []
        self._frame = ""
        self._shown = False
        self._line_open = False
        self._redrawn = 0.0
        self._input: Any = None

    @property
    def is_open(self) -> bool:
        """Whether lines are kept below the output."""
        return bool(self._hooked)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        with contextlib.suppress(OSError, ValueError):
            columns, rows = os.get_terminal_size(self._stream.fileno())
            if columns and rows:
                return columns, rows
        return 80, 24

    def open(self) -> None:
        """Begins to watch what is printed."""
        self._stream, self._write = sys.stderr, sys.stderr.write
        for stream in (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__):
            if stream is not None and all(stream is not known for known, _ in self._hooked):
                self._hook(stream)
        self._input, builtins.input = builtins.input, self._ask

    def close(self) -> None:
        """Takes the lines away and prints as before."""
        if not self._hooked:
            return
        self._erase()
        self._unhook()

    def let_go(self) -> None:
        """Prints as before and leaves the terminal as it is."""
        self._unhook()

    def draw(self, lines: Sequence[str]) -> None:
        """Shows other lines; each fits the terminal's width, all its height but two."""
        self._frame = "".join(f"\n{line}" for line in lines)
        self._redraw()

    def leave(self, lines: Sequence[str]) -> None:
        """Prints lines for good."""
        self._erase()
        begin = "\n" if self._line_open else ""
        self._line_open = False
        self._put(begin + "".join(f"{line}\n" for line in lines))

    def _hook(self, stream: TextIO) -> None:
        own: Any = getattr(stream, "__dict__", None)
        if own is None or stream.closed or not stream.isatty():
            return
        before = own.get("write")
        original = stream.write

        # Whoever holds the stream, as handlers of logging do, writes through this.
        def write(text: str, /) -> int:
            with self._lock:
                self._erase()
                count = original(text)
                if text:
                    self._line_open = not text.endswith("\n")
                if not self._line_open and time.monotonic() - self._redrawn > _REDRAW_SECONDS:
                    self._redraw()
                return count

        own["write"] = write
        self._hooked.append((stream, before))

    def _unhook(self) -> None:
        for stream, before in self._hooked:
            own = vars(stream)
            own.pop("write", None)
            if before is not None:
                own["write"] = before
        self._hooked.clear()
        self._frame, self._shown, self._line_open = "", False, False
        if self._input is not None:
            builtins.input, self._input = self._input, None

    def _ask(self, prompt: object = "", /) -> str:
        ask = self._input or input
        with self._lock:
            self._erase()
            self._line_open = True
        try:
            answer: str = ask(prompt)
        finally:
            self._line_open = False
        return answer

    def _erase(self) -> None:
        if self._shown:
            self._shown = False
            self._put(_CLEAR_BELOW)

    def _redraw(self) -> None:
        if self._line_open or not self._frame:
            return
        self._redrawn = time.monotonic()
        self._shown = True
        begin, end = _AS_ONE
        up = f"\x1b[{self._frame.count(chr(10))}A\r"
        self._put(f"{begin}{_CLEAR_BELOW}{self._frame}{up}{end}")

    def _put(self, text: str) -> None:
        if "utf" not in (self._stream.encoding or "").lower():
            text = text.translate(_ASCII)
        with contextlib.suppress(OSError, ValueError):
            self._write(text)
            self._stream.flush()
