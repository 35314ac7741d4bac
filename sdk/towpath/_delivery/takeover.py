"""Delivers the outboxes of other processes: those that ended, and those that go on writing."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from towpath._delivery import messages
from towpath._delivery.drain import RECORD_UPDATES, Drain
from towpath._delivery.outbox import (
    DEFAULT_WORKSPACE,
    META,
    UPDATES,
    lock_outbox,
    outboxes,
    remove_outbox,
    workspace_of,
)
from towpath._delivery.refusals import (
    Refusal,
    concerns_all,
    concerns_workspace,
    described,
    forget_refusal,
    note_refusal,
)
from towpath._delivery.reports import StateReport
from towpath._delivery.segments import SegmentReader
from towpath._state_type import StateType
from towpath.api.v1 import ingest_service_pb2
from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
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
    refused: list[Refusal] = field(default_factory=list[Refusal])
    """Outboxes that could not be delivered; they wait, and the others were delivered."""

    @property
    def warnings(self) -> list[str]:
        """A text for each reason why outboxes were refused: which, and what to do."""
        return [f"{text}. {way_out}" for text, way_out in described(self.refused)]


def deliver_waiting(
    home: Path,
    transport: Transport,
    *,
    include_live: bool = False,
    own: bool = False,
    everything: bool = False,
    moves: Mapping[str, str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> DeliveryReport:
    """Delivers the reports that wait in a home's outboxes, each outbox by itself.

    Args:
        home: The Towpath home.
        transport: Transport to the service.
        include_live: Also deliver the reports of living processes.
        own: Also deliver those of this process, where no server takes them.
        everything: Also deliver outboxes meant for another server.
        moves: Ids of workspaces whose outboxes of ended processes are delivered to another one.
        on_progress: Is called after each batch: with the number of reports that the batch had, and
            with that of the outboxes that are left, its own among them.

    Returns:
        Counts of delivered reports, and the outboxes that were set aside or refused.

    Raises:
        TowpathError: The service can't be reached, or doesn't know the caller: no outbox can be
            delivered. What was not delivered stays in the outboxes.
    """
    delivery = _Delivery(
        transport, include_live=include_live, own=own, everything=everything, moves=moves
    )
    folders = list(outboxes(home))
    for number, folder in enumerate(folders):
        delivery.take(folder, _Batches(on_progress, left=len(folders) - number))
    return delivery.report


def waits_for_delivery(home: Path, lease_id: str) -> bool:
    """Whether processes of a worker's run have left an outbox.

    Args:
        home: The Towpath home.
        lease_id: Lease under which they ran.
    """
    return any(_of_lease(home, lease_id))


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
        TowpathError: The service didn't take a batch; the rest stays in the outboxes.
    """
    delivery = _Delivery(transport, told_by_worker=run_id)
    delivered = [delivery.take_ended(folder) for folder in _of_lease(home, lease_id)]
    return all(delivered)


def _of_lease(home: Path, lease_id: str) -> Iterator[Path]:
    for folder in outboxes(home):
        meta = _read_description(folder)
        if meta is not None and meta.get("lease_id") == lease_id:
            yield folder


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


class _Delivery:
    """One pass over the outboxes of a home."""

    def __init__(
        self,
        transport: Transport,
        *,
        include_live: bool = False,
        own: bool = False,
        everything: bool = False,
        moves: Mapping[str, str] | None = None,
        told_by_worker: str = "",
    ) -> None:
        self._told_by_worker = told_by_worker
        """The run whose end its worker reports; empty for none."""
        self.report = DeliveryReport()
        self._transport = transport
        self._include_live = include_live
        self._own = own
        self._everything = everything
        self._moves = moves or {}
        self._shut: dict[str, RpcError] = {}
        """The refusals of whole workspaces, which are not asked for again in this pass."""

    def take(self, folder: Path, batches: _Batches) -> None:
        """Delivers an outbox; one that is refused is noted in the report.

        Raises:
            TowpathError: No outbox can be delivered.
        """
        try:
            self._take(folder, batches)
        except Exception as error:
            # One outbox must not hold up the others, whatever is wrong with it.
            if concerns_all(error):
                raise
            # Another process may have delivered and removed it meanwhile.
            if (folder / META).exists():
                self.report.refused.append(note_refusal(folder, error))

    def take_ended(self, folder: Path) -> bool:
        """Delivers an outbox of an ended process; False while another process does.

        Raises:
            TowpathError: It can't be delivered.
        """
        descriptor = lock_outbox(folder)
        if descriptor is None:
            return not folder.exists()
        try:
            meta = self._description(folder)
            if not self._is_for_another(meta):
                self._take_over(folder, meta, _Batches(None, left=1))
        finally:
            os.close(descriptor)
        return True

    def _take(self, folder: Path, batches: _Batches) -> None:
        # The own outbox is locked, too: a lock is one of an open file, not of a process.
        descriptor = lock_outbox(folder)
        if descriptor is None:
            if self._include_live:
                self._deliver_live(folder, batches)
            return
        try:
            meta = self._description(folder)
            if self._is_for_another(meta):
                self.report.skipped += 1
                return
            self._move(folder, meta)
            self._take_over(folder, meta, batches)
        finally:
            os.close(descriptor)

    def _deliver_live(self, folder: Path, batches: _Batches) -> None:
        meta = _read_description(folder)
        if meta is None or (_is_own(meta) and not self._own):
            return
        if not self._is_for_another(meta):
            self._deliver_all(folder, batches)

    def _description(self, folder: Path) -> dict[str, Any]:
        meta = _read_description(folder)
        if meta is None and not self._everything:
            raise ValueError(
                f"{META} can't be read, so its server and workspace are unknown; `towpath sync"
                f" --everything` delivers it to the workspace {DEFAULT_WORKSPACE}"
            )
        return meta or {}

    def _is_for_another(self, meta: dict[str, Any]) -> bool:
        target = meta.get("target", "")
        return bool(target) and target != self._transport.address and not self._everything

    def _move(self, folder: Path, meta: dict[str, Any]) -> None:
        """Changes the workspace of an outbox, if it is to be delivered to another one."""
        workspace = self._moves.get(str(meta.get("workspace", "")))
        if workspace is not None:
            meta["workspace"] = workspace
            written = folder / "meta.new"
            written.write_text(json.dumps(meta), encoding="utf-8")
            written.replace(folder / META)

    def _deliver_all(self, folder: Path, batches: _Batches) -> Drain:
        drain = Drain(folder)
        workspace = drain.backlog.workspace.removeprefix("workspaces/")
        if workspace in self._shut:
            raise self._shut[workspace]
        acked, acked_logs = drain.acked, drain.acked_logs
        try:
            while drain.deliver(self._transport):
                batches.delivered(drain.acked - acked + drain.acked_logs - acked_logs)
        except RpcError as error:
            if concerns_workspace(error, workspace):
                self._shut[workspace] = error
            raise
        finally:
            self.report.updates += drain.acked - acked
            self.report.logs += drain.acked_logs - acked_logs
            self.report.rejected += drain.rejected
        self.report.producers += 1
        forget_refusal(folder)
        return drain

    def _take_over(self, folder: Path, meta: dict[str, Any], batches: _Batches) -> None:
        drain = self._deliver_all(folder, batches)
        damaged = drain.damaged or drain.torn()
        lost = _unfinished(folder)
        lost.pop(self._told_by_worker, None)
        if lost:
            end = _end_of(meta, damaged=damaged)
            _report_lost(folder, end, lost, drain.acked, self._transport)
        if damaged:
            aside = folder.parent.parent / "outbox-set-aside"
            aside.mkdir(exist_ok=True)
            folder.rename(aside / folder.name)
            self.report.set_aside.append(aside / folder.name)
        else:
            remove_outbox(folder)


def _read_description(folder: Path) -> dict[str, Any] | None:
    try:
        meta: Any = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", meta) if isinstance(meta, dict) else None


def _is_own(meta: dict[str, Any]) -> bool:
    """Whether a locked outbox is this process's; containers have equal process ids."""
    return meta.get("pid") == os.getpid() and meta.get("host") == platform.node()


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
