"""The table of the guide that shows changes of the clock is what the service computes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from towpath_service.work.domain.recurrence import due_within, zone_of
from towpath_service.work.domain.rules import CronRule, RecurrenceRule, Rule

from tests.unit.service.work.brute_force import instant
from website.places import DOCS

ROW = re.compile(
    r"^\| `([^`]+)` \| (\w+(?:/\w+)+) \| (\d{4}-\d\d-\d\d) \| ([^|]+) \|", re.MULTILINE
)
ROWS = ROW.findall((DOCS / "guides" / "schedules.md").read_text(encoding="utf-8"))


def test_the_guide_has_the_table() -> None:
    assert len(ROWS) >= 8


@pytest.mark.parametrize(("text", "zone", "day", "told"), ROWS)
def test_a_row_is_what_the_service_computes(text: str, zone: str, day: str, told: str) -> None:
    rule: Rule = CronRule(expression=text, time_zone=zone)
    if text.startswith("FREQ="):
        rule = RecurrenceRule(rrule=text, time_zone=zone)
    begin = datetime.fromisoformat(day)
    found = due_within(rule, begin, begin + timedelta(days=1))
    times = [shown(instant(due_us).astimezone(zone_of(rule))) for due_us in found]
    assert told == (", ".join(times) or "never")


def shown(local: datetime) -> str:
    """A local time with its offset, as in 01:30+01:00."""
    return f"{local:%H:%M}{local.isoformat()[-len('+01:00') :]}"
