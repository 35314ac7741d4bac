"""Why a run is in its state: typed reasons, each with the command that helps.

Pure: a snapshot of facts in, reasons out, the decisive one first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from towpath_service.runs.domain.states import RunState
from towpath_service.work.domain.crash_remedies import remedy_of
from towpath_service.work.domain.explanations import Facts, Kind, ProcessFacts, Reason, WaitingFacts
from towpath_service.work.domain.leases import WORKER_FAULT
from towpath_service.work.domain.pause_texts import resuming, waits_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towpath_service.core.transactions import SlotWait

SILENCE_US: Final = 30_000_000
"""A process that wasn't heard from for longer counts as silent."""
CLOCK_US: Final = 30_000_000
"""A worker whose clock is off by more is told of."""
KILL_US: Final = 10_000_000
"""Time between SIGTERM and SIGKILL."""


def explain(facts: Facts) -> list[Reason]:
    """The reasons for the state of a run; none for one that executes or completed as usual."""
    return _EXPLAINED[facts.state](facts)


def _scheduled(facts: Facts) -> list[Reason]:
    waiting = facts.waiting
    if waiting is None:
        return _not_yet_due(facts.scheduled_us, facts.now_us)
    return [
        *(_returned(facts) or _not_yet_due(waiting.due_us, facts.now_us)),
        *_paused_places(waiting),
        *_parked(waiting),
        *_workers(waiting, facts.now_us),
        *_position(waiting, facts.now_us),
    ]


def _not_yet_due(due_us: int | None, now_us: int) -> list[Reason]:
    if due_us is None or due_us <= now_us:
        return []
    message = f"it is due in {_span(due_us - now_us)}"
    return [Reason(kind=Kind.NOT_YET_DUE, message=message, end_us=due_us)]


def _returned(facts: Facts) -> list[Reason]:
    """Why a worker gave the run back, which puts its due time off for a moment."""
    if facts.waiting is None or facts.state_reason not in {WORKER_FAULT, "RETURNED"}:
        return []
    is_fault = facts.state_reason == WORKER_FAULT
    return [
        Reason(
            kind=Kind.RETURNED,
            message=facts.state_message or "its worker gave it back",
            command=f"towpath worker ls {facts.waiting.pool_id}" if is_fault else "",
            end_us=facts.waiting.due_us if facts.waiting.due_us > facts.now_us else None,
        )
    ]


def _paused_places(waiting: WaitingFacts) -> list[Reason]:
    reasons: list[Reason] = []
    if waiting.pool_paused:
        reasons.append(
            Reason(
                kind=Kind.POOL_PAUSED,
                message=f"the pool {waiting.pool_id} is paused",
                command=f"towpath pool resume {waiting.pool_id}",
                resources=(waiting.pool,),
            )
        )
    if waiting.queue_paused:
        reasons.append(
            Reason(
                kind=Kind.QUEUE_PAUSED,
                message=f"the queue {waiting.queue_id} of the pool {waiting.pool_id} is paused",
                command=f"towpath queue resume {waiting.pool_id}/{waiting.queue_id}",
                resources=(waiting.queue,),
            )
        )
    return reasons


def _parked(waiting: WaitingFacts) -> list[Reason]:
    if not waiting.parked_by:
        return []
    kind, _, name = waiting.parked_by.partition("/")
    if kind == "schedule":
        message = "earlier runs of its schedule are unfinished"
        return [Reason(kind=Kind.OVERLAP, message=message, resources=waiting.holders)]
    commands = {
        "pool": f"towpath pool update {waiting.pool_id} --limit N",
        "queue": f"towpath queue update {waiting.pool_id}/{waiting.queue_id} --limit N",
        "deployment": f"towpath deployment inspect {name}",
    }
    return [
        Reason(
            kind=Kind.LIMIT_FULL,
            message=f"the limit of the {kind} {name} is full",
            command=commands.get(kind, ""),
            resources=waiting.holders,
        )
    ]


def _workers(waiting: WaitingFacts, now_us: int) -> list[Reason]:
    if not waiting.pool_exists:
        return [
            Reason(
                kind=Kind.NO_WORKER,
                message=f"the pool {waiting.pool_id} is gone",
                command=f"towpath pool create {waiting.pool_id}",
                resources=(waiting.pool,),
            )
        ]
    if not waiting.online_workers and waiting.paused_workers:
        first = waiting.paused_workers[0]
        others = len(waiting.paused_workers) - 1
        also = f", and {others} more are" if others else " is"
        return [
            Reason(
                kind=Kind.WORKERS_PAUSED,
                message=f"the worker {first} of the pool {waiting.pool_id}{also} paused",
                command=f"towpath worker resume {waiting.pool_id}/{first}",
                resources=(waiting.pool,),
            )
        ]
    if not waiting.online_workers:
        queue = "" if waiting.queue_id == "default" else f" serves the queue {waiting.queue_id}"
        seen = ""
        if waiting.last_worker and waiting.last_seen_us is not None:
            ago = _span(now_us - waiting.last_seen_us)
            seen = f" ({waiting.last_worker} was last seen {ago} ago)"
        return [
            Reason(
                kind=Kind.NO_WORKER,
                message=f"no worker of the pool {waiting.pool_id}{queue or ' is online'}{seen}",
                command=f"towpath worker start --pool {waiting.pool_id}",
                resources=(waiting.pool,),
            )
        ]
    if waiting.free_slots:
        return []
    return [
        Reason(
            kind=Kind.WORKERS_FULL,
            message=f"all slots of the {waiting.online_workers} online workers are taken",
            command=f"towpath worker start --pool {waiting.pool_id}",
            resources=(waiting.pool,),
        )
    ]


def _position(waiting: WaitingFacts, now_us: int) -> list[Reason]:
    if not waiting.ahead or waiting.due_us > now_us:
        return []
    runs = "1 run is" if waiting.ahead == 1 else f"{waiting.ahead} runs are"
    message = f"{runs} before it in the pool {waiting.pool_id}"
    return [Reason(kind=Kind.QUEUE_POSITION, message=message, position=waiting.ahead)]


def _pending(facts: Facts) -> list[Reason]:
    process = facts.process
    if process.worker:
        message = f"the worker {process.worker_id} starts its process"
        starting = Reason(kind=Kind.STARTING, message=message, resources=(process.worker,))
        return [starting, *_worker_clock(process)]
    if facts.upstream:
        message = f"it waits for {_count(facts.upstream, 'upstream run')}"
        return [Reason(kind=Kind.UPSTREAM, message=message, resources=facts.upstream)]
    return _silent(facts)


def _running(facts: Facts) -> list[Reason]:
    waits = (_slots(facts, wait) for wait in facts.slot_waits)
    return [*waits, *_silent(facts), *_worker_clock(facts.process)]


def _worker_clock(process: ProcessFacts) -> list[Reason]:
    """The clock of the run's worker is far off."""
    offset_us = process.clock_offset_us
    if not process.worker or abs(offset_us) <= CLOCK_US:
        return []
    side = "ahead of" if offset_us > 0 else "behind"
    message = (
        f"the clock of the worker {process.worker_id} is {_span(abs(offset_us))} {side} the"
        " server's: the times of this run are off by as much"
    )
    pool_id = process.worker.split("/")[3]
    return [
        Reason(
            kind=Kind.WORKER_CLOCK,
            message=message,
            command=f"towpath worker ls {pool_id}",
            resources=(process.worker,),
        )
    ]


def _slots(facts: Facts, wait: SlotWait) -> Reason:
    """Its code waits for slots of a limit."""
    waited = _span(facts.now_us - wait.since_us)
    message = f"it has waited {waited} for the limit {wait.limit_id}: {wait.held} of {wait.slots}"
    message = f"{message} slots are held"
    command = f"towpath limit show {wait.limit_id}"
    if wait.holders:
        first = wait.holders[0]
        message = f"{message}, the first by {first.holder or first.acquisition_id}"
        command = f"towpath limit release {wait.limit_id} {first.acquisition_id}"
    workspace = facts.name.rpartition("/runs/")[0]
    limit = f"{workspace}/limits/{wait.limit_id}"
    runs = [f"{workspace}/runs/{holder.run_id}" for holder in wait.holders if holder.run_id]
    return Reason(
        kind=Kind.LIMIT_FULL,
        message=message,
        command=command,
        resources=(limit, *dict.fromkeys(runs)),
    )


def _silent(facts: Facts) -> list[Reason]:
    seen_us = facts.process.seen_us
    if seen_us is None or facts.now_us - seen_us <= SILENCE_US:
        return []
    ago = _span(facts.now_us - seen_us)
    message = f"{_process(facts.process)} was last heard from {ago} ago"
    return [Reason(kind=Kind.SILENT, message=message)]


def _retrying(facts: Facts) -> list[Reason]:
    end_us = facts.next_attempt_us
    when = "" if end_us is None else f" in {_span(max(0, end_us - facts.now_us))}"
    message = f"its next attempt begins{when}"
    return [Reason(kind=Kind.NEXT_ATTEMPT, message=message, end_us=end_us), *_silent(facts)]


def _cancelling(facts: Facts) -> list[Reason]:
    process = facts.process
    if process.worker:
        end_us = None
        if process.asked_us is not None and process.grace_us is not None:
            end_us = process.asked_us + process.grace_us + KILL_US
        return [
            Reason(
                kind=Kind.STOPPING,
                message=f"{_process(process)} is asked to end, and is killed if it doesn't",
                resources=(process.worker,),
                end_us=end_us,
            )
        ]
    command = f"kill {process.pid}" if process.pid else ""
    return [
        Reason(
            kind=Kind.STOP_NOT_CONFIRMED,
            message=f"not confirmed: no worker can stop {_process(process)}; it ends at its next"
            " safe point",
            command=command,
        ),
        *_silent(facts),
    ]


def _paused(facts: Facts) -> list[Reason]:
    pause = facts.pause
    if pause is None:
        return [_said(Kind.PAUSED, facts, "it is paused")]
    message = f"{facts.state_message}: " if facts.state_message else ""
    message += waits_for(pause)
    end_us = pause.deadline_us
    if pause.answered_us is None and end_us is not None:
        message += f", for another {_span(max(0, end_us - facts.now_us))}"
    command = resuming(pause, facts.run_id)
    return [Reason(kind=Kind.PAUSED, message=message, command=command, end_us=end_us)]


def _skipped(facts: Facts) -> list[Reason]:
    if facts.state_reason != "UPSTREAM_FAILED":
        return []
    message = facts.state_message or "an upstream run didn't succeed"
    return [Reason(kind=Kind.UPSTREAM_FAILED, message=message, resources=facts.upstream)]


def _crashed(facts: Facts) -> list[Reason]:
    reason = _said(Kind.CRASHED, facts, "its process was lost")
    command = remedy_of(facts.state_reason, facts.deployment, facts.pool_id)
    return [replace(reason, command=command) if command else reason]


def _failed(facts: Facts) -> list[Reason]:
    return [_said(Kind.FAILED, facts, "its code raised")]


def _cancelled(facts: Facts) -> list[Reason]:
    message = facts.state_message or "it was cancelled"
    return [Reason(kind=Kind.CANCELLED, message=message)]


def _timed_out(facts: Facts) -> list[Reason]:
    if facts.state_reason != "START_DEADLINE":
        return [_said(Kind.TIMED_OUT, facts, "it took longer than its timeout")]
    pool = facts.waiting.pool_id if facts.waiting is not None else "POOL"
    return [
        Reason(
            kind=Kind.TIMED_OUT,
            message=facts.state_message or "no worker started it in time",
            command=f"towpath worker start --pool {pool}",
        )
    ]


def _nothing(facts: Facts) -> list[Reason]:
    del facts
    return []


_EXPLAINED: Final[dict[RunState, Callable[[Facts], list[Reason]]]] = {
    RunState.SCHEDULED: _scheduled,
    RunState.PENDING: _pending,
    RunState.RUNNING: _running,
    RunState.PAUSED: _paused,
    RunState.RETRYING: _retrying,
    RunState.CANCELLING: _cancelling,
    RunState.COMPLETED: _nothing,
    RunState.FAILED: _failed,
    RunState.CANCELLED: _cancelled,
    RunState.CRASHED: _crashed,
    RunState.TIMED_OUT: _timed_out,
    RunState.SKIPPED: _skipped,
}


def _said(kind: Kind, facts: Facts, default: str) -> Reason:
    """A reason in the words of the state's message, with the command that shows more."""
    return Reason(
        kind=kind,
        message=facts.state_message or default,
        command=f"towpath run logs {facts.run_id}",
    )


def _process(process: ProcessFacts) -> str:
    where = process.host or process.worker_id
    if process.pid:
        return f"process {process.pid}{f' on {where}' if where else ''}"
    return f"the process{f' on {where}' if where else ''}"


def _count(names: Sequence[str], noun: str) -> str:
    return f"1 {noun}" if len(names) == 1 else f"{len(names)} {noun}s"


def _span(us: int) -> str:
    """A span for people, in its two largest units: "1 h 5 min", "40 s"."""
    seconds = max(0, us) // 1_000_000
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"
