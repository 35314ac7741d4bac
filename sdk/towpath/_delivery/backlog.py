"""A producer's updates on their way from the outbox to their verdicts.

Invariants: updates are taken in order, each once between two `resume`s; one is forgotten only when
the service has given its verdict; every rejection is kept in `rejected.jsonl` before its update is
forgotten.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from towpath._delivery.outbox import UPDATES, workspace_of
from towpath._delivery.segments import SegmentReader, segment_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from towpath._delivery.memory import MemoryWriter
    from towpath._delivery.segments import SegmentWriter
    from towpath.api.v1 import ingest_service_pb2

BATCH: Final = 1000
BATCH_BYTES: Final = 1024 * 1024
FRAMING_BYTES: Final = 6
"""Most bytes that a message adds to each update in it."""


class Backlog:
    """The updates of one outbox that wait for their verdict."""

    def __init__(
        self,
        folder: Path,
        writer: SegmentWriter | MemoryWriter | None = None,
        *,
        workspace: str = "",
    ) -> None:
        """Takes nothing yet.

        Args:
            folder: The outbox.
            writer: The writer of its frames, when this process owns it.
            workspace: Id of its workspace; empty for the one that the folder names.
        """
        self._workspace = workspace
        self.producer_id = folder.name
        self.rejected = 0
        self.restored = 0
        """How often the service had lost updates that it had acknowledged."""
        self.past_gap = False
        """Whether the service still lacks updates before the next one; they are reported lost."""
        self._folder = folder
        self._writer = writer
        self.acked = self.first_kept - 1
        self._reader = SegmentReader(folder, UPDATES, self.acked + 1)
        self._ahead: deque[bytes] = deque()
        self._told_lost: tuple[int, int] | None = None
        self._held_by = ""

    @cached_property
    def workspace(self) -> str:
        """Name of the workspace that its runs are in."""
        # A disk that is full from the start doesn't hold the name.
        return f"workspaces/{self._workspace}" if self._workspace else workspace_of(self._folder)

    @property
    def damaged(self) -> bool:
        """Whether a part of the outbox can't be read."""
        return self._reader.damaged

    def torn(self) -> bool:
        """Whether the segments of an ended process end within an update."""
        return self._reader.torn()

    @property
    def first_kept(self) -> int:
        """Number of the first update that can still be sent; the next one's if there is none."""
        found = segment_files(self._folder, UPDATES)
        if self._writer is None:
            return found[0][0] if found else 1
        return min([self._writer.first_waiting, *(first for first, _ in found)])

    @property
    def next(self) -> int:
        """Number of the update that is taken next."""
        return self._reader.next - len(self._ahead)

    def take(self, most: int, most_bytes: int, *, at_least_one: bool = False) -> list[bytes]:
        """Takes the next updates, as many as there are within the limits.

        Args:
            most: Most updates.
            most_bytes: Most bytes of them, framing included.
            at_least_one: Take the first even if it is larger than that.
        """
        if not self._ahead:
            self._ahead.extend(self._read())
        taken: list[bytes] = []
        size = 0
        while self._ahead and len(taken) < most:
            size += len(self._ahead[0]) + FRAMING_BYTES
            if size > most_bytes and not (at_least_one and not taken):
                break
            taken.append(self._ahead.popleft())
        return taken

    def acknowledge(
        self, committed: int, rejections: Iterable[ingest_service_pb2.UpdateRejection]
    ) -> None:
        """Takes note of verdicts, and forgets the updates that they are about.

        Args:
            committed: All up to this one have their verdict.
            rejections: All that the service still reports, including those of earlier calls.
        """
        if committed <= self.acked:
            return
        self._keep_rejected([item for item in rejections if item.sequence > self.acked])
        self.acked = committed
        if committed >= self.next:
            self._go_to(committed + 1)
        if self._writer is not None:
            self._writer.forget(committed)

    def resume(self, committed: int) -> None:
        """Goes on after a break with the first update that the service lacks.

        If that is below what it had acknowledged, it has lost data. Then the updates that are still
        kept are taken again, and the others are reported lost.

        Args:
            committed: All up to this one are in the service's database.
        """
        start = max(committed, self.first_kept - 1)
        self.past_gap = committed < start
        if self.past_gap and self._told_lost != (committed + 1, start):
            self._told_lost = (committed + 1, start)
            self._tell_lost(committed + 1, start)
        if start < self.acked:
            _warn(
                "the server lacks updates that it had acknowledged, as after it was restored from a"
                f" backup: {self.acked - start} of them are sent again"
            )
        if start < self.acked or self.past_gap:
            self.restored += 1
            self.acked = start
        self._go_to(start + 1)

    def hold(self, quota: str) -> None:
        """Warns on stderr, once, that updates wait for room; nothing is lost by that.

        Args:
            quota: The tenant's limit that they wait for; empty when they no longer do.
        """
        if quota and quota != self._held_by:
            _warn(
                f"the server takes no new runs: the tenant has reached its limit of {quota}. What"
                f" is reported waits in {self._folder} and nothing is lost; delete runs, keep them"
                " for less long, or ask the server's operator for more"
            )
        self._held_by = quota

    def _go_to(self, first: int) -> None:
        self._ahead.clear()
        self._reader = SegmentReader(self._folder, UPDATES, first)

    def _read(self) -> list[bytes]:
        found = self._reader.read(BATCH, BATCH_BYTES)
        if not found and self._writer is not None and not self._reader.damaged:
            found = self._writer.unwritten(self._reader.next)[:BATCH]
            if found:
                self._go_to(self._reader.next + len(found))
        return found

    def _tell_lost(self, first: int, last: int) -> None:
        message = (
            "the server acknowledged these updates and has lost them, as after it was restored"
            " from a backup, and this outbox keeps them no more"
        )
        entry = {"sequence": first, "last_sequence": last, "run_id": "", "reason": "SERVER_LOST"}
        self._write_rejected([{**entry, "message": message}])
        self.rejected += last - first + 1
        _warn(
            f"updates {first} to {last} of producer {self.producer_id} are lost: {message};"
            f" see {self._rejected_path}"
        )

    def _keep_rejected(self, rejections: list[ingest_service_pb2.UpdateRejection]) -> None:
        if not rejections:
            return
        self.rejected += len(rejections)
        self._write_rejected(
            {
                "sequence": item.sequence,
                "run_id": item.run_id,
                "reason": item.reason,
                "message": item.message,
            }
            for item in rejections
        )

    @property
    def _rejected_path(self) -> Path:
        return self._folder.parent / "rejected.jsonl"

    def _write_rejected(self, entries: Iterable[dict[str, Any]]) -> None:
        # A full disk doesn't hold delivery up.
        with suppress(OSError), self._rejected_path.open("a", encoding="utf-8") as file:
            for entry in entries:
                file.write(json.dumps({"producer_id": self.producer_id} | entry) + "\n")


def _warn(text: str) -> None:
    sys.stderr.write(f"towpath: {text}\n")
