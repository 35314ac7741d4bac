"""Raises in the middle of a call, at one place after the other, as exceptions from outside do."""

from __future__ import annotations

import dis
import linecache
import sys
from contextlib import contextmanager
from functools import cache
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import CodeType, FrameType

Places = Literal["steps", "lines"]
_LOOKED_AFTER = ("CALL", "RESUME", "JUMP_BACKWARD")


class BrokenOffError(BaseException):
    """Stands for whatever arrives: a timeout, Ctrl-C, an exhausted stack."""


def broken_off(
    call: Callable[[], object],
    *,
    within: str,
    places: Places,
    then: Callable[[], object] | None = None,
) -> Iterator[bool]:
    """Calls again and again, each time broken off at the next place, until it isn't any more.

    Args:
        call: What to call.
        within: Part of the file names where it breaks off.
        places: Where: "steps" are all places at which Python looks for exceptions from outside
            (after a call, at the beginning of a function, at a jump back); "lines" are the lines.
            Python raises none between a lock's acquisition and the `with` block, or the block and
            the release, so the second look at a `with` line, which releases, is left out.
        then: What to do at the place, as a signal handler would; raises when it isn't given.

    Yields:
        Whether this call was broken off, after each call.
    """
    at = 0
    while True:
        trace = _Trace(at, within, places, then)
        try:
            if sys.version_info >= (3, 12) and places == "steps":
                with _monitored(trace):
                    call()
            else:
                # Here and not in a generator: CPython 3.11 hung in the call after that.
                before = sys.gettrace()
                sys.settrace(trace.call)
                try:
                    call()
                finally:
                    sys.settrace(before)
        except BrokenOffError:
            assert trace.struck
        yield trace.struck
        if not trace.struck:
            return
        at += 1


@contextmanager
def _monitored(trace: _Trace) -> Generator[None]:
    """Watches instructions; a trace function misses those of a function's first call there."""
    if sys.version_info < (3, 12):
        yield
    else:
        tool, event = sys.monitoring.DEBUGGER_ID, sys.monitoring.events.INSTRUCTION
        sys.monitoring.use_tool_id(tool, "breaking in")
        sys.monitoring.register_callback(tool, event, trace.instruction)
        sys.monitoring.set_events(tool, event)
        try:
            yield
        finally:
            sys.monitoring.set_events(tool, sys.monitoring.events.NO_EVENTS)
            sys.monitoring.register_callback(tool, event, None)
            sys.monitoring.free_tool_id(tool)


class _Trace:
    def __init__(
        self, at: int, within: str, places: Places, then: Callable[[], object] | None
    ) -> None:
        self.struck = False
        self._left = at
        self._within = within
        self._places = places
        self._then = then
        self._before: dict[FrameType, str] = {}
        self._entered: set[tuple[FrameType, int]] = set()
        self._thread = get_ident()

    def call(self, frame: FrameType, event: str, argument: object) -> Any:
        del event, argument
        if self.struck or self._within not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = self._places == "steps"
        frame.f_trace_lines = self._places == "lines"
        return self._step

    def _step(self, frame: FrameType, event: str, argument: object) -> Any:
        del argument
        if self.struck:
            return None
        if event == "opcode":
            self._at_operation(frame, frame.f_lasti)
        elif event == "line" and not self._releases(frame):
            self._strike()
        return self._step

    def instruction(self, code: CodeType, offset: int) -> None:
        if self.struck or self._within not in code.co_filename or get_ident() != self._thread:
            return
        self._at_operation(sys._getframe(1), offset)

    def _at_operation(self, frame: FrameType, offset: int) -> None:
        if self._before.get(frame, "").startswith(_LOOKED_AFTER):
            self._strike()
        self._before[frame] = _operations(frame.f_code).get(offset, "")

    def _releases(self, frame: FrameType) -> bool:
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if not line.lstrip().startswith("with"):
            return False
        if (frame, frame.f_lineno) in self._entered:
            return True
        self._entered.add((frame, frame.f_lineno))
        return False

    def _strike(self) -> None:
        if self._left:
            self._left -= 1
            return
        self.struck = True
        if self._then is None:
            raise BrokenOffError
        sys.settrace(None)
        self._then()


@cache
def _operations(code: CodeType) -> dict[int, str]:
    return {each.offset: each.opname for each in dis.get_instructions(code)}
