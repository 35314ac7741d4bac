"""What a script that serves tells of the next due time."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from towpath._deploy.upcoming import Upcoming, upcoming_line
from towpath.client import DeploymentSpec
from towpath.exceptions import ServerUnreachable
from towpath.schedules import Cron
from towpath.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath.client import Client, DeploymentInfo

SPEC = DeploymentSpec(entrypoint="etl.py:etl", flow_name="etl")
FEBRUARY = Cron("0 2 1 2 *", timezone="Europe/London")


def deploy(client: Client, name: str, rule: Cron | None) -> DeploymentInfo:
    return client.deployments.deploy(name, SPEC, {"it": rule} if rule else {})


def test_the_line_names_the_first_of_all_due_times(client: Client) -> None:
    night = deploy(client, "etl/night", FEBRUARY)
    noon = deploy(client, "etl/noon", replace(FEBRUARY, cron="0 12 1 2 *"))
    manual = deploy(client, "etl/manual", None)
    assert upcoming_line([noon, manual, night]).startswith("next: etl/night at ")
    assert " 1 Feb 02:00 GMT (02:00 UTC)" in upcoming_line([noon, night])
    assert upcoming_line([manual]) == ""
    client.deployments.set_paused("etl/night", paused=True)
    paused = client.deployments.get("etl/night")
    assert upcoming_line([paused, noon]).startswith("next: etl/noon at ")
    assert upcoming_line([paused, manual]).startswith("nothing is due")


def test_a_line_comes_only_when_the_next_due_time_has_changed(client: Client) -> None:
    told: list[str] = []
    away = False

    @contextmanager
    def opened(_: Any) -> Generator[Client]:
        if away:
            raise ServerUnreachable("away")
        yield client

    upcoming = Upcoming(
        get_settings(), [deploy(client, "etl/x", FEBRUARY)], told.append, opened=opened
    )
    upcoming.look()
    assert told == []
    deploy(client, "etl/x", replace(FEBRUARY, cron="0 3 1 2 *"))
    away = True
    upcoming.look()
    assert told == []
    away = False
    upcoming.look()
    upcoming.look()
    assert [line.partition(" at ")[0] for line in told] == ["next: etl/x"]
    assert " 1 Feb 03:00 " in told[0]


def test_a_run_that_has_ended_has_it_look_at_once(client: Client) -> None:
    told = threading.Event()
    info = deploy(client, "etl/x", FEBRUARY)

    @contextmanager
    def opened(_: Any) -> Generator[Client]:
        yield client

    upcoming = Upcoming(
        get_settings(), [info], lambda _: told.set(), opened=opened, poll_seconds=3600
    )
    with upcoming.looking():
        client.deployments.set_paused("etl/x", paused=True)
        upcoming.look_soon()
        assert told.wait(60)
