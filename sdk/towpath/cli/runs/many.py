"""Actions on many runs: the options that choose them, the count before, and the progress."""

from __future__ import annotations

import functools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from towpath.cli.runs.filters import any_state, flow_id_of, since_time
from towpath.cli.shared.session import confirmed, note, progress, yes_option
from towpath.exceptions import Conflict, NotFound, NotRetryableError, TowpathError

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath.client import Client, Run

AT_ONCE: Final = 8
"""Most calls at a time."""
_PASSED_BY: Final = (Conflict, NotFound, NotRetryableError)
"""Refusals of runs that have changed meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The options that choose runs."""

    flow: str | None
    states: tuple[str, ...]
    since: str | None
    yes: bool

    @property
    def given(self) -> bool:
        """Whether any option chooses runs."""
        return bool(self.flow or self.states or self.since)

    def check_unused(self) -> None:
        """Refuses options that choose runs beside a named run."""
        if self.given:
            raise click.UsageError("give RUN, or options that choose runs, not both")


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that choose runs, which the command gets as `chosen`."""

    @click.option("--flow", metavar="FLOW", help="Name or id of the runs' flow.")
    @click.option(
        "--state",
        "states",
        multiple=True,
        metavar="STATE",
        help="State of the runs, such as FAILED; repeatable.",
    )
    @click.option("--since", metavar="AGE", help="Greatest age of the runs, such as 12h or 7d.")
    @yes_option
    @functools.wraps(command)
    def with_options(
        *args: Any,
        flow: str | None,
        states: tuple[str, ...],
        since: str | None,
        yes: bool,
        **options: Any,
    ) -> Any:
        chosen = Chosen(flow=flow, states=states, since=since, yes=yes)
        return command(*args, chosen=chosen, **options)

    return with_options


def chosen_runs(client: Client, chosen: Chosen) -> list[Run]:
    """The flow runs that no other run started and that the options choose, newest first.

    Raises:
        click.UsageError: No option chooses any.
    """
    if not chosen.given:
        raise click.UsageError("give RUN, or choose runs by --flow, --state or --since")
    terms = ["kind = flow", 'parent_run = ""']
    terms += [any_state(chosen.states)] if chosen.states else []
    terms += [f'create_time >= "{since_time(chosen.since)}"'] if chosen.since else []
    terms += [f'flow = "{flow_id_of(client, chosen.flow)}"'] if chosen.flow else []
    return list(client.runs(filter_=" AND ".join(terms), limit=None))


def for_each(
    what: str, runs: list[Run], act: Callable[[Run], object], chosen: Chosen, dry_run: bool
) -> None:
    """Does something with runs, a few at a time, after a question.

    A run that has changed meanwhile, so that it can't be done, is counted and passed by.

    Args:
        what: The action, "retry".
        runs: The runs.
        act: Does it with one run.
        chosen: Whether to ask.
        dry_run: Whether to count only.

    Raises:
        TowpathError: Another error of one of the calls; those under way are finished.
    """
    states = Counter(str(run.state) for run in runs)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    number = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    if dry_run or not runs:
        click.echo(f"{what}: {number}" + (f" ({counts})" if counts else ""))
        return
    if not confirmed(f"{what.capitalize()} {number} ({counts})?", yes=chosen.yes):
        note("nothing was changed")
        raise SystemExit(1)
    done, passed = 0, 0
    with ThreadPoolExecutor(AT_ONCE) as pool, progress(what, unit="runs", total=len(runs)) as shown:
        calls = [pool.submit(act, run) for run in runs]
        try:
            for call in as_completed(calls):
                try:
                    call.result()
                    done += 1
                except _PASSED_BY:
                    passed += 1
                shown.advance()
        except TowpathError:
            pool.shutdown(cancel_futures=True)
            note(f"{what}: {done} of {number} done before the error")
            raise
    click.echo(f"{what}: {done} of {number}")
    if passed:
        note(f"{passed} can't be done any more: they have changed meanwhile, or don't allow it")
