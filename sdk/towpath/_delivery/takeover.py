"""Delivers the outboxes of other processes: those that ended, and those that go on writing."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from towpath._delivery import messages
from towpath._delivery.drain import RECORD_UPDATES, Drain
from towpath._delivery.outbox import (
    UPDATES,
    lock_outbox,
    outboxes,
    remove_outbox,
    workspace_of,
)
from towpath._delivery.reports import StateReport
from towpath._delivery.segments import SegmentReader
from towpath._state_type import StateType
from towpath.api.v1 import ingest_service_pb2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from towpath._transport.base import Transport

_TERMINAL = {state.number for state in StateType if state.terminal}
_RETRYING = StateType.RETRYING.number


@dataclass(slots=True, kw_only=True)
class DeliveryReport:
    """The result of a delivery of waiting outboxes."""

    producers: int = 0
    updates: int = 0
    logs: int = 0
    rejected: int = 0
    set_aside: list[Path] = field(default_factory=list["Path"])
    skipped: int = 0
    """Outboxes that are for another server."""


def deliver_waiting(
    home: Path,
    transport: Transport,
    *,
    include_live: bool = False,
    everything: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> DeliveryReport:
    """Delivers the reports that wait in a home's outboxes.

    Args:
        home: The Towpath home.
        transport: Transport to the service.
        include_live: Also deliver the reports of living processes.
        everything: Also deliver outboxes meant for another server.
        on_progress: Is called after each batch: with the number of reports that the batch had, and
            with that of the outboxes that are left, its own among them.

    Returns:
        Counts of delivered reports, and the outboxes that were set aside.

    Raises:
        RpcError: The service didn't take a batch; the rest stays in the outboxes.
    """
    report = DeliveryReport()
    folders = list(outboxes(home))
    for number, folder in enumerate(folders):
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        target = meta.get("target", "")
        if target and target != transport.address and not everything:
            report.skipped += 1
            continue
        batches = _Batches(on_progress, left=len(folders) - number)
        descriptor = None if meta.get("pid") == os.getpid() else lock_outbox(folder)
        if descriptor is not None:
            try:
                _take_over(folder, meta, transport, report, batches)
            finally:
                os.close(descriptor)
        elif include_live and meta.get("pid") != os.getpid():
            _deliver_all(folder, transport, report, batches)
    return report


class _Batches:
    """Tells of the batches of one outbox."""

    def __init__(self, tell: Callable[[int, int], None] | None, *, left: int) -> None:
        self._tell = tell
        self._left = left
        self._before = 0

    def delivered(self, reports: int) -> None:
        """Notes how many reports of the outbox are delivered by now."""
        if self._tell is not None:
            self._tell(reports - self._before, self._left)
        self._before = reports


def _deliver_all(
    folder: Path, transport: Transport, report: DeliveryReport, batches: _Batches
) -> Drain:
    drain = Drain(folder)
    acked, acked_logs = drain.acked, drain.acked_logs
    while drain.deliver(transport):
        batches.delivered(drain.acked - acked + drain.acked_logs - acked_logs)
    report.producers += 1
    report.updates += drain.acked - acked
    report.logs += drain.acked_logs - acked_logs
    report.rejected += drain.rejected
    return drain


def _take_over(
    folder: Path,
    meta: dict[str, Any],
    transport: Transport,
    report: DeliveryReport,
    batches: _Batches,
) -> None:
    drain = _deliver_all(folder, transport, report, batches)
    damaged = drain.damaged or drain.torn()
    lost = _unfinished(folder)
    if lost:
        _report_lost(folder, _end_of(meta, damaged=damaged), lost, drain.acked, transport)
    if damaged:
        aside = folder.parent.parent / "outbox-set-aside"
        aside.mkdir(exist_ok=True)
        folder.rename(aside / folder.name)
        report.set_aside.append(aside / folder.name)
    else:
        remove_outbox(folder)


def _unfinished(folder: Path) -> dict[str, int]:
    """Runs that the outbox never saw end, with their attempt."""
    drain = Drain(folder)
    try:
        known = json.loads((folder / "open.json").read_text(encoding="utf-8"))
        unfinished = {str(run_id): int(attempt) for run_id, attempt in known.items()}
    except (OSError, ValueError):
        unfinished = {}
    reader = SegmentReader(folder, UPDATES, drain.acked + 1)
    while frames := reader.read(1000, 1024 * 1024):
        for frame in frames:
            _follow(unfinished, ingest_service_pb2.Update.FromString(frame))
    return unfinished


def _follow(unfinished: dict[str, int], update: ingest_service_pb2.Update) -> None:
    change = update.WhichOneof("change")
    if change == "create":
        report = update.create.initial
    elif change == "transition":
        report = update.transition
    else:
        return
    if report.state in _TERMINAL:
        unfinished.pop(update.run_id, None)
    else:
        attempt = report.attempt + (1 if report.state == _RETRYING else 0)
        unfinished[update.run_id] = attempt


def _end_of(meta: dict[str, Any], *, damaged: bool) -> str:
    process = f"its process {meta.get('pid')} on {meta.get('host')}"
    if damaged:
        return f"what {process} reported of its end can't be read: the outbox is damaged"
    return f"{process} ended without a word"


def _report_lost(
    folder: Path, message: str, lost: dict[str, int], acked: int, transport: Transport
) -> None:
    written = max((path.stat().st_mtime for path in folder.glob("*.frames")), default=time.time())
    updates = [
        messages.transition(
            run_id,
            StateReport(
                state=StateType.CRASHED,
                time=written,
                attempt=attempt,
                reason="PROCESS_LOST",
                message=message,
            ),
        ).SerializeToString()
        for run_id, attempt in reversed(lost.items())
    ]
    for start in range(0, len(updates), 1000):
        chunk = updates[start : start + 1000]
        request = messages.update_batch(
            workspace_of(folder), folder.name, acked + start + 1, chunk, acked
        )
        transport.unary(RECORD_UPDATES, request, timeout_seconds=30.0)
