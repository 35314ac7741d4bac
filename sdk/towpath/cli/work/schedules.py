"""`towpath schedule`. A schedule is named by its deployment and its id: "etl/nightly/daily"."""

from __future__ import annotations

from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import (
    json_object,
    json_span,
    list_output,
    print_list,
)
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import local_second, rfc3339
from towpath.cli.work.create_schedule import create
from towpath.cli.work.names import (
    Span,
    check_deployment,
    next_text,
    paused_text,
    split_schedule,
)
from towpath.schedules import Cron, Interval, RRule

if TYPE_CHECKING:
    from datetime import timedelta

    from towpath.client import ScheduleInfo, ScheduleSlot
    from towpath.schedules import Schedule

_schedule = click.argument("schedule", metavar="FLOW/DEPLOYMENT/SCHEDULE")


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage schedules, by which deployments run by themselves."""


group.add_command(create)


@group.command("ls")
@click.argument("deployment", metavar="[FLOW/DEPLOYMENT]", default="")
@list_output
def list_schedules(deployment: str, output: str) -> None:
    """List the schedules of a deployment, or of all deployments."""
    parent = check_deployment(deployment) if deployment else "-/-"
    with service_client() as client:
        schedules = list(client.schedules.list(parent))
    print_list(
        schedules,
        {
            "SCHEDULE": lambda item: f"{item.deployment}/{item.id}",
            "RULE": rule_text,
            "STATE": lambda item: paused_text(paused=item.paused),
            "NEXT RUN": lambda item: next_text(item.next_times[0] if item.next_times else None),
            "LABEL": lambda item: item.label,
        },
        output,
        as_json=schedule_json,
    )


@group.command()
@click.argument("schedule", metavar="[FLOW/DEPLOYMENT/SCHEDULE]", default="")
@click.option("--cron", help='Rule to preview, such as "0 2 * * 1-5".')
@click.option("--interval", type=Span(), help="Rule to preview, such as 90m.")
@click.option("--rrule", help='Rule to preview, such as "FREQ=WEEKLY;BYDAY=MO".')
@click.option("--timezone", default="UTC", show_default=True, help="Zone of the rule.")
@click.option(
    "--next",
    "count",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Number of times.",
)
@list_output
def preview(
    schedule: str,
    cron: str | None,
    interval: timedelta | None,
    rrule: str | None,
    timezone: str,
    count: int,
    output: str,
) -> None:
    """Show when a schedule, or a rule, runs next: by this machine's clock and in UTC."""
    rule = _rule(cron, interval, rrule, timezone)
    if (rule is None) is not bool(schedule):
        raise click.UsageError("name a schedule, or give one of --cron, --interval and --rrule")
    with service_client() as client:
        name = ""
        if rule is None:
            found = client.schedules.get(*split_schedule(schedule))
            rule, name = found.schedule, found.resource_name
        times = client.schedules.preview(rule, count=count, resource_name=name)
    print_list(
        times,
        {
            "LOCAL": lambda moment: f"{moment.astimezone():%a} {local_second(moment)}",
            "UTC": lambda moment: f"{moment.astimezone(UTC):%a %Y-%m-%d %H:%M:%S}",
        },
        output,
        as_json=lambda moment: {"time": rfc3339(moment)},
    )


@group.command()
@_schedule
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="Most due times."
)
@list_output
def history(schedule: str, limit: int, output: str) -> None:
    """Show the due times of a schedule and what was decided about each, newest first."""
    with service_client() as client:
        slots = list(islice(client.schedules.slots(*split_schedule(schedule)), limit))
    print_list(
        slots,
        {
            "DUE": lambda slot: local_second(slot.due),
            "OUTCOME": lambda slot: slot.outcome,
            "RUN": lambda slot: slot.run_id,
            "TIMES": lambda slot: str(slot.count),
            "MESSAGE": lambda slot: slot.message,
        },
        output,
        as_json=_slot_json,
    )


@group.command()
@_schedule
def pause(schedule: str) -> None:
    """Create no more runs by a schedule."""
    deployment, id_ = split_schedule(schedule)
    with service_client() as client:
        client.schedules.set_paused(deployment, id_, paused=True)
    note(f"schedule {schedule} is paused")


@group.command()
@_schedule
def resume(schedule: str) -> None:
    """Create runs by a schedule again; missed times are left out."""
    deployment, id_ = split_schedule(schedule)
    with service_client() as client:
        resumed = client.schedules.set_paused(deployment, id_, paused=False)
    when = next_text(resumed.next_times[0] if resumed.next_times else None)
    note(f"schedule {schedule} is resumed" + (f", next run {when}" if when else ""))


@group.command()
@_schedule
@yes_option
def delete(schedule: str, *, yes: bool) -> None:
    """Delete a schedule; its runs stay."""
    deployment, id_ = split_schedule(schedule)
    if confirmed(f"Delete schedule {schedule}?", yes=yes):
        with service_client() as client:
            client.schedules.delete(deployment, id_)
        note(f"schedule {schedule} deleted")


def rule_text(info: ScheduleInfo) -> str:
    """The rule of a schedule in a line."""
    schedule = info.schedule
    match schedule:
        case Cron():
            return f"{schedule.cron} ({schedule.timezone})"
        case Interval():
            return f"every {_interval(schedule)}"
        case RRule():
            return f"{' '.join(schedule.rrule.split())} ({schedule.timezone})"
        case _:
            return ""


def schedule_json(info: ScheduleInfo) -> dict[str, Any]:
    """The object that stands for a schedule in JSON."""
    schedule = info.schedule
    return {
        **json_object(name=info.resource_name, label=info.label, **_rule_json(schedule)),
        "paused": info.paused,
        **json_object(
            parameters=dict(schedule.parameters),
            overlap=schedule.overlap,
            catch_up=schedule.catch_up,
            start_time=info.starts,
            end_time=info.ends,
            next_times=[rfc3339(moment) for moment in info.next_times],
            last_time=info.last_time,
            create_time=info.created,
            update_time=info.changed,
            etag=info.etag,
        ),
    }


def _rule(
    cron: str | None, interval: timedelta | None, rrule: str | None, timezone: str
) -> Schedule | None:
    """The rule of the options; None without any."""
    if sum(option is not None for option in (cron, interval, rrule)) > 1:
        raise click.UsageError("give only one of --cron, --interval and --rrule")
    if cron is not None:
        return Cron(cron, timezone=timezone)
    if interval is not None:
        return Interval(interval, timezone=timezone)
    return None if rrule is None else RRule(rrule, timezone=timezone)


def _rule_json(schedule: Schedule) -> dict[str, Any]:
    match schedule:
        case Cron():
            return {"cron": schedule.cron, "time_zone": schedule.timezone}
        case Interval():
            return {"interval": _interval(schedule), "anchor_time": schedule.anchor_date}
        case RRule():
            return {"rrule": schedule.rrule, "time_zone": schedule.timezone}
        case _:
            return {}


def _interval(schedule: Interval) -> str:
    span = schedule.interval
    return f"{span:g}s" if isinstance(span, (int, float)) else json_span(span)


def _slot_json(slot: ScheduleSlot) -> dict[str, Any]:
    return json_object(
        due_time=slot.due,
        outcome=slot.outcome,
        run_id=slot.run_id,
        count=slot.count,
        message=slot.message,
        decide_time=slot.decided,
    )
