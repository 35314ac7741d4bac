"""The client about pools, queues, workers, deployments and schedules: it reads what it writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from towpath.client import (
    ArchiveCode,
    DeploymentSpec,
    GitCode,
    LocalCode,
    PackageCode,
)
from towpath.exceptions import Conflict, InvalidRequest, NotFound
from towpath.schedules import Cron, Interval, RRule

from tests.unit.sdk.client.identified import Callers, open_callers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath.client import Client, CodeSource
    from towpath.schedules import Schedule

SPEC = DeploymentSpec(
    entrypoint="etl.py:etl",
    flow_name="ETL",
    description="of the warehouse",
    code=GitCode(url="https://git.example/etl.git", ref="main", submodules=True),
    pool="local",
    queue="urgent",
    job_overrides={"env": {"A": "ö"}},
    parameters={"day": "2026-12-01"},
    parameter_schema={"properties": {"day": {"type": "string"}}},
    enforce_parameter_schema=True,
    paused=False,
    concurrency_limit=2,
    collision_strategy="cancel_new",
    max_crash_retries=3,
    on_lost_contact="stop",
    timeout=timedelta(minutes=1),
    start_deadline=timedelta(hours=1),
    priority=7,
    secrets=("db-password",),
    tags=("nightly",),
    labels={"team": "data"},
    code_version="1.4.2",
)
SCHEDULES: dict[str, Schedule] = {
    "cron": Cron(
        "0 2 * * *",
        timezone="Europe/London",
        day_or=False,
        overlap="skip",
        catch_up="all",
        catch_up_window=3600,
        jitter=60,
        start_deadline=600,
        parameters={"day": "x"},
        slug="cron",
    ),
    "interval": Interval(
        timedelta(minutes=90), anchor_date=datetime(2026, 3, 7, 14, tzinfo=UTC), slug="interval"
    ),
    "recurrence": RRule("FREQ=WEEKLY;BYDAY=MO", active=False, slug="recurrence"),
}


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with open_callers(tmp_path_factory.mktemp("client") / "towpath.db") as opened:
        yield opened


@pytest.fixture
def owner(callers: Callers) -> Iterator[Client]:
    """A client of a workspace without deployments and pools."""
    client = callers.owner
    yield client
    for deployment in list(client.deployments.list()):
        client.deployments.delete(deployment.name)
    for pool in list(client.pools.list()):
        client.pools.delete(pool.id)


def test_pools_are_created_changed_and_deleted(owner: Client) -> None:
    created = owner.pools.create(
        "local",
        description="laptop",
        job_template={"env": {"A": "b"}},
        concurrency_limit=3,
        lease_duration=timedelta(seconds=20),
    )
    assert (created.resource_name, created.kind) == (
        "workspaces/default/workPools/local",
        "process",
    )
    assert (created.job_template, created.concurrency_limit) == ({"env": {"A": "b"}}, 3)
    assert (created.lease_duration, created.start_timeout) == (
        timedelta(seconds=20),
        timedelta(seconds=120),
    )
    changed = owner.pools.update("local", paused=True, concurrency_limit=0, etag=created.etag)
    assert (changed.paused, changed.concurrency_limit, changed.description) == (
        True,
        None,
        "laptop",
    )
    assert owner.pools.get("local") == changed
    assert list(owner.pools.list()) == [changed]
    with pytest.raises(Conflict):
        owner.pools.update("local", paused=False, etag=created.etag)
    with pytest.raises(Conflict):
        owner.pools.create("local")
    owner.pools.delete("local", etag=changed.etag)
    with pytest.raises(NotFound) as raised:
        owner.pools.get("local")
    assert "towpath pool create local" in str(raised.value)


def test_queues_are_created_changed_and_deleted(owner: Client) -> None:
    owner.pools.create("local")
    created = owner.queues.create("local", "urgent", rank=1, concurrency_limit=2)
    assert (created.pool, created.rank, created.concurrency_limit) == ("local", 1, 2)
    changed = owner.queues.update("local", "urgent", paused=True, rank=5)
    assert (changed.paused, changed.rank, changed.concurrency_limit) == (True, 5, 2)
    assert owner.queues.get("local", "urgent") == changed
    assert [queue.id for queue in owner.queues.list("local")] == ["default", "urgent"]
    owner.queues.delete("local", "urgent")
    with pytest.raises(NotFound):
        owner.queues.get("local", "urgent")


def test_a_missing_worker_is_told(owner: Client) -> None:
    owner.pools.create("local")
    assert list(owner.workers.list("local")) == []
    for call in (owner.workers.get, owner.workers.drain, owner.workers.delete):
        with pytest.raises(NotFound):
            call("local", "w-1")


def test_a_deployment_is_read_as_it_was_deployed(owner: Client) -> None:
    owner.pools.create("local")
    owner.queues.create("local", "urgent")
    deployed = owner.deployments.deploy("etl/nightly", SPEC, SCHEDULES)
    assert (deployed.name, deployed.revision, deployed.owner) == (
        "etl/nightly",
        1,
        "users/owner@example.org",
    )
    assert deployed.spec == SPEC
    assert {item.id: item.schedule for item in deployed.schedules} == SCHEDULES
    assert [len(item.next_times) for item in deployed.schedules] == [5, 5, 0]
    assert owner.deployments.deploy("etl/nightly", SPEC, SCHEDULES) == deployed
    assert owner.deployments.get("etl/nightly") == deployed
    assert list(owner.deployments.list(pool="local")) == [replace(deployed, schedules=())]
    assert list(owner.deployments.list(flow="other")) == []
    kept = owner.deployments.deploy("etl/nightly", replace(SPEC, description="new"))
    assert (kept.revision, kept.schedules) == (2, deployed.schedules)


@pytest.mark.parametrize(
    "code",
    [
        None,
        LocalCode(path="/srv/flows"),
        PackageCode(requirements=("pipelines==1.4",), index_url="https://pypi.example"),
        ArchiveCode(uri="s3://bucket/etl.tar.gz", sha256="0" * 64, directory="etl"),
    ],
)
def test_each_source_of_code_is_read_as_it_was_given(
    owner: Client, code: CodeSource | None
) -> None:
    spec = DeploymentSpec(entrypoint="etl.py:etl", code=code)
    assert owner.deployments.deploy("etl/nightly", spec).spec.code == code


def test_a_deployment_is_paused_and_stays_so_when_it_is_deployed_again(owner: Client) -> None:
    spec = DeploymentSpec(entrypoint="etl.py:etl")
    owner.deployments.deploy("etl/nightly", spec, {"daily": Cron("@daily")})
    assert owner.deployments.set_paused("etl/nightly", paused=True).next_run is None
    again = owner.deployments.deploy("etl/nightly", spec, {"daily": Cron("@daily")})
    assert (again.paused, again.next_run) == (True, None)
    resumed = owner.deployments.set_paused("etl/nightly", paused=False)
    assert resumed.next_run == resumed.schedules[0].next_times[0]


def test_schedules_are_created_paused_and_deleted(owner: Client) -> None:
    owner.deployments.deploy("etl/nightly", DeploymentSpec(entrypoint="etl.py:etl"))
    created = owner.schedules.create("etl/nightly", "daily", Cron("0 2 * * *"))
    assert (created.id, created.deployment, created.paused) == ("daily", "etl/nightly", False)
    assert owner.schedules.get("etl/nightly", "daily") == created
    (listed,) = owner.schedules.list()
    assert listed.next_times == created.next_times[:1]
    assert list(owner.schedules.list("etl/nightly")) == [listed]
    paused = owner.schedules.set_paused("etl/nightly", "daily", paused=True)
    assert (paused.paused, paused.next_times) == (True, ())
    assert list(owner.schedules.slots("etl/nightly", "daily")) == []
    with pytest.raises(InvalidRequest):
        owner.schedules.create("etl/nightly", "bad", Cron("60 * * * *"))
    owner.schedules.delete("etl/nightly", "daily")
    with pytest.raises(NotFound):
        owner.schedules.get("etl/nightly", "daily")


def test_a_preview_is_worked_out_by_the_service(owner: Client) -> None:
    rule = Cron("30 1 * * *", timezone="Europe/London")
    after = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert owner.schedules.preview(rule, after=after, count=2) == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
    ]


def test_a_local_anchor_is_a_time_of_the_schedules_zone(owner: Client) -> None:
    # 09:30 there is 04:00 UTC: each full hour is due.
    anchor = datetime.fromisoformat("2026-07-01T09:30")
    rule = Interval(3600, anchor_date=anchor, timezone="Asia/Kolkata")
    after = datetime(2026, 7, 1, tzinfo=UTC)
    assert owner.schedules.preview(rule, after=after, count=1) == [after + timedelta(hours=1)]
