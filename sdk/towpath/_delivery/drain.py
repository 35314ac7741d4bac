"""Carries an outbox's frames to a service, in order, each with a verdict before the next batch."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Final, cast

from towpath._delivery import messages
from towpath._delivery.lanes import LaneReader, segments
from towpath._delivery.outbox import AFTER, LOGS, UPDATES

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._delivery.lanes import Lane
    from towpath._transport.base import Transport
    from towpath.api.v1 import ingest_service_pb2

BATCH: Final = 1000
BATCH_BYTES: Final = 1024 * 1024
RECORD_UPDATES: Final = "towpath.api.v1.IngestService/RecordUpdates"
WRITE_LOGS: Final = "towpath.api.v1.LogService/WriteLogs"


class Drain:
    """Delivers one outbox; carries on where it was after a failure."""

    def __init__(
        self, folder: Path, *, updates: Lane | None = None, logs: Lane | None = None
    ) -> None:
        """Delivers nothing yet.

        Args:
            folder: The outbox.
            updates: Its writing ends, when this process owns it.
            logs: See `updates`.
        """
        self._folder = folder
        self._producer_id = folder.name
        self._lanes = {UPDATES: updates, LOGS: logs}
        self.acked = _first(folder, UPDATES) - 1
        self.acked_logs = _first(folder, LOGS) - 1
        self.rejected = 0
        self.damaged = False
        self._update_reader = LaneReader(folder, UPDATES, self.acked + 1)
        self._log_reader = LaneReader(folder, LOGS, self.acked_logs + 1)
        self._waiting_updates: list[bytes] = []
        self._waiting_logs: list[bytes] = []

    def deliver(self, transport: Transport) -> bool:
        """Delivers a batch of each lane; False when there was nothing to deliver.

        Raises:
            RpcError: The service didn't take it; calling again goes on from there.
        """
        sent_updates = self._deliver_updates(transport)
        sent_logs = self._deliver_logs(transport)
        self.damaged = self._update_reader.damaged or self._log_reader.damaged
        return sent_updates or sent_logs

    def torn(self) -> bool:
        """Whether the outbox ends within a report: for one whose owner is gone."""
        return self._update_reader.torn() or self._log_reader.torn()

    def _deliver_updates(self, transport: Transport) -> bool:
        waiting = self._waiting_updates = self._waiting_updates or self._read(
            UPDATES, self._update_reader
        )
        if not waiting:
            return False
        first = self.acked + 1
        request = messages.update_batch(self._producer_id, first, waiting, self.acked)
        answer = cast(
            "ingest_service_pb2.RecordUpdatesResponse",
            transport.unary(RECORD_UPDATES, request, timeout_seconds=30.0),
        )
        rejections = [item for item in answer.ack.rejections if item.sequence > self.acked]
        self._keep_rejected(rejections)
        self.acked += len(waiting)
        self._waiting_updates = []
        lane = self._lanes[UPDATES]
        if lane is not None:
            lane.forget(self.acked)
        return True

    def _deliver_logs(self, transport: Transport) -> bool:
        waiting = self._waiting_logs = self._waiting_logs or self._read(LOGS, self._log_reader)
        ready = [line for line in waiting if AFTER.unpack_from(line)[0] <= self.acked]
        if not ready:
            return False
        records = [line[AFTER.size :] for line in ready]
        transport.unary(
            WRITE_LOGS, messages.log_batch(self._producer_id, records), timeout_seconds=30.0
        )
        self.acked_logs += len(ready)
        self._waiting_logs = waiting[len(ready) :]
        lane = self._lanes[LOGS]
        if lane is not None:
            lane.forget(self.acked_logs)
        return True

    def _read(self, name: str, reader: LaneReader) -> list[bytes]:
        found = reader.read(BATCH, BATCH_BYTES)
        lane = self._lanes[name]
        if not found and lane is not None and not reader.damaged:
            found = lane.unwritten(reader.next)[:BATCH]
            if found:
                reader.skip_to(reader.next + len(found))
        return found

    def _keep_rejected(self, rejections: list[ingest_service_pb2.UpdateRejection]) -> None:
        if not rejections:
            return
        self.rejected += len(rejections)
        path = self._folder.parent / "rejected.jsonl"
        # A full disk doesn't hold delivery up.
        with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as file:
            for item in rejections:
                entry = {
                    "producer_id": self._producer_id,
                    "sequence": item.sequence,
                    "run_id": item.run_id,
                    "reason": item.reason,
                    "message": item.message,
                }
                file.write(json.dumps(entry) + "\n")


def _first(folder: Path, name: str) -> int:
    found = segments(folder, name)
    return found[0][0] if found else 1
