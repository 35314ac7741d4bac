"""Catch-up, overlap and backfill: rows worked out by two other programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

import pytest
from towpath_service.work.domain.recurrence import due_within
from towpath_service.work.domain.rules import CronRule, IntervalRule
from towpath_service.work.domain.slot_policy import (
    CatchUp,
    Overlap,
    ScheduleState,
    SlotOutcome,
    SlotPolicy,
    Unfinished,
    decide,
)

from tests.unit.service.work.brute_force import at, instant, us

MINUTE_US = 60_000_000
HOUR, DAY = 60, 1440
"""In minutes."""
FIVE = "*/5 * * * *"

CATCH_UP = [
    ("Europe/London", "0 2 * * *", "12-01T12:00", "12-02T06:00", "NONE", DAY, "", 1),
    ("Europe/London", "0 2 * * *", "12-01T12:00", "12-02T06:00", "LATEST", DAY, "12-02T02:00", 0),
    ("Europe/London", "0 2 * * *", "12-01T12:00", "12-02T06:00", "ALL", DAY, "12-02T02:00", 0),
    ("Europe/London", "0 2 * * *", "12-01T12:00", "12-05T06:00", "LATEST", DAY, "12-05T02:00", 3),
    (
        *("Europe/London", "0 2 * * *", "12-01T12:00", "12-05T06:00", "ALL", 3 * DAY),
        "12-03T02:00 12-04T02:00 12-05T02:00",
        1,
    ),
    ("UTC", FIVE, "12-01T00:00", "12-01T06:00", "NONE", DAY, "12-01T06:00", 71),
    ("UTC", FIVE, "12-01T00:00", "12-01T06:00", "LATEST", DAY, "12-01T06:00", 71),
    ("UTC", FIVE, "12-01T00:00", "12-01T06:02:30", "LATEST", DAY, "12-01T06:00", 71),
    (
        *("UTC", FIVE, "12-01T00:00", "12-01T06:00", "ALL", HOUR),
        " ".join(f"12-01T05:{minute:02}" for minute in range(0, 60, 5)) + " 12-01T06:00",
        59,
    ),
    ("UTC", "0 2 * * *", "12-01T12:00", "12-03T01:00", "LATEST", HOUR, "", 1),
    ("Europe/London", "30 1 * * *", "10-24T12:00", "10-25T03:00", "ALL", DAY, "10-25T00:30", 0),
    (
        *("Europe/London", "*/30 * * * *", "10-25T00:15", "10-25T02:10", "ALL", DAY),
        "10-25T00:30 10-25T01:00 10-25T01:30 10-25T02:00",
        0,
    ),
    (
        "America/New_York",
        "30 2 * * *",
        "03-07T12:00",
        "03-08T08:00",
        "LATEST",
        DAY,
        "03-08T07:00",
        0,
    ),
]
OVERLAP = {
    Overlap.ALLOW: "00@00 10@10 20@20 30@30 40@40 50@50",
    Overlap.SKIP: "00@00 - - 30@30 - -",
    Overlap.QUEUE_ONE: "00@00 10@25 - 30@50 - 50@75",
    Overlap.QUEUE: "00@00 10@25 20@50 30@75 40@100 50@125",
    Overlap.CANCEL_RUNNING: "00@00 10@10 20@20 30@30 40@40 50@50",
}
BACKFILL = [
    ("Europe/London", "0 0 * * *", "2026-03-27", "2026-03-31", 4, "03-27T00:00", "03-29T23:00"),
    ("Europe/London", "0 0 * * *", "2026-10-23", "2026-10-27", 4, "10-22T23:00", "10-26T00:00"),
    ("Europe/London", "0 * * * *", "2026-10-25", "2026-10-26", 25, "10-24T23:00", "10-25T23:00"),
    ("Europe/London", "0 * * * *", "2026-03-29", "2026-03-30", 23, "03-29T00:00", "03-29T22:00"),
    ("America/New_York", "30 2 * * *", "2026-03-07", "2026-03-10", 3, "03-07T07:30", "03-09T06:30"),
]


@pytest.mark.parametrize(
    ("zone", "expression", "decided", "back", "policy", "window", "runs", "missed"), CATCH_UP
)
def test_slots_of_an_outage_are_caught_up(
    zone: str,
    expression: str,
    decided: str,
    back: str,
    policy: str,
    window: int,
    runs: str,
    missed: int,
) -> None:
    schedule = ScheduleState(
        key="s",
        rule=CronRule(expression=expression, time_zone=zone),
        policy=SlotPolicy(catch_up=CatchUp[policy], catch_up_window_us=window * MINUTE_US),
        decided_us=us(at(f"2026-{decided}")),
    )
    now_us = us(at(f"2026-{back}"))
    plan = decide(schedule, Unfinished(), now_us)
    counts: Counter[SlotOutcome] = Counter()
    for decision in plan.decisions:
        counts[decision.outcome] += decision.count
    ran = [one.slot_us for one in plan.decisions if one.outcome is SlotOutcome.RUN]
    assert ran == [us(at(f"2026-{text}")) for text in runs.split()]
    assert counts == Counter({SlotOutcome.RUN: len(ran), SlotOutcome.MISSED: missed})
    # The missed ones are one stretch.
    assert len(plan.decisions) == len(ran) + bool(missed)
    assert plan.decided_us == now_us
    assert plan.next_due_us is not None
    assert plan.next_due_us > now_us


@pytest.mark.parametrize("overlap", Overlap)
def test_slots_overlap_as_the_policy_says(overlap: Overlap) -> None:
    assert starts(overlap, slots=6, every=10, lasts=25) == OVERLAP[overlap]


def starts(overlap: Overlap, *, slots: int, every: int, lasts: int) -> str:
    """Plays a schedule minute by minute; "10@25" is the slot at 10, whose run starts at 25."""
    schedule = ScheduleState(
        key="s",
        rule=IntervalRule(interval_us=every * MINUTE_US),
        policy=SlotPolicy(overlap=overlap),
        decided_us=-1,
    )
    ends: list[int] = []
    waiting: list[int] = []
    told: dict[int, str] = {}

    def start(slot: int, minute: int) -> None:
        ends.append(minute + lasts)
        told[slot] = f"{slot:02}@{minute:02}"

    for minute in range(slots * lasts):
        ends = [end for end in ends if end > minute]
        if waiting and not ends:
            start(waiting.pop(0), minute)
        if minute >= slots * every:
            continue
        unfinished = Unfinished(started=len(ends), waiting=len(waiting))
        plan = decide(schedule, unfinished, minute * MINUTE_US)
        schedule = replace(schedule, decided_us=plan.decided_us)
        for decision in plan.decisions:
            slot = decision.slot_us // MINUTE_US
            told[slot] = "-"
            if decision.cancels:
                # Their processes end at once here.
                ends.clear()
                start(slot, minute)
            elif decision.waits:
                waiting.append(slot)
            elif decision.outcome is SlotOutcome.RUN:
                start(slot, minute)
    assert not waiting
    return " ".join(told[slot] for slot in sorted(told))


@pytest.mark.parametrize(("zone", "expression", "begin", "end", "runs", "first", "last"), BACKFILL)
def test_a_backfill_has_the_slots_of_local_days(
    zone: str, expression: str, begin: str, end: str, runs: int, first: str, last: str
) -> None:
    rule = CronRule(expression=expression, time_zone=zone)
    found = list(due_within(rule, datetime.fromisoformat(begin), datetime.fromisoformat(end)))
    assert len(found) == runs
    assert f"{instant(found[0]):%m-%dT%H:%M}" == first
    assert f"{instant(found[-1]):%m-%dT%H:%M}" == last


@pytest.mark.parametrize(
    ("begin", "first"),
    [
        # 02:30 doesn't come: the first instant after it is 03:00 EDT.
        ("2026-03-08T02:30", "2026-03-08T07:00"),
        # 01:30 comes twice: it begins with the first.
        ("2026-11-01T01:30", "2026-11-01T05:30"),
        ("2026-11-01T02:00", "2026-11-01T07:00"),
    ],
)
def test_a_backfill_may_begin_at_a_change_of_the_clock(begin: str, first: str) -> None:
    rule = CronRule(expression="*/30 * * * *", time_zone="America/New_York")
    end = datetime.fromisoformat("2027-01-01")
    assert next(due_within(rule, datetime.fromisoformat(begin), end)) == us(at(first))
