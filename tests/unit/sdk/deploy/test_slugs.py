"""Ids that follow from rules and names."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath._definitions.slugs import by_slug, deployment_id_of, queue_id_of, slug_of
from towpath.exceptions import DefinitionError
from towpath.schedules import Cron, Interval, RRule, Schedule

ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
RULES = (
    Cron("0 2 * * *"),
    Cron("0 3 * * *"),
    Cron("0 2 * * *", timezone="Europe/London"),
    Cron("0 2 1 * 1", day_or=False),
    Interval(60),
    Interval(61),
    Interval(60, anchor_date=datetime(2026, 1, 1, tzinfo=UTC)),
    RRule("FREQ=DAILY"),
    RRule("FREQ=DAILY", timezone="Europe/London"),
)


def test_each_rule_has_a_slug_of_its_own_that_the_contract_takes() -> None:
    slugs = [slug_of(rule) for rule in RULES]
    assert len(set(slugs)) == len(slugs)
    assert all(ID.fullmatch(slug) for slug in slugs)


def test_slugs_never_change() -> None:
    # Deployed schedules have them: another slug would be another schedule.
    assert slug_of(Cron("0 2 * * *", timezone="Europe/London")) == "cron-0a4006b5"
    assert slug_of(Interval(300)) == "every-34172b1c"


@pytest.mark.parametrize("rule", RULES)
def test_policies_arguments_and_pauses_do_not_change_a_slug(rule: Schedule) -> None:
    changed = replace(rule, overlap="skip", jitter=5, active=False, parameters={"day": "monday"})
    assert slug_of(changed) == slug_of(rule)


def test_the_same_rule_written_in_another_way_has_the_same_slug() -> None:
    assert slug_of(Cron("0  2 * * * ")) == slug_of(Cron("0 2 * * *"))
    assert slug_of(Interval(timedelta(minutes=1))) == slug_of(Interval(60))
    in_utc = datetime(2026, 7, 1, 8, tzinfo=UTC)
    local = Interval(60, anchor_date=datetime(2026, 7, 1, 9), timezone="Europe/London")  # noqa: DTZ001 - a local time is meant
    assert slug_of(local) == slug_of(Interval(60, anchor_date=in_utc))


def test_schedules_of_the_same_rule_differ_by_their_arguments() -> None:
    both = [Cron("@daily", parameters={"n": 1}), Cron("@daily", parameters={"n": 2})]
    assert len(by_slug(both)) == 2
    assert slug_of(both[0]) in by_slug(both)


def test_a_schedule_keeps_its_slug_when_another_takes_the_one_of_its_rule() -> None:
    rule = Cron("@daily")
    named = Cron("@hourly", slug=slug_of(rule))
    assert set(by_slug([rule, named])) == {named.slug, slug_of(rule, with_parameters=True)}


@pytest.mark.parametrize(
    "schedules",
    [[Cron("@daily"), Cron("@daily")], [Cron("@daily", slug="a"), Cron("@hourly", slug="a")]],
)
def test_two_schedules_with_one_slug_are_refused(schedules: list[Schedule]) -> None:
    with pytest.raises(DefinitionError, match="two schedules have the slug"):
        by_slug(schedules)


def test_an_anchor_in_an_unknown_zone_is_refused() -> None:
    anchor = datetime(2026, 1, 1)  # noqa: DTZ001 - a local time is meant
    with pytest.raises(DefinitionError, match="no time zone 'Mars/Base'"):
        slug_of(Interval(60, anchor_date=anchor, timezone="Mars/Base"))


def test_a_name_that_is_an_id_is_the_deployments_id() -> None:
    assert deployment_id_of("my-first-deployment") == "my-first-deployment"


@given(st.text(min_size=1, max_size=90), st.text(min_size=1, max_size=90))
def test_other_names_have_ids_of_their_own(one: str, other: str) -> None:
    assert ID.fullmatch(deployment_id_of(one))
    assert (deployment_id_of(one) == deployment_id_of(other)) is (one == other)


@given(*[st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)] * 2)
def test_each_deployment_has_a_queue_that_the_contract_takes(flow: str, deployment: str) -> None:
    assert ID.fullmatch(queue_id_of(flow, deployment))
    assert queue_id_of("a-b", "c") != queue_id_of("a", "b-c")
