"""Carries an outbox's frames to a service by unary calls, in order, one batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from towpath._delivery import messages
from towpath._delivery.backlog import BATCH, BATCH_BYTES, Backlog
from towpath._delivery.outbox import AFTER, LOGS
from towpath._delivery.segments import SegmentReader, segment_files
from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._delivery.memory import MemoryWriter
    from towpath._delivery.segments import SegmentWriter
    from towpath._transport.base import Transport
    from towpath.api.v1 import ingest_service_pb2

RECORD_UPDATES: Final = "towpath.api.v1.IngestService/RecordUpdates"
WRITE_LOGS: Final = "towpath.api.v1.LogService/WriteLogs"


class Drain:
    """Delivers one outbox; after a failure it goes on from the same place."""

    def __init__(
        self,
        folder: Path,
        *,
        updates: SegmentWriter | MemoryWriter | None = None,
        logs: SegmentWriter | MemoryWriter | None = None,
        workspace: str = "",
    ) -> None:
        """Delivers nothing yet.

        Args:
            folder: The outbox.
            updates: Its writing ends, when this process owns it.
            logs: See `updates`.
            workspace: Id of its workspace; empty for the one that the folder names.
        """
        self.backlog = Backlog(folder, updates, workspace=workspace)
        self._folder = folder
        self._waiting_updates: list[bytes] = []
        self._log_writer = logs
        self._waiting_logs: list[bytes] = []
        self._restored = 0
        self._begin_logs()

    @property
    def acked(self) -> int:
        """Number of the last update up to which all have their verdict."""
        return self.backlog.acked

    @property
    def rejected(self) -> int:
        """Number of updates that were refused for good."""
        return self.backlog.rejected

    @property
    def damaged(self) -> bool:
        """Whether a part of the outbox can't be read."""
        return self.backlog.damaged or self._log_reader.damaged

    def torn(self) -> bool:
        """Whether the outbox of an ended process ends within a report."""
        return self.backlog.torn() or self._log_reader.torn()

    def deliver(self, transport: Transport) -> bool:
        """Delivers a batch of updates, and one of log lines; False when there was neither.

        Raises:
            RpcError: The service didn't take it; calling again goes on from there.
        """
        sent_updates = self._deliver_updates(transport)
        sent_logs = self.deliver_logs(transport)
        return sent_updates or sent_logs

    def deliver_logs(self, transport: Transport) -> bool:
        """Delivers a batch of the log lines whose updates are acknowledged.

        Returns:
            Whether there were any.

        Raises:
            RpcError: The service didn't take it; calling again goes on from there.
        """
        if self._restored != self.backlog.restored:
            self._begin_logs()
        waiting = self._waiting_logs = self._waiting_logs or self._read_logs()
        ready = [line for line in waiting if AFTER.unpack_from(line)[0] <= self.acked]
        if not ready:
            return False
        records = [line[AFTER.size :] for line in ready]
        request = messages.log_batch(self.backlog.workspace, self.backlog.producer_id, records)
        transport.unary(WRITE_LOGS, request, timeout_seconds=30.0)
        self.acked_logs += len(ready)
        self._waiting_logs = waiting[len(ready) :]
        if self._log_writer is not None:
            self._log_writer.forget(self.acked_logs)
        return True

    def _deliver_updates(self, transport: Transport) -> bool:
        waiting = self._waiting_updates = self._waiting_updates or self.backlog.take(
            BATCH, BATCH_BYTES, at_least_one=True
        )
        if not waiting:
            return False
        first = self.acked + 1
        request = messages.update_batch(
            self.backlog.workspace, self.backlog.producer_id, first, waiting, self.acked
        )
        request.resume_after_loss = self.backlog.past_gap
        try:
            answer = cast(
                "ingest_service_pb2.RecordUpdatesResponse",
                transport.unary(RECORD_UPDATES, request, timeout_seconds=30.0),
            )
        except RpcError as error:
            if error.reason != "SEQUENCE_GAP" or self.backlog.past_gap:
                raise
            self._waiting_updates = []
            expected = int(error.metadata["expected_sequence"])
            self.backlog.resume(expected - 1)
            return True
        self.backlog.acknowledge(first + len(waiting) - 1, answer.ack.rejections)
        self.backlog.past_gap = False
        self._waiting_updates = []
        return True

    def _begin_logs(self) -> None:
        """Begins with the first line that is kept; the service knows those it has."""
        found = segment_files(self._folder, LOGS)
        self._restored = self.backlog.restored
        self.acked_logs = found[0][0] - 1 if found else 0
        self._log_reader = SegmentReader(self._folder, LOGS, self.acked_logs + 1)
        self._waiting_logs = []

    def _read_logs(self) -> list[bytes]:
        found = self._log_reader.read(BATCH, BATCH_BYTES)
        if not found and self._log_writer is not None and not self._log_reader.damaged:
            found = self._log_writer.unwritten(self._log_reader.next)[:BATCH]
            if found:
                self._log_reader.skip_to(self._log_reader.next + len(found))
        return found
