"""`towpath run retry`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from towpath._state_type import StateType
from towpath.cli.runs.many import Chosen, chosen_runs, filter_options, for_each
from towpath.cli.runs.watch import event_line, exit_code_of
from towpath.cli.shared.errors import NOT_FOUND, USAGE, CommandError
from towpath.cli.shared.output import print_json, text_output
from towpath.cli.shared.pairs import pairs_of, param_option
from towpath.cli.shared.session import connected, note
from towpath.cli.shared.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath._definitions.flow import Flow
    from towpath._deploy.retry_plan import PlannedStep
    from towpath.client import Client, Run

_RETRIED: Final = frozenset({StateType.FAILED, StateType.CRASHED, StateType.TIMED_OUT})
"""The states of runs that are retried by a filter without --state."""


@click.command()
@click.argument("run", required=False)
@click.option(
    "--from",
    "from_tasks",
    multiple=True,
    metavar="TASK",
    help="Task to run again even if its result is kept, with what depends on it; repeatable.",
)
@click.option("--again", is_flag=True, help="With --from, run steps with lost results again, too.")
@click.option("--message", "-m", default="", metavar="TEXT", help="Why, for people.")
@click.option(
    "--here",
    metavar="FILE:FLOW",
    help="Execute the run of a script in this process, by the code of this flow.",
)
@param_option
@click.option("--dry-run", is_flag=True, help="List what would be reused, and change nothing.")
@filter_options
@text_output
def retry(
    run: str | None,
    from_tasks: tuple[str, ...],
    message: str,
    here: str | None,
    params: Sequence[str],
    chosen: Chosen,
    output: str,
    *,
    again: bool,
    dry_run: bool,
) -> None:
    """Run a run that failed again, from where it failed.

    Tasks that completed come back from their stored results; the others run again, and repaired
    code runs. With --flow or --state instead of RUN, every run that matches is retried.
    """
    if run is None:
        with connected() as client:
            matching = chosen_runs(client, chosen)
            some = _RETRIED | {StateType.CANCELLED} if chosen.states else _RETRIED
            for_each(
                "retry",
                [each for each in matching if each.state in some],
                lambda each: client.retry(each.id, message=message, attempt=each.attempt),
                chosen,
                dry_run,
            )
        return
    chosen.check_unused()
    if params and not here:
        raise click.UsageError("--param goes with --here: a deployed run keeps its arguments")
    with connected() as client:
        found = client.run(run)
        if dry_run:
            _show(_plan(client, found, from_tasks), output)
            return
        names = _checked(client, found, from_tasks, again=again) if from_tasks else ()
        if here is None:
            retried = client.retry(
                found.id, message=message, from_tasks=names, attempt=found.attempt
            )
            click.echo(event_line(retried))
            note(f"  `towpath run watch {retried.short_id}` follows it")
            return
        flow, arguments = _loaded(found, here, params)
        retried = client.retry(found.id, message=message, attempt=found.attempt, in_place=True)
    raise SystemExit(_execute(flow, arguments, retried, names))


def _plan(client: Client, run: Run, from_tasks: Sequence[str]) -> list[PlannedStep]:
    from towpath._deploy.retry_plan import plan_retry  # noqa: PLC0415 - loads what stores results

    return plan_retry(run, client.steps(run.root_id), from_tasks, time.time())


def _checked(client: Client, run: Run, from_tasks: Sequence[str], *, again: bool) -> Sequence[str]:
    """The tasks to run again, with the subflows around them."""
    from towpath._deploy.retry_plan import (  # noqa: PLC0415 - loads what stores results
        check_kept,
        names_with_subflows,
        plan_retry,
    )

    steps = list(client.steps(run.root_id))
    planned = plan_retry(run, steps, from_tasks, time.time())
    if not again:
        check_kept(planned)
    return names_with_subflows(run, steps, from_tasks)


def _show(planned: Sequence[PlannedStep], output: str) -> None:
    if output == "json":
        print_json(
            [
                {"name": each.step.run.name, "decision": each.decision, "why": each.why}
                for each in planned
            ]
        )
        return
    if not planned:
        note("the run has no steps: it runs from its beginning")
        return
    print_table(
        [
            Column(title="STEP", cells=[each.step.run.name for each in planned]),
            Column(title="RETRY", cells=[each.decision for each in planned]),
            Column(title="WHY", cells=[each.why for each in planned]),
        ],
        wide=True,
    )
    note("nothing was changed; a reused step runs again all the same if its code has changed")


def _loaded(
    run: Run, entrypoint: str, params: Sequence[str]
) -> tuple[Flow[..., Any], dict[str, Any]]:
    """The flow of a run, and its arguments."""
    from towpath._definitions.leased import arguments_of  # noqa: PLC0415 - few retries load code
    from towpath._deploy.plans import typed_parameters  # noqa: PLC0415 - the same
    from towpath._engine.identity import read_as_script  # noqa: PLC0415 - the same
    from towpath._work.loading import LoadError, load_flow  # noqa: PLC0415 - the same

    try:
        flow = load_flow(entrypoint, Path.cwd())
    except LoadError as error:
        raise CommandError(
            str(error), hint="--here names the flow's code", code="NOT_FOUND", exit_code=NOT_FOUND
        ) from error
    if flow.flow_id != run.flow_id:
        raise CommandError(
            f"{entrypoint} is the flow {flow.name!r}, and the run is of {run.flow!r}",
            code="USAGE",
            exit_code=USAGE,
        )
    read_as_script(flow.fn.__module__)
    given = typed_parameters(flow.parameter_openapi_schema, pairs_of("--param", params))
    known: dict[str, Any] = json.loads(run.parameters) if run.parameters else {}
    return flow, arguments_of(flow, {**known, **given})


def _execute(
    flow: Flow[..., Any], arguments: dict[str, Any], run: Run, from_tasks: Sequence[str]
) -> int:
    """Executes an attempt in this process; returns the exit code for its end."""
    from towpath._definitions.leased import run_leased  # noqa: PLC0415 - few retries execute code
    from towpath._engine.flow_run_start import RunLease  # noqa: PLC0415 - the same
    from towpath._runs.replay import replay_of  # noqa: PLC0415 - the same

    lease = RunLease(run_id=run.id, attempt=run.attempt, replay=replay_of(from_tasks, run.attempt))
    return exit_code_of(run_leased(flow, arguments, lease).state.type)
