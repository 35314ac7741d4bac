"""Keeps a few lines below all output of this process in its terminal.

The cursor rests on an empty line above them, where the next output goes. Output that bypasses
Python's streams (of subprocesses or C code) goes there too and is never erased. The lines are not
shown while a line of output is unfinished, as in a prompt or another package's progress bar.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from towpath._display.words import encodable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from typing import TextIO

_CLEAR_BELOW: Final = "\x1b[J"
_AS_ONE: Final = ("\x1b[?2026h", "\x1b[?2026l")
"""Escape sequences around a frame: terminals that know them show it at once, others ignore them."""
_REDRAW_SECONDS: Final = 0.03


class Screen:
    """The terminal behind standard error.

    Args:
        lock: Held by a thread while it writes.
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
        """Begins to intercept printed output."""
        self._stream, self._write = sys.stderr, sys.stderr.write
        for stream in (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__):
            if stream is not None and all(stream is not known for known, _ in self._hooked):
                self._hook(stream)
        self._input, builtins.input = builtins.input, self._ask

    def close(self) -> None:
        """Removes the lines and stops intercepting output."""
        if not self._hooked:
            return
        self._erase()
        self._unhook()

    def let_go(self) -> None:
        """Stops intercepting output and leaves the terminal as it is."""
        self._unhook()

    def draw(self, lines: Sequence[str]) -> None:
        """Shows new lines; each must fit the terminal's width, and all its height less two."""
        self._frame = "".join(f"\n{line}" for line in lines)
        self._redraw()

    def leave(self, lines: Sequence[str]) -> None:
        """Prints lines that stay."""
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

        # Code that holds the stream, as handlers of logging do, writes through this.
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
        text = encodable(text, self._stream.encoding)
        with contextlib.suppress(OSError, ValueError):
            self._write(text)
            self._stream.flush()
