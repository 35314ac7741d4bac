"""`towpath schedule create`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from towpath.cli.shared.pairs import pairs_of, param_option
from towpath.cli.shared.session import service_client
from towpath.cli.work.names import check_deployment
from towpath.cli.work.rule_options import takes_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath.schedules import Schedule


@click.command()
@click.argument("deployment", metavar="FLOW/DEPLOYMENT")
@takes_rule
@param_option
def create(deployment: str, rule: Schedule | None, params: Sequence[str]) -> None:
    """Create a schedule of a deployment; prints its name and its next times."""
    from towpath._definitions.slugs import slug_of  # noqa: PLC0415 - would slow down `--help`
    from towpath._deploy.lines import shown_time  # noqa: PLC0415 - would slow down `--help`
    from towpath._deploy.naming import by_any_name  # noqa: PLC0415 - would slow down `--help`
    from towpath._deploy.plans import typed_parameters  # noqa: PLC0415 - loads pydantic

    if rule is None:
        raise click.UsageError("give one of --cron, --interval and --rrule")
    texts = pairs_of("--param", params)
    with service_client() as client:
        found = by_any_name(check_deployment(deployment), client.deployments.get)
        schema = found.spec.parameter_schema
        schedule = replace(rule, parameters=typed_parameters(schema, texts))
        slug = schedule.slug or slug_of(schedule)
        made = client.schedules.create(found.name, slug, schedule)
    due = [shown_time(moment, schedule.timezone) for moment in made.next_times[:2]]
    click.echo(f"{made.deployment}/{made.id}   created   next: {', '.join(due) or 'never'}")
