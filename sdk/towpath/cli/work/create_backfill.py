"""`towpath deployment backfill`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import click

from towpath.cli.shared.output import print_json, text_output
from towpath.cli.shared.pairs import pairs_of, param_option
from towpath.cli.shared.session import note, service_client
from towpath.cli.shared.times import rfc3339
from towpath.cli.work.backfills import backfill_json, progress
from towpath.cli.work.names import check_deployment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath.client import Backfill, Backfills, DeploymentInfo

POLL_SECONDS: Final = 1.0


class Moment(click.ParamType[datetime]):
    """A day or time such as 2026-12-01; without an offset, in the zone of the schedule."""

    name = "DATE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Reads a day or a time."""
        try:
            return datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date such as 2026-12-01", param, ctx)


@click.command("backfill")
@click.argument("deployment", metavar="FLOW/DEPLOYMENT")
@click.option("--from", "start", type=Moment(), required=True, help="First day or time.")
@click.option(
    "--to", "end", type=Moment(), required=True, help="Day or time after the last, exclusive."
)
@click.option("--schedule", default="", help="Id of the schedule; the only one by default.")
@click.option(
    "--max-active",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Most unfinished runs at once.",
)
@param_option
@click.option("--dry-run", is_flag=True, help="Only show the due times.")
@click.option("--watch", is_flag=True, help="Show the progress until all runs have ended.")
@text_output
def backfill(
    deployment: str,
    *,
    start: datetime,
    end: datetime,
    schedule: str,
    max_active: int,
    params: Sequence[str],
    dry_run: bool,
    watch: bool,
    output: str,
) -> None:
    """Run a deployment for the due times of its schedule between two days or times.

    Days and times without an offset are in the zone of the schedule. The end is exclusive.
    """
    from towpath._deploy.plans import typed_parameters  # noqa: PLC0415 - loads pydantic

    texts = pairs_of("--param", params)
    with service_client() as client:
        found = client.deployments.get(check_deployment(deployment))
        zone = ZoneInfo(_zone(found, schedule))
        span = _in_zone(start, zone), _in_zone(end, zone)
        parameters = typed_parameters(found.spec.parameter_schema, texts)
        if dry_run:
            worked_out, times = client.backfills.work_out(
                found.name, *span, schedule=schedule, parameters=parameters
            )
            _show_times(worked_out, times, zone, output)
            return
        made = client.backfills.create(
            found.name, *span, schedule=schedule, max_active=max_active, parameters=parameters
        )
        if output == "json":
            print_json(backfill_json(made))
        else:
            click.echo(f"{made.id}   {progress(made)}")
        if watch:
            _watch(client.backfills, made)


def _zone(deployment: DeploymentInfo, schedule: str) -> str:
    """The zone of the schedule; UTC where the service is to say what is wrong."""
    for item in deployment.schedules:
        if schedule in {"", item.id}:
            return str(getattr(item.schedule, "timezone", None) or "UTC")
    return "UTC"


def _in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _show_times(
    worked_out: Backfill, times: Sequence[datetime], zone: ZoneInfo, output: str
) -> None:
    if output == "json":
        print_json({"total": worked_out.total, "times": [rfc3339(moment) for moment in times]})
        return
    for moment in times:
        click.echo(f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M:%S%z}")
    more = worked_out.total - len(times)
    note(f"{worked_out.total} runs" + (f", {more} of them not shown" if more else ""))


def _watch(backfills: Backfills, made: Backfill) -> None:
    shown = progress(made)
    while not made.ended:
        time.sleep(POLL_SECONDS)
        made = backfills.get(made.id)
        if progress(made) != shown:
            shown = progress(made)
            note(shown)
