"""How commands show how far they are."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass

import pytest
from towpath._display import progress
from towpath._display.progress import Progress


@dataclass
class Clock:
    now: float = 50.0

    def __call__(self) -> float:
        return self.now


class Stream(io.StringIO):
    """A stream, perhaps a terminal, that says when something was written to it."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal
        self.wrote = threading.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        self.wrote.set()
        return count


@pytest.mark.parametrize(
    ("done", "total", "seconds", "remark", "text"),
    [
        (0, None, 2, "", "delivering: 0 reports"),
        (0, 8, 0, "", "delivering: 0 of 8 reports"),
        (6200, None, 2, "", "delivering: 6,200 reports, 3,100/s"),
        (1200, 5000, 3, "", "delivering: 1,200 of 5,000 reports, 400/s, 10s left"),
        (5, 65, 10, "", "delivering: 5 of 65 reports, 0.5/s, 2m00s left"),
        (7, 7, 7, "", "delivering: 7 of 7 reports, 1/s, 0s left"),
        (9, 7, 9, "", "delivering: 9 of 7 reports, 1/s, 0s left"),
        (30, None, 10, "2 outboxes left", "delivering: 30 reports, 3/s, 2 outboxes left"),
    ],
)
def test_a_line_says_how_much_is_done_how_fast_and_what_is_left(
    done: int, total: int | None, seconds: float, remark: str, text: str
) -> None:
    clock = Clock()
    shown = Progress("delivering", unit="reports", total=total, stream=None, clock=clock)
    with shown:
        clock.now += seconds
        shown.advance(done)
        shown.remark = remark
        assert shown.text() == text


def test_quick_work_shows_nothing_where_nothing_can_be_redrawn() -> None:
    stream = Stream(terminal=False)
    with Progress("sealing", unit="values", stream=stream) as shown:
        shown.advance()
    assert stream.getvalue() == ""


def test_a_terminal_has_one_line_that_is_redrawn_and_goes_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_FIRST_SECONDS", 0)
    monkeypatch.setattr(progress, "_FRAME_SECONDS", 0.001)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    stream = Stream(terminal=True)
    with Progress("sealing", unit="values", stream=stream, clock=Clock()) as shown:
        shown.advance(3)
        stream.wrote.clear()
        assert stream.wrote.wait(60)
    first, *frames, last = stream.getvalue().split("\r\x1b[K")
    assert (first, last) == ("", "")
    assert set(frames) <= {"sealing: 0 values", "sealing: 3 values"}
    assert "\n" not in stream.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_elsewhere_lines_are_written(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_FIRST_LINE_SECONDS", 0)
    monkeypatch.setenv("TERM", "dumb")
    stream = Stream(terminal=terminal)
    with Progress("sealing", unit="values", total=9, stream=stream, clock=Clock()):
        assert stream.wrote.wait(60)
    assert set(stream.getvalue().splitlines()) == {"sealing: 0 of 9 values"}
    assert stream.getvalue().endswith("\n")


def test_lines_become_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    shown = Progress("sealing", unit="values", stream=Stream(terminal=False))

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == 7

    monkeypatch.setattr(shown._over, "wait", wait)
    shown._run()
    assert pauses == [5, 10, 20, 40, 60, 60, 60]


def test_a_stream_that_is_closed_harms_nothing() -> None:
    stream = Stream(terminal=False)
    stream.close()
    shown = Progress("sealing", unit="values", stream=stream)
    shown._write("x")
