"""Names, contents and settings of resources of work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_service.core.errors import ServiceError
from towpath_service.work.domain import names
from towpath_service.work.domain.deployment_runs import checked_parameters
from towpath_service.work.domain.deployments import (
    CollisionStrategy,
    DeploymentContent,
    LostContact,
    check_address,
)
from towpath_service.work.domain.json_objects import parse_object
from towpath_service.work.domain.rules import CronRule, IntervalRule, RecurrenceRule
from towpath_service.work.domain.schedules import ScheduleContent
from towpath_service.work.domain.slot_policy import CatchUp, Overlap

PARSERS: dict[str, Any] = {
    "workspaces/w/workPools/p": names.parse_pool,
    "workspaces/w/workPools/p/queues/q": names.parse_queue,
    "workspaces/w/workPools/p/workers/k": names.parse_worker,
    "workspaces/w/flows/f": names.parse_flow,
    "workspaces/w/flows/f/deployments/d": names.parse_deployment,
    "workspaces/w/flows/f/deployments/d/schedules/s": names.parse_schedule,
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_name_is_read_as_it_is_written(name: str) -> None:
    parsed = PARSERS[name](name)
    assert str(parsed) == name
    assert "".join(parsed) == "".join(name.split("/")[1::2])


@pytest.mark.parametrize("form", PARSERS)
@pytest.mark.parametrize("change", ["{}/", "/{}", "{}\n", "x{}", "{}/x/y"])
def test_no_other_name_is_read(form: str, change: str) -> None:
    name = change.format(form)
    with pytest.raises(ServiceError) as raised:
        PARSERS[form](name, "the.field")
    assert raised.value.violations[0].field == "the.field"
    others = [parse for other, parse in PARSERS.items() if other != form]
    for parse in others:
        with pytest.raises(ServiceError):
            parse(form)


@pytest.mark.parametrize("form", PARSERS)
@pytest.mark.parametrize(
    "id_", ["a" * 64, "A", "a b", "a\x1b", "a\0", "a\n", "a_b", "-a", "a-", "..", "\u00e9", "%61"]
)
def test_an_id_is_at_most_63_plain_characters(form: str, id_: str) -> None:
    parent = form.rpartition("/")[0]
    assert PARSERS[form](f"{parent}/{'a' * 63}")
    with pytest.raises(ServiceError) as raised:
        PARSERS[form](f"{parent}/{id_}", "the.field")
    assert raised.value.violations[0].field == "the.field"


@pytest.mark.parametrize(
    "address",
    [
        "https://token@git.example/etl",
        "https://user:password@git.example/etl",
        "HTTP://a:b@git.example/etl",
        "ssh://git:password@git.example/etl",
        "etl @ git+https://token@git.example/etl",
    ],
)
def test_an_address_with_a_credential_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(ServiceError) as raised:
        check_address(address, "url")
    assert "password" not in str(raised.value)
    assert "token" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://git.example/etl.git",
        "ssh://git@git.example/etl.git",
        "git@git.example:acme/etl.git",
        "https://git.example/a@b",
        "s3://bucket/a:b@c",
        "pipelines==1.4",
    ],
)
def test_an_address_without_a_credential_is_taken(address: str) -> None:
    assert check_address(address, "url") == address


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", "{", '{"a": NaN}', '{"a": Infinity}', '{"a":' * 65 + "1" + "}" * 65]
)
def test_only_json_objects_of_64_levels_are_read(text: str) -> None:
    with pytest.raises(ServiceError) as raised:
        parse_object(text, "the.field", most_bytes=10_000)
    assert raised.value.violations[0].field == "the.field"


def test_the_size_of_a_json_object_is_that_of_its_bytes() -> None:
    assert parse_object('{"a": "ö"}', "f", most_bytes=11) == {"a": "ö"}
    with pytest.raises(ServiceError) as raised:
        parse_object('{"a": "ö"}', "f", most_bytes=10)
    assert raised.value.reason == "PAYLOAD_TOO_LARGE"
    assert parse_object("", "f", most_bytes=0) == {}
    assert parse_object('{"a":' * 64 + "1" + "}" * 64, "f", most_bytes=10_000)


_times = st.none() | st.integers(-(10**15), 10**16)
_contents = st.builds(
    DeploymentContent,
    entrypoint=st.text(max_size=5),
    parameters=st.sampled_from(["", "{}", '{"a": 1}']),
    paused=st.booleans(),
    collision_strategy=st.sampled_from(CollisionStrategy),
    on_lost_contact=st.sampled_from(LostContact),
    timeout_us=_times,
    secrets=st.lists(st.text(max_size=3)).map(tuple),
    tags=st.lists(st.text(max_size=3)).map(tuple),
    labels=st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
)
_rules = (
    st.builds(CronRule, expression=st.text(max_size=5), day_or=st.booleans())
    | st.builds(IntervalRule, interval_us=st.integers(1), anchor_us=st.integers())
    | st.builds(RecurrenceRule, rrule=st.text(max_size=5))
)
_schedules = st.builds(
    ScheduleContent,
    rule=_rules,
    overlap=st.sampled_from(Overlap),
    catch_up=st.sampled_from(CatchUp),
    start_deadline_us=_times,
    begin_us=_times,
    end_us=_times,
)


@given(_contents)
def test_the_content_of_a_deployment_is_read_as_it_is_written(content: DeploymentContent) -> None:
    assert DeploymentContent.from_json(content.to_json()) == content


@given(_schedules)
def test_the_content_of_a_schedule_is_read_as_it_is_written(content: ScheduleContent) -> None:
    assert ScheduleContent.from_json(content.to_json()) == content


def test_arguments_of_a_run_are_merged_over_the_defaults_by_name() -> None:
    content = DeploymentContent(entrypoint="x", parameters='{"a": {"b": 1}, "c": 2}')
    assert content.merged_parameters('{"a": {"d": 3}}') == {"a": {"d": 3}, "c": 2}
    assert content.merged_parameters("") == {"a": {"b": 1}, "c": 2}


def test_arguments_that_are_given_later_leave_the_earlier_ones_in_force() -> None:
    """A backfill's arguments don't bring the deployment's back over the schedule's."""
    content = DeploymentContent(entrypoint="etl.py:etl", parameters='{"a": 1, "b": 1}')
    given = ['{"b": 2}', "", '{"c": 3}']
    assert checked_parameters(content, *given) == {"a": 1, "b": 2, "c": 3}
