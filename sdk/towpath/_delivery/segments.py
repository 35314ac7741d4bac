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
from typing import TYPE_CHECKING, Final

from towpath._delivery.system_calls import force, write_at_once

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT_BYTES: Final = 4 * 1024 * 1024
_HEADER: Final = struct.Struct("<II")


def segment_files(folder: Path, name: str) -> list[tuple[int, Path]]:
    """The segments of a name: number of the first frame, and file, in order."""
    return sorted((int(path.stem.split("-")[1]), path) for path in folder.glob(f"{name}-*.frames"))


class SegmentWriter:
    """Appends frames to the segments of a name; one process owns them.

    Safe to call from any thread.
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
        self._lock = threading.Lock()
        self._size = 0
        self._descriptor = -1
        self._next = 1
        """Number of the frame that the segment's end is the place of."""
        self._unwritten: deque[tuple[int, bytes]] = deque()
        self._warned = False
        self._is_new = False
        """Whether the disk may not know the name of the segment yet."""
        self._doubted = False
        self.last = 0

    def append(self, payload: bytes) -> int:
        """Appends a frame and returns its number.

        A full or failing disk loses nothing: frames then wait in memory, in order.
        """
        frame = _HEADER.pack(len(payload), zlib.crc32(payload)) + payload
        with self._lock:
            self.last += 1
            if self._unwritten:
                self._unwritten.append((self.last, frame))
                self._write_waiting()
            elif not self._write(self.last, frame):
                self._unwritten.append((self.last, frame))
                self._warn()
            return self.last

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
                self._unwritten.popleft()
                if not self._unwritten:
                    with contextlib.suppress(OSError):  # else with the next frame
                        self._roll(self.last + 1)
            found = segment_files(self._folder, self._name)
            for (_, path), (following, _) in itertools.pairwise(found):
                if following <= acked + 1:
                    path.unlink(missing_ok=True)

    def sync(self) -> None:
        """Forces what was written to the disk; what stops that is told on stderr."""
        with self._lock:
            if self._descriptor >= 0:
                self._sync()

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write_waiting(self) -> None:
        while self._unwritten and self._write(*self._unwritten[0]):
            self._unwritten.popleft()

    def _write(self, number: int, frame: bytes) -> bool:
        try:
            if self._descriptor < 0 or self._size >= SEGMENT_BYTES or number != self._next:
                self._roll(number)
            written = write_at_once(self._descriptor, frame)
        except OSError:
            written = -1
        if written < len(frame):
            if self._descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
            return False
        self._size += written
        self._next = number + 1
        if self._sync_each:
            self._sync()
        return True

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
            if self._is_new:
                force(self._folder)
                self._is_new = False
        except FileNotFoundError:
            return  # Somebody has removed the outbox: there is nothing to keep.
        except OSError as error:
            self._doubt(error)

    def _roll(self, first: int) -> None:
        path = self._folder / f"{self._name}-{first:012d}.frames"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._is_new = True
        self._size = 0
        self._next = first

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
                f"towpath: the disk under {self._folder} does not say that it keeps what is"
                f" written ({error.strerror}). Flows go on; what no server has taken yet may be"
                " lost if the machine fails. Check the disk.\n"
            )


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
