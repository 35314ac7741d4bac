"""`towpath deployment backfill` and `towpath backfill`, against a service."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from towpath.cli.work import backfills, create_backfill
from towpath.client import DeploymentSpec
from towpath.exceptions import InvalidRequest, NotFound
from towpath.schedules import Cron

from tests.unit.sdk.client.identified import Callers, open_callers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from towpath.client import Client

MARCH = ("etl/nightly", "--from", "2026-03-28", "--to", "2026-03-31")


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with open_callers(tmp_path_factory.mktemp("backfills") / "towpath.db") as opened:
        client = opened.owner
        client.pools.create("local")
        spec = DeploymentSpec(entrypoint="etl.py:etl", flow_name="ETL", pool="local")
        daily = Cron("0 0 * * *", timezone="Europe/London")
        client.deployments.deploy("etl/nightly", spec, {"daily": daily})
        yield opened


@pytest.fixture(autouse=True)
def client(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The client that the commands call with."""

    @contextmanager
    def service_client() -> Generator[Client]:
        yield callers.owner

    for module in (backfills, create_backfill):
        monkeypatch.setattr(module, "service_client", service_client)
    return callers.owner


def run(command: Any, *arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_dry_run_shows_the_due_times_in_the_zone_of_the_schedule(client: Client) -> None:
    before = len(list(client.backfills.list()))
    lines = run(create_backfill.backfill, *MARCH, "--dry-run").splitlines()
    assert lines == [
        "Sat 2026-03-28 00:00:00+0000",
        "Sun 2026-03-29 00:00:00+0000",
        "Mon 2026-03-30 00:00:00+0100",
    ]
    printed = json.loads(run(create_backfill.backfill, *MARCH, "--dry-run", "-o", "json"))
    assert (printed["total"], printed["times"][2]) == (3, "2026-03-29T23:00:00Z")
    assert len(list(client.backfills.list())) == before


def test_a_backfill_is_created_shown_and_cancelled(client: Client) -> None:
    created = run(create_backfill.backfill, *MARCH, "--max-active", "2", "-o", "json")
    made = json.loads(created)
    assert (made["state"], made["total_count"], made["max_active"]) == ("active", 3, 2)
    assert made["id"] in run(backfills.group, "ls")
    assert "3 runs created" in run(backfills.group, "inspect", made["id"])
    run(backfills.group, "cancel", made["id"])
    shown = json.loads(run(backfills.group, "inspect", made["id"], "-o", "json"))
    assert shown["state"] == "cancelled"
    ended = client.backfills.get(made["id"])
    assert (ended.state, ended.deployment, ended.schedule) == ("cancelled", "etl/nightly", "daily")


def test_a_wrong_range_or_name_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="end_time"):
        run(create_backfill.backfill, "etl/nightly", "--from", "2026-03-31", "--to", "2026-03-28")
    with pytest.raises(NotFound):
        run(create_backfill.backfill, *MARCH, "--schedule", "weekly")
    result = CliRunner().invoke(create_backfill.backfill, [*MARCH[:-1], "soon"])
    assert (result.exit_code, "is no date" in result.output) == (2, True)
