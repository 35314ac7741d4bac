"""Lines that tell what became of deployments, and when they are due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from towpath.client import DeploymentInfo

_TIMES: Final = 2


def shown_name(info: DeploymentInfo) -> str:
    """The name of a deployment, with the flow's own name."""
    return f"{info.spec.flow_name or info.flow}/{info.id}"


def outcome_line(info: DeploymentInfo, outcome: str) -> str:
    """A line such as "etl/nightly   created, revision 1   next: Wed 2 Dec 02:00 GMT (02:00 UTC)".

    Args:
        info: The deployment.
        outcome: "created", "updated" or "unchanged".
    """
    parts = [shown_name(info), f"{outcome}, revision {info.revision}", next_times(info)]
    return "   ".join(part for part in parts if part)


def next_times(info: DeploymentInfo) -> str:
    """The next due times of a deployment, as a text; empty without schedules."""
    if not info.schedules:
        return ""
    if info.paused:
        return "paused"
    due = sorted(
        (moment, each.schedule.timezone)
        for each in info.schedules
        if not each.paused
        for moment in each.next_times
    )
    return f"next: {_shown(due[:_TIMES])}" if due else "its schedules are paused or at their end"


def _shown(times: Iterable[tuple[datetime, str]]) -> str:
    shown = [shown_time(moment, zone) for moment, zone in times]
    return ", ".join([shown[0], *(text.partition(" (")[0] for text in shown[1:])])


def shown_time(moment: datetime, zone: str) -> str:
    """A moment in a zone, such as "Wed 2 Dec 02:00 CET (01:00 UTC)"; one in UTC once."""
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        local = moment
    text = f"{local:%a} {local.day} {local:%b %H:%M %Z}"
    return text if local.tzname() == "UTC" else f"{text} ({moment:%H:%M} UTC)"
