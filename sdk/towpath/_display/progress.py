"""How far a command's work has come: a line that is redrawn in a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING, Final, Self

from towpath._display.words import span

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_FIRST_SECONDS: Final = 1.0
_FRAME_SECONDS: Final = 0.25
_FIRST_LINE_SECONDS: Final = 5.0
_RAREST_LINE_SECONDS: Final = 60.0
_CLEAR_LINE: Final = "\r\x1b[K"


class Progress:
    """Shows the progress of work that takes longer than a second.

    Args:
        what: The work, such as "delivering".
        unit: What is counted, in the plural.
        total: How many there are to do; None when that isn't known.
        stream: The stream to write to, such as standard error; None to show nothing.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        what: str,
        *,
        unit: str,
        total: int | None = None,
        stream: TextIO | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Shows nothing yet."""
        self.done = 0
        """How many are done."""
        self.total = total
        self.remark = ""
        """What else is left to do, if that is not counted in units."""
        self._what = what
        self._unit = unit
        self._stream = stream
        self._redraws = stream is not None and _takes_redrawing(stream)
        self._clock = clock
        self._began = clock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._began = self._clock()
        if self._stream is not None:
            self._thread = threading.Thread(target=self._run, name="towpath-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            if self._redraws:
                self._write(_CLEAR_LINE)

    def advance(self, count: int = 1) -> None:
        """Counts some more as done."""
        self.done += count

    def text(self) -> str:
        """Returns the progress in a line: "delivering: 1,200 of 5,000 reports, 400/s, 10s left"."""
        seconds = self._clock() - self._began
        rate = self.done / seconds if seconds > 0 else 0.0
        of = f" of {self.total:,}" if self.total is not None else ""
        parts = [f"{self._what}: {self.done:,}{of} {self._unit}", _speed(rate)]
        if self.total is not None and rate > 0:
            left = max(0, self.total - self.done) / rate
            parts.append(f"{span(left, digits=0)} left")
        return ", ".join(part for part in (*parts, self.remark) if part)

    def _run(self) -> None:
        pause = _FIRST_SECONDS if self._redraws else _FIRST_LINE_SECONDS
        while not self._over.wait(pause):
            self._show()
            pause = _FRAME_SECONDS if self._redraws else min(pause * 2, _RAREST_LINE_SECONDS)

    def _show(self) -> None:
        if self._redraws:
            room = shutil.get_terminal_size().columns - 1
            self._write(f"{_CLEAR_LINE}{self.text()[:room]}")
        else:
            self._write(f"{self.text()}\n")

    def _write(self, text: str) -> None:
        assert self._stream is not None
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _takes_redrawing(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty() and os.environ.get("TERM") != "dumb"


def _speed(rate: float) -> str:
    """A rate for people: "3,100/s", "0.4/s"; empty for none."""
    if not rate:
        return ""
    return f"{rate:,.0f}/s" if rate >= 1 else f"{rate:.2g}/s"
