"""`towpath deployment run`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from towpath.cli.runs.run_values import run_as_json
from towpath.cli.runs.watch import event_line, show_end, to_the_end
from towpath.cli.shared.output import print_json, text_output
from towpath.cli.shared.pairs import pairs_of, param_option
from towpath.cli.shared.session import connected
from towpath.cli.work.names import check_deployment

if TYPE_CHECKING:
    from collections.abc import Sequence


class Moment(click.ParamType[datetime]):
    """A time such as 2026-12-01T02:00; without a zone, by this machine's clock."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Reads a time."""
        try:
            return datetime.fromisoformat(str(value)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time such as 2026-12-01T02:00", param, ctx)


@click.command("run")
@click.argument("deployment", metavar="FLOW/DEPLOYMENT")
@param_option
@click.option("--watch", is_flag=True, help="Watch the run to its end; the exit code is its end.")
@click.option("--name", default="", help="Name of the run.")
@click.option("--at", "scheduled", type=Moment(), help="When it starts; at once by default.")
@click.option("--tag", "tags", multiple=True, help="Tag of the run; repeatable.")
@click.option("--queue", default="", help="Id of the queue; the deployment's by default.")
@click.option("--priority", type=click.IntRange(1, 100), help="Priority; 50 by default.")
@click.option(
    "--idempotency-key", default="", help="Text that makes one run of requests that repeat it."
)
@text_output
def run_deployment(
    deployment: str,
    params: Sequence[str],
    *,
    watch: bool,
    name: str,
    scheduled: datetime | None,
    tags: Sequence[str],
    queue: str,
    priority: int | None,
    idempotency_key: str,
    output: str,
) -> None:
    """Create a run of a deployment, and watch it with --watch.

    With --watch, the exit code is the run's end: 0 COMPLETED, 1 FAILED, CRASHED or SKIPPED,
    7 CANCELLED, 124 TIMED_OUT.
    """
    from towpath._deploy.naming import by_any_name  # noqa: PLC0415 - would slow down `--help`
    from towpath._deploy.plans import typed_parameters  # noqa: PLC0415 - loads pydantic

    texts = pairs_of("--param", params)
    with connected(following=watch) as client:
        found = by_any_name(check_deployment(deployment), client.deployments.get)
        run = client.create_run(
            found.name,
            parameters=typed_parameters(found.spec.parameter_schema, texts),
            name=name,
            scheduled=scheduled,
            tags=tags,
            queue=queue,
            priority=priority or 0,
            idempotency_key=idempotency_key,
        )
        if not watch:
            if output == "json":
                print_json(run_as_json(run))
            else:
                click.echo(event_line(run))
            return
        ended = to_the_end(client, run)
    show_end(ended)
