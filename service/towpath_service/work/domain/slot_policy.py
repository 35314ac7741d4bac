"""Decisions on due slots: which of them run, and how the others are recorded.

A slot is one due time of a schedule. The tick of a schedule calls `decide`, stores the decisions
with the new `decided_us` in one transaction, and calls again at `wake_us`. Times are microseconds
since the Unix epoch, UTC.

Invariants:
  - each slot is decided once: a tick decides those after `decided_us`, in order, without a gap;
  - no slot is decided before its start, which is the slot plus its jitter;
  - a tick is bounded: 50 runs, 5,000 slots.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import groupby, islice, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from towpath_service.core.errors import ServiceError, invalid
from towpath_service.work.domain.recurrence import due, next_due

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath_service.work.domain.rules import Rule

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
ON_TIME_US: Final = 60 * SECOND_US
"""A slot is on time if it is decided within this time after its start."""
MAX_CAUGHT_UP: Final = 1_000
"""Most slots that CatchUp.ALL runs after one outage: the newest."""
MAX_RUNS: Final = 50
"""Most slots of a tick that may run; the others are decided by the next tick."""
MAX_SLOTS: Final = 5_000
"""Most slots of a tick."""
MAX_WINDOW_US: Final = 366 * DAY_US


class Overlap(IntEnum):
    """What happens while earlier runs are unfinished; numbered as in the contract."""

    ALLOW = 1
    """The run starts all the same."""
    SKIP = 2
    """The slot is left out."""
    QUEUE_ONE = 3
    """The run waits for the others; a slot is left out while another waits."""
    QUEUE = 4
    """The run waits for the others."""
    CANCEL_RUNNING = 5
    """The others are cancelled, and the run starts when they have ended."""


class CatchUp(IntEnum):
    """What happens to slots at which the service was down; numbered as in the contract."""

    NONE = 1
    """They are left out."""
    LATEST = 2
    """The newest runs, if it is within the window."""
    ALL = 3
    """Those within the window run, at most 1,000."""


class SlotOutcome(IntEnum):
    """What was decided about a slot; numbered as in the contract."""

    RUN = 1
    SKIPPED_OVERLAP = 2
    MISSED = 3
    SKIPPED_PAUSED = 4
    REFUSED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPolicy:
    """The policies of a schedule."""

    overlap: Overlap = Overlap.ALLOW
    catch_up: CatchUp = CatchUp.LATEST
    catch_up_window_us: int = DAY_US
    jitter_us: int = 0
    """Span over which runs are spread; each slot has a delay of its own within it."""
    start_deadline_us: int | None = None
    """How long after its start a run may still begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """The part of a schedule that decisions read."""

    key: str
    """The schedule's resource name, from which its jitter follows."""
    rule: Rule
    policy: SlotPolicy
    decided_us: int
    """Slots up to here are decided."""
    paused: bool = False
    """Whether the schedule or its deployment is paused, or was until now."""
    begin_us: int | None = None
    """No slots before."""
    end_us: int | None = None
    """No slots at this time or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """The unfinished runs of a schedule."""

    started: int = 0
    """Those that no other run of the schedule holds back."""
    waiting: int = 0
    """Those that wait for others of the schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision on a slot, or on a stretch of slots."""

    slot_us: int
    """The slot; of a stretch, the last."""
    outcome: SlotOutcome
    count: int = 1
    """Number of slots that this stands for."""
    start_us: int = 0
    """For RUN: the slot plus its jitter, when the run is due."""
    deadline_us: int | None = None
    """For RUN: the last moment at which the run may begin; None for any."""
    waits: bool = False
    """For RUN: whether the run waits until the earlier ones of the schedule have ended."""
    cancels: bool = False
    """For RUN: whether the earlier unfinished runs of the schedule are cancelled."""
    message: str = ""
    """For REFUSED: the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The outcome of a tick for one schedule."""

    decisions: tuple[Decision, ...]
    """In the order of their slots."""
    decided_us: int
    """Slots up to here are decided."""
    next_due_us: int | None
    """The next slot; None if there is none in the next 10 years, or the rule is wrong."""
    wake_us: int | None
    """When the next slot is decided: the slot plus its jitter."""


def decide(schedule: ScheduleState, unfinished: Unfinished, now_us: int) -> Plan:
    """Decides the slots of a schedule that are due.

    A rule that can't be read any more, since its zone is gone, gives one REFUSED decision and no
    next slot.

    Args:
        schedule: The schedule. With `paused`, all slots up to now are recorded as SKIPPED_PAUSED:
            resume a schedule with such a call.
        unfinished: The unfinished runs of the schedule.
        now_us: The present.
    """
    try:
        decisions, decided_us = _decide(schedule, unfinished, now_us)
        return _plan(schedule, decisions, decided_us)
    except ServiceError as error:
        refused = Decision(slot_us=now_us, outcome=SlotOutcome.REFUSED, message=error.message)
        return Plan(decisions=(refused,), decided_us=now_us, next_due_us=None, wake_us=None)


def next_slot(schedule: ScheduleState) -> Plan:
    """The plan that decides nothing: when a new or changed schedule is due next.

    Raises:
        ServiceError: INVALID_REQUEST, with the field: the rule is wrong.
    """
    return _plan(schedule, [], schedule.decided_us)


def check_policy(policy: SlotPolicy) -> None:
    """Checks policies that are given for a schedule.

    Raises:
        ServiceError: INVALID_REQUEST, with the field.
    """
    if not 0 <= policy.catch_up_window_us <= MAX_WINDOW_US:
        raise invalid("catch_up_window", "a window takes 0 to 366 days")
    if not 0 <= policy.jitter_us <= DAY_US:
        raise invalid("jitter", "a jitter takes 0 to 1 day")
    if policy.start_deadline_us is not None and policy.start_deadline_us < SECOND_US:
        raise invalid("start_deadline", "a start deadline takes at least 1 second")


def jitter_of(key: str, slot_us: int, span_us: int) -> int:
    """The delay of a slot: from 0 to the span, and the same wherever it is computed.

    Args:
        key: The schedule's resource name.
        slot_us: The slot.
        span_us: The span of the jitter.
    """
    if span_us <= 0:
        return 0
    digest = hashlib.blake2b(f"{key}\n{slot_us}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (span_us + 1)


class _Slot(NamedTuple):
    """A slot that is due."""

    slot_us: int
    start_us: int
    """When it can be decided: not before the slots before it."""


def _plan(schedule: ScheduleState, decisions: list[Decision], decided_us: int) -> Plan:
    after_us = decided_us if schedule.begin_us is None else max(decided_us, schedule.begin_us - 1)
    slot_us = next_due(schedule.rule, after_us)
    if slot_us is not None and schedule.end_us is not None and slot_us >= schedule.end_us:
        slot_us = None
    return Plan(
        decisions=tuple(decisions),
        decided_us=decided_us,
        next_due_us=slot_us,
        wake_us=None if slot_us is None else slot_us + _jitter(schedule, slot_us),
    )


def _decide(
    schedule: ScheduleState, unfinished: Unfinished, now_us: int
) -> tuple[list[Decision], int]:
    """Returns the decisions, and up to where slots are decided."""
    due_now = list(islice(_due_slots(schedule, now_us), MAX_SLOTS + 1))
    started = list(takewhile(lambda slot: slot.start_us <= now_us, due_now))
    if schedule.paused:
        portion = due_now[:MAX_SLOTS]
        decisions = [_stretch(portion, SlotOutcome.SKIPPED_PAUSED)] if portion else []
    elif len(started) > MAX_SLOTS:
        # So many newer ones follow these that no policy runs them.
        portion = started[:-MAX_CAUGHT_UP]
        decisions = [_stretch(portion, SlotOutcome.MISSED)]
    else:
        chosen = _chosen(schedule.policy, started, now_us)
        portion = started
        if len(chosen) > MAX_RUNS:
            portion = started[: started.index(chosen[MAX_RUNS - 1]) + 1]
        decisions = _judged(schedule.policy, unfinished, portion, set(chosen))
    if len(portion) < len(due_now):
        return decisions, due_now[len(portion)].slot_us - 1
    return decisions, max(now_us, schedule.decided_us)


def _due_slots(schedule: ScheduleState, now_us: int) -> Iterator[_Slot]:
    """The slots that aren't decided, up to now."""
    after_us, until_us = schedule.decided_us, now_us
    if schedule.begin_us is not None:
        after_us = max(after_us, schedule.begin_us - 1)
    if schedule.end_us is not None:
        until_us = min(until_us, schedule.end_us - 1)
    start_us = 0
    for slot_us in _due(schedule.rule, after_us, until_us):
        start_us = max(start_us, slot_us + _jitter(schedule, slot_us))
        yield _Slot(slot_us, start_us)


def _due(rule: Rule, after_us: int, until_us: int) -> Iterator[int]:
    """The slots of a rule up to a time; a single one, as most ticks find, by what is remembered."""
    first_us = next_due(rule, after_us)
    if first_us is None or first_us > until_us:
        return iter(())
    second_us = next_due(rule, first_us)
    if second_us is None or second_us > until_us:
        return iter((first_us,))
    return due(rule, after_us, until_us)


def _jitter(schedule: ScheduleState, slot_us: int) -> int:
    return jitter_of(schedule.key, slot_us, schedule.policy.jitter_us)


def _chosen(policy: SlotPolicy, slots: list[_Slot], now_us: int) -> list[_Slot]:
    """The slots that the catch-up policy runs, in order."""
    window_us = ON_TIME_US
    if policy.catch_up is not CatchUp.NONE:
        window_us = max(window_us, policy.catch_up_window_us)
    if policy.start_deadline_us is not None:
        window_us = min(window_us, policy.start_deadline_us)
    candidates = slots[-1:] if policy.catch_up is CatchUp.LATEST else slots
    chosen = [slot for slot in candidates if now_us - slot.start_us <= window_us]
    return chosen[-MAX_CAUGHT_UP:]


def _judged(
    policy: SlotPolicy, unfinished: Unfinished, slots: list[_Slot], chosen: set[_Slot]
) -> list[Decision]:
    """The decisions on slots of which some are chosen to run."""
    decisions: list[Decision] = []
    for runs, stretch in groupby(slots, chosen.__contains__):
        if not runs:
            decisions.append(_stretch(list(stretch), SlotOutcome.MISSED))
            continue
        for slot in stretch:
            decision = _judge(policy, unfinished, slot)
            decisions.append(decision)
            unfinished = _with_run(unfinished, decision)
    return decisions


def _judge(policy: SlotPolicy, unfinished: Unfinished, slot: _Slot) -> Decision:
    """The decision of the overlap policy."""
    overlaps = unfinished.started + unfinished.waiting > 0
    full = policy.overlap is Overlap.QUEUE_ONE and unfinished.waiting > 0
    if full or (overlaps and policy.overlap is Overlap.SKIP):
        return Decision(slot_us=slot.slot_us, outcome=SlotOutcome.SKIPPED_OVERLAP)
    deadline_us = policy.start_deadline_us
    return Decision(
        slot_us=slot.slot_us,
        outcome=SlotOutcome.RUN,
        start_us=slot.start_us,
        deadline_us=None if deadline_us is None else slot.start_us + deadline_us,
        waits=overlaps and policy.overlap is not Overlap.ALLOW,
        cancels=overlaps and policy.overlap is Overlap.CANCEL_RUNNING,
    )


def _with_run(unfinished: Unfinished, decision: Decision) -> Unfinished:
    """The unfinished runs after a decision."""
    if decision.outcome is not SlotOutcome.RUN:
        return unfinished
    if decision.waits:
        return replace(unfinished, waiting=unfinished.waiting + 1)
    return replace(unfinished, started=unfinished.started + 1)


def _stretch(slots: list[_Slot], outcome: SlotOutcome) -> Decision:
    return Decision(slot_us=slots[-1].slot_us, outcome=outcome, count=len(slots))
