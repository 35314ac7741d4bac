from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from towpath.exceptions import DefinitionError
from towpath.schedules import Cron, Interval, RRule, Schedule

SCHEDULES = (
    Cron("0 2 * * *", timezone="Europe/London", overlap="skip", parameters={"day": "monday"}),
    Interval(timedelta(minutes=5), anchor_date=datetime(2026, 1, 1, tzinfo=UTC), slug="often"),
    RRule("FREQ=WEEKLY;BYDAY=MO", active=False, catch_up="all", start_deadline=60),
)


def test_a_schedule_has_the_defaults_of_the_service() -> None:
    schedule = Cron("@daily")
    assert schedule.timezone == "UTC"
    assert (schedule.overlap, schedule.catch_up) == ("allow", "latest")
    assert (schedule.catch_up_window, schedule.jitter) == (timedelta(days=1), timedelta())
    assert schedule.active
    assert schedule.day_or
    assert schedule.slug is None
    assert schedule.start_deadline is None
    assert schedule.parameters == {}


def test_spans_may_be_numbers_of_seconds() -> None:
    schedule = Interval(90, jitter=0.5, catch_up_window=3600, start_deadline=30)
    assert schedule == Interval(
        timedelta(seconds=90),
        jitter=timedelta(milliseconds=500),
        catch_up_window=timedelta(hours=1),
        start_deadline=timedelta(seconds=30),
    )
    assert schedule.interval == timedelta(seconds=90)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_is_a_value(schedule: Schedule) -> None:
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    changed = replace(schedule, timezone="Asia/Tokyo")
    assert changed != schedule
    assert {schedule, replace(changed, timezone=schedule.timezone)} == {schedule}
    with pytest.raises(FrozenInstanceError):
        schedule.active = False  # type: ignore[misc]


def test_parameters_are_copied() -> None:
    given = {"day": "monday"}
    schedule = Cron("@daily", parameters=given)
    given["day"] = "tuesday"
    assert schedule.parameters == {"day": "monday"}


WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "seconds": (Cron, {"cron": "0 0 2 * * *"}, "seconds, which are not supported: use Interval"),
    "four fields": (Cron, {"cron": "0 2 * *"}, "has 4 fields, not 5"),
    "no text": (Cron, {"cron": 5}, "cron of Cron is a text"),
    "empty": (Cron, {"cron": " "}, "cron of Cron is a text"),
    "day_or": (Cron, {"cron": "@daily", "day_or": 1}, "day_or of Cron is True or False"),
    "zone": (Cron, {"cron": "@daily", "timezone": None}, "such as 'Europe/London'"),
    "active": (Cron, {"cron": "@daily", "active": "no"}, "active of Cron is True or False"),
    "slug": (Cron, {"cron": "@daily", "slug": "Every Day"}, "1 to 63 lower-case letters"),
    "names": (Cron, {"cron": "@daily", "parameters": {1: 2}}, "arguments by name"),
    "list": (Cron, {"cron": "@daily", "parameters": [1]}, "arguments by name"),
    "overlap": (Cron, {"cron": "@daily", "overlap": "skp"}, "did you mean 'skip'?"),
    "catch_up": (Cron, {"cron": "@daily", "catch_up": None}, "one of latest, none, all"),
    "window": (Cron, {"cron": "@daily", "catch_up_window": -1}, "at least 0, not -1"),
    "jitter": (Cron, {"cron": "@daily", "jitter": float("nan")}, "at least 0, not nan"),
    "deadline": (Cron, {"cron": "@daily", "start_deadline": 0}, "at least 1, not 0"),
    "half a second": (Interval, {"interval": 0.5}, "interval of Interval is a timedelta"),
    "true": (Interval, {"interval": True}, "at least 1, not True"),
    "too long": (Interval, {"interval": 1e300}, "interval of Interval is a timedelta"),
    "anchor": (Interval, {"interval": 60, "anchor_date": "today"}, "is a datetime, not 'today'"),
    "secondly": (RRule, {"rrule": "FREQ=SECONDLY"}, "seconds are not supported: use Interval"),
    "no rule": (RRule, {"rrule": ""}, "such as 'FREQ=WEEKLY;BYDAY=MO'"),
    "base": (Schedule, {}, "a schedule is a Cron, an Interval or an RRule"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_told_with_what_it_takes(name: str) -> None:
    kind, arguments, told = WRONG[name]
    with pytest.raises(DefinitionError) as caught:
        kind(**arguments)
    assert told in str(caught.value)


def test_schedules_load_nothing_heavy() -> None:
    probe = "import sys, towpath.schedules; print(*sys.modules, sep='\\n')"
    ended = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    heavy = {"cronsim", "dateutil", "grpc", "pydantic", "towpath_service", "zoneinfo"}
    assert not heavy & {name.partition(".")[0] for name in ended.stdout.split()}
