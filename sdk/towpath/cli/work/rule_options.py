"""Options by which commands take a schedule."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from towpath.cli.work.names import Span
from towpath.schedules import CatchUp, Cron, Interval, Overlap, RRule

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from towpath.schedules import Schedule

_NAMES: Final = ("cron", "interval", "rrule", "timezone", "overlap", "catch_up", "jitter", "slug")
_OPTIONS: Final = (
    click.option("--cron", help='Schedule, such as "0 2 * * 1-5".'),
    click.option("--interval", type=Span(), help="Schedule, such as 90m."),
    click.option("--rrule", help='Schedule, such as "FREQ=WEEKLY;BYDAY=MO".'),
    click.option("--timezone", help="Zone of the schedule; UTC by default."),
    click.option(
        "--overlap",
        type=click.Choice(get_args(Overlap)),
        help="What happens while earlier runs of the schedule are unfinished; allow by default.",
    ),
    click.option(
        "--catch-up",
        type=click.Choice(get_args(CatchUp)),
        help="Due times to run of those at which the service was down; latest by default.",
    ),
    click.option("--jitter", type=Span(), help="Span over which the runs are spread."),
    click.option("--slug", help="Id of the schedule; by default it follows from the rule."),
)


def takes_rule(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of a schedule, and the schedule as its argument `rule`."""

    @wraps(command)
    def with_rule(**given: Any) -> Any:
        chosen = {name: given.pop(name) for name in _NAMES}
        return command(rule=_schedule(**chosen), **given)

    for option in reversed(_OPTIONS):
        with_rule = option(with_rule)
    return with_rule


def _schedule(
    cron: str | None, interval: timedelta | None, rrule: str | None, **options: Any
) -> Schedule | None:
    policies = {name: value for name, value in options.items() if value is not None}
    rules = [rule for rule in (cron, interval, rrule) if rule is not None]
    if len(rules) > 1:
        raise click.UsageError("give only one of --cron, --interval and --rrule")
    if not rules and policies:
        option = next(iter(policies)).replace("_", "-")
        raise click.UsageError(f"--{option} needs one of --cron, --interval and --rrule")
    if cron is not None:
        return Cron(cron, **policies)
    if interval is not None:
        return Interval(interval, **policies)
    return None if rrule is None else RRule(rrule, **policies)
