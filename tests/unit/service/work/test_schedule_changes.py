"""How changes of a schedule, and of its deployment's pause, move its next due time."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_service.work.domain.names import ScheduleName
from towpath_service.work.domain.rules import CronRule, IntervalRule
from towpath_service.work.domain.schedules import (
    Schedule,
    ScheduleContent,
    new_schedule,
    revised,
    times,
)
from towpath_service.work.domain.slot_policy import SlotOutcome, jitter_of

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
NAME: Final = ScheduleName("default", "etl", "nightly", "daily")
EACH_MINUTE: Final = ScheduleContent(rule=IntervalRule(interval_us=MINUTE))


def made(content: ScheduleContent = EACH_MINUTE, *, now_us: int = 30 * SECOND) -> Schedule:
    return new_schedule(NAME, content, deployment_paused=False, now_us=now_us)


def test_a_new_schedule_is_due_from_now_on() -> None:
    schedule = made()
    assert (schedule.next_due_us, schedule.wake_us, schedule.decided_us) == (
        MINUTE,
        MINUTE,
        30 * SECOND,
    )
    assert schedule.zone_version.startswith("tzdata")


def test_a_schedule_wakes_at_its_due_time_with_its_jitter() -> None:
    schedule = made(replace(EACH_MINUTE, jitter_us=10 * SECOND))
    assert schedule.next_due_us == MINUTE
    assert schedule.wake_us == MINUTE + jitter_of(str(NAME), MINUTE, 10 * SECOND)


@pytest.mark.parametrize("paused", ["schedule", "deployment"])
def test_a_paused_schedule_is_not_due_and_its_times_are_told_when_it_is_resumed(
    paused: str,
) -> None:
    schedule = made()
    of_schedule = replace(EACH_MINUTE, paused=paused == "schedule")
    of_deployment = paused == "deployment"
    stopped, none = revised(
        schedule, of_schedule, paused_before=False, paused_now=of_deployment, now_us=50 * SECOND
    )
    assert (stopped.next_due_us, stopped.wake_us, none) == (None, None, ())
    resumed, skipped = revised(
        stopped, EACH_MINUTE, paused_before=of_deployment, paused_now=False, now_us=250 * SECOND
    )
    # Minutes 1 to 4 have passed.
    assert [(item.slot_us, item.count, item.outcome) for item in skipped] == [
        (4 * MINUTE, 4, SlotOutcome.SKIPPED_PAUSED)
    ]
    assert (resumed.next_due_us, resumed.decided_us) == (5 * MINUTE, 250 * SECOND)


def test_a_changed_rule_holds_from_now_on_and_catches_nothing_up() -> None:
    hourly = replace(EACH_MINUTE, rule=CronRule(expression="@hourly"))
    changed, skipped = revised(
        made(), hourly, paused_before=False, paused_now=False, now_us=10 * MINUTE
    )
    assert (changed.next_due_us, changed.decided_us, skipped) == (60 * MINUTE, 10 * MINUTE, ())
    assert changed.revision == 2


def test_a_change_that_keeps_the_times_moves_nothing() -> None:
    schedule = made()
    labelled = replace(EACH_MINUTE, label="x", start_deadline_us=SECOND)
    changed, _ = revised(
        schedule, labelled, paused_before=False, paused_now=False, now_us=10 * MINUTE
    )
    assert changed == replace(schedule, content=labelled, revision=2, updated_us=10 * MINUTE)


def test_a_schedule_that_has_ended_is_not_due() -> None:
    assert made(replace(EACH_MINUTE, end_us=MINUTE)).next_due_us is None
    assert made(replace(EACH_MINUTE, end_us=MINUTE + 1)).next_due_us == MINUTE
    assert made(replace(EACH_MINUTE, begin_us=5 * MINUTE)).next_due_us == 5 * MINUTE


def test_times_are_those_between_begin_and_end() -> None:
    content = replace(EACH_MINUTE, begin_us=2 * MINUTE, end_us=5 * MINUTE)
    assert times(content, "", 0, None, 9) == [2 * MINUTE, 3 * MINUTE, 4 * MINUTE]
    assert times(content, "", 2 * MINUTE, None, 9) == [3 * MINUTE, 4 * MINUTE]
    assert times(content, "", 0, 4 * MINUTE, 9) == [2 * MINUTE, 3 * MINUTE]
    assert times(content, "", 0, None, 1) == [2 * MINUTE]


_steps = st.lists(
    st.tuples(
        st.sampled_from(["pause", "resume", "deployment pauses", "deployment resumes", "label"]),
        st.integers(1, 300),
    ),
    max_size=12,
)


@given(_steps)
def test_a_schedule_is_due_if_and_only_if_nothing_is_paused_and_no_time_is_told_twice(
    steps: list[tuple[str, int]],
) -> None:
    now_us, schedule, stopped = 30 * SECOND, made(), False
    told: list[tuple[int, int]] = []
    for number, (step, seconds) in enumerate(steps):
        now_us += seconds * SECOND
        content, before = schedule.content, stopped
        if step in {"pause", "resume"}:
            content = replace(content, paused=step == "pause")
        elif step == "label":
            content = replace(content, label=str(number))
        else:
            stopped = step == "deployment pauses"
        schedule, decisions = revised(
            schedule, content, paused_before=before, paused_now=stopped, now_us=now_us
        )
        told += [(item.slot_us, item.count) for item in decisions]
        assert (schedule.next_due_us is None) is (stopped or content.paused)
        assert schedule.next_due_us is None or schedule.next_due_us > schedule.decided_us
    # Each stretch begins after the one before it.
    ends = [0, *(slot_us for slot_us, _ in told)]
    for (slot_us, count), end_us in zip(told, ends, strict=False):
        assert slot_us - (count - 1) * MINUTE > end_us
