"""Numbered frames in append-only segment files.

A frame is its length and CRC-32, each 4 bytes little-endian, then the payload. Frames are numbered
1, 2, 3, ... by their place; a segment file is named after the first number in it.

Invariants: what was appended is read back in order, whole, under the number `append` returned;
after a crash at any byte a reader gives the frames before the damage and none after it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
import sys
import threading
import zlib
from collections import deque
from ctypes import ArgumentError
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from towpath._delivery.system_calls import force, write_at_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEGMENT_BYTES: Final = 4 * 1024 * 1024
_HEADER: Final = struct.Struct("<II")


def segment_files(folder: Path, name: str) -> list[tuple[int, Path]]:
    """The segments of a name: number of the first frame, and file, in order."""
    return sorted((int(path.stem.split("-")[1]), path) for path in folder.glob(f"{name}-*.frames"))


class _End(NamedTuple):
    """Where the segments of a name end; one value, so that no part is ahead of another."""

    descriptor: int
    next: int
    """Number of the frame that the end is the place of."""
    size: int


_tuple: Final[Any] = tuple
_new_end: Final[Callable[[type[_End], tuple[int, int, int]], _End]] = _tuple.__new__
"""As `_End`, whose own constructor is Python code."""


class _NumberTaken(Exception):
    """Another frame got a number meanwhile."""


class SegmentWriter:
    """Appends frames to the segments of a name, which one process owns.

    Safe to call from any thread.

    An exception may arrive between any two steps of a call (a timeout, Ctrl-C, an exhausted stack
    or memory). So a frame has its number only once it is written, what the segment holds is stated
    in one assignment after the write, and the next call looks at the file for what a broken one
    left: a whole frame counts, part of one is cut off. A signal handler or a finalizer that reports
    amid a report of its own thread gets its frame before or after that one.
    """

    def __init__(self, folder: Path, name: str, *, sync_each: bool = False) -> None:
        """Writes nothing yet.

        Args:
            folder: Where the segments lie.
            name: What the segments' file names begin with.
            sync_each: Whether each frame is forced to the disk before `append` returns.
        """
        self._folder = folder
        self._name = name
        self._sync_each = sync_each
        self._lock = threading.RLock()
        self._end = _End(descriptor=-1, next=1, size=0)
        self._begun: bytes | None = None
        """A frame that is being written, or whose writing broke off."""
        self._unwritten: deque[tuple[int, bytes]] = deque()
        self._warned = False
        self._is_new = False
        """Whether the disk may not know the name of the segment yet."""
        self._doubted = False

    @property
    def last(self) -> int:
        """Number of the last frame; 0 before the first."""
        if self._begun is not None:
            with self._lock:
                self._settle()
        waiting = self._unwritten
        return waiting[-1][0] if waiting else self._end.next - 1

    def append(self, payload: bytes) -> int:
        """Appends a frame and returns its number.

        A full or failing disk loses nothing: frames then wait in memory, in order.
        """
        # `_framed`, without a call: each report comes here.
        frame = _HEADER.pack(len(payload), zlib.crc32(payload)) + payload
        with self._lock:
            return self._add(frame)

    def append_numbered(self, payload: Callable[[int], bytes]) -> int:
        """Appends a frame that has its own number in it.

        Args:
            payload: Makes the frame's content of its number; called again when a report by a
                signal handler has taken the number meanwhile.
        """
        with self._lock:
            while True:
                number = self.last + 1
                try:
                    return self._add(_framed(payload(number)), number)
                except _NumberTaken:
                    continue

    def unwritten(self, first: int) -> list[bytes]:
        """Payloads from a number on that the disk hasn't taken; none if it has taken the first."""
        with self._lock:
            if not self._unwritten or self._unwritten[0][0] > first:
                return []
            return [frame[_HEADER.size :] for number, frame in self._unwritten if number >= first]

    @property
    def first_waiting(self) -> int:
        """Number of the first frame that the disk hasn't taken; the next one's if it has all."""
        with self._lock:
            return self._unwritten[0][0] if self._unwritten else self.last + 1

    def forget(self, acked: int) -> None:
        """Drops what has been delivered: whole segments, and frames in memory."""
        with self._lock:
            while self._unwritten and self._unwritten[0][0] <= acked:
                # What follows is not the next there: it gets a segment of its own.
                following = self._unwritten[0][0] + 1
                self._end = _End(self._end.descriptor, following, SEGMENT_BYTES)
                self._unwritten.popleft()
                if not self._unwritten:
                    with contextlib.suppress(OSError):  # else with the next frame
                        self._roll()
            found = segment_files(self._folder, self._name)
            for (_, path), (following, _) in itertools.pairwise(found):
                if following <= acked + 1:
                    path.unlink(missing_ok=True)

    def sync(self) -> None:
        """Forces written frames to the disk; a failure is reported on stderr."""
        with self._lock:
            if self._end.descriptor >= 0:
                self._sync()

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._settle()
            descriptor, following, _ = self._end
            self._end = _End(descriptor=-1, next=following, size=SEGMENT_BYTES)
            if descriptor >= 0:
                os.close(descriptor)

    def _add(self, frame: bytes, wanted: int = 0) -> int:
        """Writes a frame, or has it wait; returns its number.

        Raises:
            _NumberTaken: It would not be the wanted one.
        """
        if self._begun is not None:
            self._settle()
        waiting = self._unwritten
        if waiting:
            self._write_waiting()
        number = 0 if waiting else self._write(frame, wanted)
        if number:
            return number
        if wanted and self.last + 1 != wanted:
            raise _NumberTaken
        waiting.append((waiting[-1][0] + 1 if waiting else self._end.next, frame))
        self._warn()
        return waiting[-1][0]

    def _write_waiting(self) -> None:
        waiting = self._unwritten
        while waiting:
            first = waiting[0]
            with contextlib.suppress(_NumberTaken):  # It is written already.
                if not self._write(first[1], first[0]):
                    return
            if waiting and waiting[0] is first:
                waiting.popleft()

    def _write(self, frame: bytes, wanted: int = 0) -> int:
        """Writes a frame and returns its number; 0 when the disk doesn't take it.

        Raises:
            _NumberTaken: It would not be the wanted one.
        """
        try:
            number = self._write_next(frame, wanted)
        except OSError as error:
            if error.errno is None:  # What the system says has one: a signal handler raised this.
                raise
            number = 0
        except ArgumentError as error:  # How ctypes wraps what arrives as it takes the arguments.
            raise RecursionError(str(error)) from error
        if not number:
            self._settle()
        elif self._sync_each:
            self._sync()
        return number

    def _write_next(self, frame: bytes, wanted: int) -> int:
        size = len(frame)
        while True:
            end = self._end
            descriptor, number, held = end
            if held >= SEGMENT_BYTES or descriptor < 0:
                self._roll()
                continue
            grown = _new_end(_End, (descriptor, number + 1, held + size))
            if wanted and number != wanted:
                raise _NumberTaken
            # No call is between this look and the write, so nothing comes between them.
            if self._end is end:
                self._begun = frame
                written = write_at_once(descriptor, frame, size)
                break
        if written < size:
            return 0
        if self._begun is frame:  # Else a report amid this one has looked at the file.
            self._end, self._begun = grown, None
        return number

    def _settle(self) -> None:
        """Looks what the file has of a frame whose writing broke off."""
        begun, end = self._begun, self._end
        if begun is None:
            return
        whole = _End(end.descriptor, end.next + 1, end.size + len(begun))
        torn = _End(end.descriptor, end.next, SEGMENT_BYTES)
        found = end.size
        with contextlib.suppress(OSError):
            found = os.fstat(end.descriptor).st_size
            # As in `_write`: a report amid this one may have done all that.
            if self._begun is begun and found not in {end.size, whole.size}:
                os.ftruncate(end.descriptor, end.size)
                found = end.size
        if self._begun is begun:
            if found == whole.size:
                self._end = whole
            elif found != end.size:
                self._end = torn  # It can't be cut off: what follows gets another segment.
            self._begun = None

    def _sync(self) -> None:
        try:
            os.fsync(self._end.descriptor)
            if self._is_new:
                force(self._folder)
                self._is_new = False
        except FileNotFoundError:
            return  # The outbox was removed: there is nothing to keep.
        except OSError as error:
            self._doubt(error)

    def _roll(self) -> None:
        before = self._end
        path = self._folder / f"{self._name}-{before.next:012d}.frames"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        begun = _End(os.open(path, flags, 0o600), before.next, 0)
        # As in `_write`. A file under a number that no frame has holds a part of one.
        if self._end is before:
            os.ftruncate(begun.descriptor, 0)
        if self._end is before:
            self._end, self._is_new = begun, True
            superfluous = before.descriptor
        else:
            superfluous = begun.descriptor
        if superfluous >= 0:
            os.close(superfluous)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            sys.stderr.write(
                f"towpath: the disk under {self._folder} takes no more; states and logs wait in"
                " memory. Make room there, or they are lost when this process ends.\n"
            )

    def _doubt(self, error: OSError) -> None:
        if not self._doubted:
            self._doubted = True
            sys.stderr.write(
                f"towpath: the disk under {self._folder} does not confirm that data is stored"
                f" ({error.strerror}). Flows go on; reports that no server has taken yet may be"
                " lost if the machine fails. Check the disk.\n"
            )


def _framed(payload: bytes) -> bytes:
    return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


class SegmentReader:
    """Reads the segments of a name from a number on; the owner may go on writing."""

    def __init__(self, folder: Path, name: str, first: int = 1) -> None:
        self._folder = folder
        self._name = name
        self._file: Path | None = None
        self._offset = 0
        self.next = first
        self.damaged = False
        """Whether a frame was met that can't be read, or the frames begin too late."""

    def read(self, most: int, most_bytes: int) -> list[bytes]:
        """Reads the next frames, as many as there are within the limits."""
        found: list[bytes] = []
        size = 0
        while len(found) < most and size < most_bytes and not self.damaged:
            chunk = self._read_file(most - len(found), most_bytes - size)
            found.extend(chunk)
            size += sum(map(len, chunk))
            if not chunk and not self._advance():
                break
        return found

    def skip_to(self, number: int) -> None:
        """Goes on with this frame, since those before it were had from elsewhere."""
        self.next = number
        self._file, self._offset = None, 0

    def torn(self) -> bool:
        """Whether part of a frame follows what was read."""
        try:
            return self._file is not None and self._file.stat().st_size > self._offset
        except FileNotFoundError:
            return False

    def _read_file(self, most: int, most_bytes: int) -> list[bytes]:
        if self._file is None and not self._find():
            return []
        assert self._file is not None
        found: list[bytes] = []
        try:
            with self._file.open("rb") as file:
                file.seek(self._offset)
                data = file.read(most_bytes + 65_536)
                if len(data) >= _HEADER.size:
                    needed = _HEADER.size + _HEADER.unpack_from(data)[0]
                    data += file.read(max(0, min(needed, 64 * 1024 * 1024) - len(data)))
        except FileNotFoundError:
            return []
        start = 0
        while len(found) < most and len(data) - start >= _HEADER.size:
            length, checksum = _HEADER.unpack_from(data, start)
            payload = data[start + _HEADER.size : start + _HEADER.size + length]
            if len(payload) < length:
                break
            # A disk that lost power may give zeros back: no frame is empty.
            if not length or zlib.crc32(payload) != checksum:
                self.damaged = True
                break
            found.append(payload)
            start += _HEADER.size + length
        self._offset += start
        self.next += len(found)
        return found

    def _find(self) -> bool:
        # One look: between two, the owner may begin its first segment.
        found = segment_files(self._folder, self._name)
        candidates = [item for item in found if item[0] <= self.next]
        if not candidates:
            self.damaged = bool(found)
            return False
        wanted = self.next
        first, self._file = candidates[-1]
        self.next, self._offset = first, 0
        while self.next < wanted and self._read_file(wanted - self.next, SEGMENT_BYTES):
            pass
        if self.next < wanted:
            self.skip_to(wanted)
            return False
        return True

    def _advance(self) -> bool:
        """Goes on to the segment that begins where this one ended."""
        for first, path in segment_files(self._folder, self._name):
            if first == self.next and path != self._file:
                self._file, self._offset = path, 0
                return True
            if first > self.next:
                self.damaged = self._file is not None
        return False
