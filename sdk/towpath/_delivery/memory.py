"""Numbered frames in memory, for processes whose Towpath home can't be used."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of frames that wait; frames beyond them are dropped."""


class MemoryWriter:
    """Keeps frames until they are acknowledged, in the place of a `SegmentWriter`.

    Safe to call from any thread, and from a signal handler amid a call.

    Invariants: frames are numbered 1, 2, 3, ... without a gap, dropped ones not counted; the frames
    that wait take at most `most_bytes`.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """Holds no frame yet.

        Args:
            most_bytes: Most bytes of frames that wait.
        """
        self.dropped = 0
        """Number of frames for which there was no room."""
        self._most_bytes = most_bytes
        self._lock = threading.RLock()
        self._frames: dict[int, bytes] = {}
        self._first = 1
        self._last = 0
        self._size = 0

    @property
    def last(self) -> int:
        """Number of the last frame; 0 before the first."""
        return self._last

    @property
    def first_waiting(self) -> int:
        """Number of the first frame that waits; the next one's if none does."""
        return self._first

    def append(self, payload: bytes) -> int:
        """Keeps a frame, if there is room, and returns the number of the last one."""
        return self.append_numbered(lambda _: payload)

    def append_numbered(self, payload: Callable[[int], bytes]) -> int:
        """Keeps a frame that has its own number in it, as `append` does.

        Args:
            payload: Makes the frame's content of its number; called again when a report by a
                signal handler has taken the number meanwhile.
        """
        with self._lock:
            while True:
                number = self._last + 1
                frame = payload(number)
                if self._size + len(frame) > self._most_bytes:
                    self.dropped += 1
                    return self._last
                # One step, so that a signal handler gets its frame before or after this one.
                kept = self._frames.setdefault(number, frame)
                self._last = max(self._last, number)
                if kept is frame:
                    self._size += len(frame)
                    return number

    def unwritten(self, first: int) -> list[bytes]:
        """The frames from a number on."""
        with self._lock:
            last = self._last
            return [self._frames[number] for number in range(max(first, self._first), last + 1)]

    def forget(self, acked: int) -> None:
        """Drops the frames up to a number, which are acknowledged."""
        with self._lock:
            while self._first <= min(acked, self._last):
                self._size -= len(self._frames.pop(self._first))
                self._first += 1

    def sync(self) -> None:
        """Does nothing: there is no disk."""

    def close(self) -> None:
        """Does nothing: no file is open."""
