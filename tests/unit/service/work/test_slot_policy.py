"""Decisions on slots, against a simulation that looks at one slot after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_service.core.errors import ServiceError
from towpath_service.work.domain.recurrence import due
from towpath_service.work.domain.rules import CronRule, IntervalRule
from towpath_service.work.domain.slot_policy import (
    MAX_CAUGHT_UP,
    MAX_RUNS,
    MAX_SLOTS,
    CatchUp,
    Decision,
    Overlap,
    Plan,
    ScheduleState,
    SlotOutcome,
    SlotPolicy,
    Unfinished,
    decide,
    jitter_of,
    next_slot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

policies = st.builds(
    SlotPolicy,
    overlap=st.sampled_from(Overlap),
    catch_up=st.sampled_from(CatchUp),
    catch_up_window_us=st.integers(0, 3 * HOUR),
    start_deadline_us=st.none() | st.integers(SECOND, 2 * HOUR),
)
unfinished_runs = st.builds(
    Unfinished, started=st.integers(0, 2), waiting=st.integers(0, 2)
).filter(lambda runs: runs.started or not runs.waiting)


def schedule_of(interval_us: int = 10 * MINUTE, **changes: object) -> ScheduleState:
    plain = ScheduleState(
        key="workspaces/w/flows/f/deployments/d/schedules/s",
        rule=IntervalRule(interval_us=interval_us),
        policy=SlotPolicy(),
        decided_us=0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def after(schedule: ScheduleState, plan: Plan) -> ScheduleState:
    return replace(schedule, decided_us=plan.decided_us)


def ticks(schedule: ScheduleState, now_us: int) -> Iterator[Plan]:
    """Ticks until all that is due is decided."""
    while True:
        plan = decide(schedule, Unfinished(), now_us)
        yield plan
        assert plan.decided_us > schedule.decided_us
        schedule = after(schedule, plan)
        if plan.wake_us is None or plan.wake_us > now_us:
            return


def simulated(
    policy: SlotPolicy, slots: list[int], unfinished: Unfinished, now: int
) -> Iterator[tuple[int, SlotOutcome, bool]]:
    """Each slot with its outcome, and whether its run waits."""
    started, waiting = unfinished.started, unfinished.waiting
    for slot in slots:
        age = now - slot
        caught = policy.catch_up is CatchUp.ALL or (
            policy.catch_up is CatchUp.LATEST and slot == slots[-1]
        )
        on_time = age <= MINUTE and policy.catch_up is not CatchUp.LATEST
        too_late = policy.start_deadline_us is not None and age > policy.start_deadline_us
        within = age <= policy.catch_up_window_us or age <= MINUTE
        if too_late or not (on_time or (caught and within)):
            yield slot, SlotOutcome.MISSED, False
            continue
        others = started + waiting
        match policy.overlap:
            case Overlap.SKIP if others:
                yield slot, SlotOutcome.SKIPPED_OVERLAP, False
                continue
            case Overlap.QUEUE_ONE if waiting:
                yield slot, SlotOutcome.SKIPPED_OVERLAP, False
                continue
            case Overlap.ALLOW:
                waits = False
            case _:
                waits = others > 0
        started, waiting = (started, waiting + 1) if waits else (started + 1, waiting)
        yield slot, SlotOutcome.RUN, waits


@given(
    policies,
    unfinished_runs,
    st.integers(0, 3 * HOUR),
    st.integers(0, 6 * HOUR),
    st.integers(7 * 60, 30 * 60),
)
def test_slots_are_decided_as_simulated(
    policy: SlotPolicy, unfinished: Unfinished, decided_us: int, outage_us: int, seconds: int
) -> None:
    schedule = schedule_of(seconds * SECOND, policy=policy, decided_us=decided_us)
    now_us = decided_us + outage_us
    slots = list(due(schedule.rule, decided_us, now_us))
    expected = list(simulated(policy, slots, unfinished, now_us))
    plan = decide(schedule, unfinished, now_us)
    assert plan.decided_us == now_us
    found: list[tuple[int, SlotOutcome, bool]] = []
    for decision in plan.decisions:
        stretch = slots[len(found) : len(found) + decision.count]
        assert stretch[-1] == decision.slot_us
        found += [(slot, decision.outcome, decision.waits) for slot in stretch]
    assert found == expected
    for before, decision in zip(plan.decisions, plan.decisions[1:], strict=False):
        assert not before.outcome == decision.outcome == SlotOutcome.MISSED


@given(
    policies,
    st.integers(0, 2 * HOUR),
    st.lists(st.integers(0, HOUR), max_size=12),
    st.booleans(),
)
def test_every_slot_is_decided_once_and_none_before_its_start(
    policy: SlotPolicy, jitter_us: int, pauses: list[int], paused: bool
) -> None:
    schedule = schedule_of(policy=replace(policy, jitter_us=jitter_us))
    now_us, decided = 0, list[int]()
    for pause in pauses:
        now_us += pause
        plan = decide(replace(schedule, paused=paused), Unfinished(), now_us)
        for decision in plan.decisions:
            if decision.outcome is SlotOutcome.RUN:
                own = jitter_of(schedule.key, decision.slot_us, jitter_us)
                assert decision.slot_us + own <= decision.start_us <= now_us
            slots = list(due(schedule.rule, decided[-1] if decided else 0, decision.slot_us))
            assert len(slots) == decision.count
            decided += slots
        assert plan.decided_us >= schedule.decided_us
        assert plan.next_due_us == next(due(schedule.rule, plan.decided_us, 10 * now_us + HOUR))
        schedule = after(schedule, plan)
    everything = list(due(schedule.rule, 0, now_us))
    assert decided == everything[: len(decided)]
    waiting = everything[len(decided) :]
    assert not waiting or waiting[0] + jitter_of(schedule.key, waiting[0], jitter_us) > now_us


def test_a_long_outage_is_decided_in_portions() -> None:
    schedule = schedule_of(
        MINUTE, policy=SlotPolicy(catch_up=CatchUp.ALL, catch_up_window_us=10**15)
    )
    slots = 3 * MAX_SLOTS
    plans = list(ticks(schedule, slots * MINUTE))
    ran = [one for plan in plans for one in plan.decisions if one.outcome is SlotOutcome.RUN]
    missed = [one for plan in plans for one in plan.decisions if one.outcome is SlotOutcome.MISSED]
    assert [one.slot_us for one in ran] == [
        n * MINUTE for n in range(slots - MAX_CAUGHT_UP + 1, slots + 1)
    ]
    assert sum(one.count for one in missed) == slots - MAX_CAUGHT_UP
    assert all(len(plan.decisions) <= MAX_RUNS + 1 for plan in plans)
    assert len(missed) <= 4


@pytest.mark.parametrize("catch_up", [CatchUp.NONE, CatchUp.LATEST])
def test_after_a_long_outage_the_newest_slot_runs(catch_up: CatchUp) -> None:
    schedule = schedule_of(MINUTE, policy=SlotPolicy(catch_up=catch_up))
    slots = 2 * MAX_SLOTS
    decisions = [one for plan in ticks(schedule, slots * MINUTE) for one in plan.decisions]
    newest = {CatchUp.NONE: 2, CatchUp.LATEST: 1}[catch_up]
    assert [one.outcome for one in decisions[-newest:]] == [SlotOutcome.RUN] * newest
    assert decisions[-1].slot_us == slots * MINUTE
    assert sum(one.count for one in decisions) == slots


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (Overlap.ALLOW, "run run run"),
        (Overlap.SKIP, "skipped skipped skipped"),
        (Overlap.QUEUE_ONE, "waits skipped skipped"),
        (Overlap.QUEUE, "waits waits waits"),
        (Overlap.CANCEL_RUNNING, "cancels cancels cancels"),
    ],
)
def test_slots_of_one_tick_overlap_with_each_other(overlap: Overlap, expected: str) -> None:
    policy = SlotPolicy(overlap=overlap, catch_up=CatchUp.ALL)
    plan = decide(schedule_of(policy=policy), Unfinished(started=1), 30 * MINUTE)
    assert " ".join(map(word, plan.decisions)) == expected


def word(decision: Decision) -> str:
    if decision.outcome is SlotOutcome.SKIPPED_OVERLAP:
        return "skipped"
    if decision.cancels:
        assert decision.waits
        return "cancels"
    return "waits" if decision.waits else "run"


def test_slots_of_a_pause_are_never_caught_up() -> None:
    schedule = schedule_of(policy=SlotPolicy(catch_up=CatchUp.ALL))
    plan = decide(replace(schedule, paused=True), Unfinished(), 55 * MINUTE)
    assert plan.decisions == (
        Decision(slot_us=50 * MINUTE, outcome=SlotOutcome.SKIPPED_PAUSED, count=5),
    )
    resumed = decide(after(schedule, plan), Unfinished(), 60 * MINUTE)
    assert [one.slot_us for one in resumed.decisions] == [60 * MINUTE]


def test_a_clock_that_goes_back_decides_nothing_twice() -> None:
    schedule = schedule_of(decided_us=35 * MINUTE)
    plan = decide(schedule, Unfinished(), 5 * MINUTE)
    assert plan.decisions == ()
    assert plan.decided_us == 35 * MINUTE
    assert plan.next_due_us == 40 * MINUTE


def test_a_schedule_has_slots_between_its_begin_and_its_end_only() -> None:
    schedule = schedule_of(begin_us=20 * MINUTE, end_us=40 * MINUTE)
    assert next_slot(schedule).next_due_us == 20 * MINUTE
    early = decide(schedule, Unfinished(), 10 * MINUTE)
    assert early.decisions == ()
    assert early.next_due_us == 20 * MINUTE
    late = decide(replace(schedule, policy=SlotPolicy(catch_up=CatchUp.ALL)), Unfinished(), HOUR)
    assert [one.slot_us for one in late.decisions] == [20 * MINUTE, 30 * MINUTE]
    assert late.next_due_us is late.wake_us is None


def test_a_start_deadline_counts_from_the_start() -> None:
    policy = SlotPolicy(start_deadline_us=5 * MINUTE)
    (run,) = decide(schedule_of(policy=policy), Unfinished(), 14 * MINUTE).decisions
    assert (run.outcome, run.start_us, run.deadline_us) == (
        SlotOutcome.RUN,
        10 * MINUTE,
        15 * MINUTE,
    )
    (missed,) = decide(schedule_of(policy=policy), Unfinished(), 16 * MINUTE).decisions
    assert missed.outcome is SlotOutcome.MISSED


def test_a_slot_waits_for_its_jitter_and_is_on_time_then() -> None:
    schedule = schedule_of(policy=SlotPolicy(catch_up=CatchUp.NONE, jitter_us=9 * MINUTE))
    plan = next_slot(schedule)
    delay_us = jitter_of(schedule.key, 10 * MINUTE, 9 * MINUTE)
    assert plan.next_due_us == 10 * MINUTE
    assert plan.wake_us == 10 * MINUTE + delay_us
    early = decide(schedule, Unfinished(), plan.wake_us - 1)
    assert early.decisions == ()
    (run,) = decide(after(schedule, early), Unfinished(), plan.wake_us).decisions
    assert (run.outcome, run.start_us) == (SlotOutcome.RUN, plan.wake_us)


@given(st.text(), st.integers(0, 10**16), st.integers(-5, 10**12))
def test_a_jitter_is_within_its_span_and_always_the_same(key: str, slot: int, span: int) -> None:
    delay = jitter_of(key, slot, span)
    assert 0 <= delay <= max(0, span)
    assert delay == jitter_of(key, slot, span)


def test_a_jitter_spreads_schedules_and_slots_and_never_changes() -> None:
    names = [f"schedules/{number}" for number in range(1000)]
    delays = [jitter_of(name, 0, 99) for name in names]
    assert {delay // 10 for delay in delays} == set(range(10))
    assert len({jitter_of("s", slot, 10**9) for slot in range(1000)}) > 990
    # Replicas of two versions must agree.
    assert jitter_of("workspaces/w/flows/f/deployments/d/schedules/s", 0, HOUR) == 2_387_505_003


def test_a_rule_whose_zone_is_gone_is_refused_once() -> None:
    rule = CronRule(expression="@daily", time_zone="Europe/Atlantis")
    plan = decide(schedule_of(rule=rule), Unfinished(), HOUR)
    (refused,) = plan.decisions
    assert refused.outcome is SlotOutcome.REFUSED
    assert "no IANA time zone" in refused.message
    assert plan.next_due_us is plan.wake_us is None
    assert plan.decided_us == HOUR
    with pytest.raises(ServiceError):
        next_slot(schedule_of(rule=rule))
