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
    META,
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
    from collections.abc import Iterator
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
    home: Path, transport: Transport, *, include_live: bool = False, everything: bool = False
) -> DeliveryReport:
    """Delivers the reports that wait in a home's outboxes.

    Args:
        home: The Towpath home.
        transport: Transport to the service.
        include_live: Also deliver the reports of living processes.
        everything: Also deliver outboxes meant for another server.

    Returns:
        Counts of delivered reports, and the outboxes that were set aside.

    Raises:
        RpcError: The service didn't take a batch; the rest stays in the outboxes.
    """
    report = DeliveryReport()
    for folder, meta in _described(home):
        if _is_for_another(meta, transport) and not everything:
            report.skipped += 1
            continue
        descriptor = None if meta.get("pid") == os.getpid() else lock_outbox(folder)
        if descriptor is not None:
            try:
                _take_over(folder, meta, transport, report)
            finally:
                os.close(descriptor)
        elif include_live and meta.get("pid") != os.getpid():
            _deliver_all(folder, transport, report)
    return report


def waits_for_delivery(home: Path, lease_id: str) -> bool:
    """Whether processes of a worker's run have left an outbox.

    Args:
        home: The Towpath home.
        lease_id: Lease under which they ran.
    """
    return any(meta.get("lease_id") == lease_id for _, meta in _described(home))


def deliver_lease(home: Path, transport: Transport, lease_id: str, run_id: str) -> bool:
    """Delivers the outboxes that the processes of a worker's run have left.

    Runs below it that have not ended are reported CRASHED. The run itself is not: its worker
    reports how its process ended.

    Args:
        home: The Towpath home.
        transport: Transport to the service, with the run's token where there is identity.
        lease_id: Lease under which they ran; none of them is alive.
        run_id: The run.

    Returns:
        Whether all is delivered; not while another process delivers an outbox of them.

    Raises:
        RpcError: The service didn't take a batch; the rest stays in the outboxes.
    """
    is_whole = True
    for folder, meta in _described(home):
        if meta.get("lease_id") != lease_id or _is_for_another(meta, transport):
            continue
        descriptor = lock_outbox(folder)
        if descriptor is None:
            is_whole = is_whole and not folder.exists()
            continue
        try:
            _take_over(folder, meta, transport, DeliveryReport(), told_by_worker=run_id)
        finally:
            os.close(descriptor)
    return is_whole


def _described(home: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The outboxes of a home with their descriptions, those left out that can't be read."""
    for folder in outboxes(home):
        try:
            yield folder, json.loads((folder / META).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue


def _is_for_another(meta: dict[str, Any], transport: Transport) -> bool:
    target = meta.get("target", "")
    return bool(target) and target != transport.address


def _deliver_all(folder: Path, transport: Transport, report: DeliveryReport) -> Drain:
    drain = Drain(folder)
    acked, acked_logs = drain.acked, drain.acked_logs
    while drain.deliver(transport):
        pass
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
    *,
    told_by_worker: str = "",
) -> None:
    drain = _deliver_all(folder, transport, report)
    damaged = drain.damaged or drain.torn()
    lost = _unfinished(folder)
    lost.pop(told_by_worker, None)
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
