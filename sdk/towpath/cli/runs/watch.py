"""`towpath run watch`."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from towpath._display.model import Group
from towpath._display.rows import Row
from towpath._display.words import counted, printable, state_colour
from towpath._settings.current import get_settings
from towpath._state_type import StateType
from towpath.cli.runs.run_values import ran, running_seconds
from towpath.cli.shared.errors import CANCELLED, FAILED, NOT_FOUND, OK, TIMED_OUT, CommandError
from towpath.cli.shared.session import colourful, connected, note
from towpath.cli.shared.times import local_time

if TYPE_CHECKING:
    from rich.console import RenderableType

    from towpath.client import Client, Run

_FRAMES_PER_SECOND: Final = 8
_EXIT_CODES: Final = {
    StateType.COMPLETED: OK,
    StateType.CANCELLED: CANCELLED,
    StateType.TIMED_OUT: TIMED_OUT,
}


@click.command()
@click.argument("run")
def watch(run: str) -> None:
    """Watch a run and all runs below it until it has ended.

    The exit code is the run's end: 0 COMPLETED, 1 FAILED, CRASHED or SKIPPED, 7 CANCELLED,
    124 TIMED_OUT.
    """
    with connected(following=True) as client:
        found = to_the_end(client, client.run(run))
    show_end(found)


def show_end(run: Run) -> NoReturn:
    """Shows how a run ended, and exits with the code of its end."""
    click.echo(event_line(run))
    if run.state is not StateType.COMPLETED:
        note(f"  `towpath run inspect {run.short_id}` shows details")
    raise SystemExit(exit_code_of(run.state))


def exit_code_of(state: StateType) -> int:
    """The exit code of a command that has followed a run to its end."""
    return _EXIT_CODES.get(state, FAILED)


def event_line(run: Run) -> str:
    """A run's state as a line."""
    colour = state_colour(run.state) if colourful() else None
    state = click.style(f"{run.state:<9}", fg=colour) if colour else f"{run.state:<9}"
    why = printable(f"{run.reason} {run.message}")
    parts = [local_time(run.state_since), run.short_id, state, printable(run.name)]
    return "  ".join([*parts, ran(run), why]).rstrip()


def to_the_end(client: Client, run: Run) -> Run:
    """Shows a run and the runs below it until it has ended; returns it as it ended.

    Raises:
        CommandError: It was deleted.
    """
    if run.state.terminal:
        return run
    tree = f'root_run = "{run.id}"'
    if run.root_id != run.id:
        tree = f'run_id = "{run.id}" OR parent_run = "{run.id}"'
    live = colourful() and get_settings().display not in {"plain", "quiet"}
    view = LiveView(run) if live else PlainView(run)
    with view.shown():
        for event in client.watch_runs(tree):
            if event.kind == "synced":
                view.begin()
            elif event.run_id == run.id and event.run is None:
                raise CommandError(
                    f"run {run.short_id} was deleted", code="NOT_FOUND", exit_code=NOT_FOUND
                )
            elif event.run is not None and event.run_id == run.id and event.run.state.terminal:
                return event.run
            elif event.run is not None:
                view.take(event.run)
    raise AssertionError("a watch goes on for ever")


class PlainView:
    """A line for each change; of earlier states, only the watched run's."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seen: dict[str, int] = {}
        self._begun = False

    def shown(self) -> Any:
        """A context within which the view is on the screen."""
        return nullcontext()

    def begin(self) -> None:
        """Marks the end of the states that the watch began with."""
        self._begun = True

    def take(self, run: Run) -> None:
        """Shows the present state of a run."""
        fresh = self._seen.get(run.id) != run.revision
        self._seen[run.id] = run.revision
        if fresh and (self._begun or run.id == self._run.id):
            click.echo(event_line(run))


class LiveView:
    """A row for each name of a task with the numbers of its runs by state, redrawn."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._states: dict[str, tuple[str, StateType]] = {}
        self._names: dict[str, Counter[StateType]] = {}

    def shown(self) -> Any:
        """A context within which the view is on the screen."""
        from rich.live import Live  # noqa: PLC0415 - rich takes a tenth of a second to load

        return Live(
            get_renderable=self._render, refresh_per_second=_FRAMES_PER_SECOND, transient=True
        )

    def begin(self) -> None:
        """Marks the end of the states that the watch began with, which this view shows alike."""

    def take(self, run: Run) -> None:
        """Shows the present state of a run."""
        if run.id == self._run.id:
            self._run = run
            return
        before = self._states.get(run.id)
        if before is not None:
            self._names[before[0]][before[1]] -= 1
        name = run.task or run.flow or run.name
        self._states[run.id] = (name, run.state)
        self._names.setdefault(name, Counter())[run.state] += 1

    def _render(self) -> RenderableType:
        from towpath._display.table import table  # noqa: PLC0415 - it loads rich

        head = Row(
            depth=0,
            state=self._run.state,
            name=printable(self._run.name),
            seconds=running_seconds(self._run, datetime.now(UTC)),
        )
        names = [_row(name, counts) for name, counts in list(self._names.items())]
        columns, height = shutil.get_terminal_size()
        return table([head, *names][: max(1, height - 1)], columns)


def _row(name: str, counts: Counter[StateType]) -> Row:
    group = Group(name=printable(name), counts=counts)
    return Row(depth=1, state=group.state, name=group.name, counts=counted(counts))
