"""The options that say for how long things are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from towpath_service.app.ages import parse_age, show_age, variable_of
from towpath_service.runs.application.retention import Keep

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")

_KINDS = (
    ("logs", Keep().logs, "log lines"),
    ("transitions", Keep().transitions, "the histories of ended runs"),
    (
        *("runs", Keep().runs),
        "runs, with all that belongs to them, after the end of the whole flow run",
    ),
)


class Age(click.ParamType[float | None]):
    """An age such as 90d, or for ever."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        """Seconds; None for ever."""
        try:
            return parse_age(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def keep_options(command: Command) -> Command:
    """Adds --keep-runs, --keep-transitions and --keep-logs."""
    for kind, default, what in _KINDS:
        command = click.option(
            f"--keep-{kind}",
            type=Age(),
            metavar="AGE",
            default=show_age(default),
            show_default=True,
            envvar=variable_of(kind),
            help=f"How long to keep {what}; 12h, 90d or forever.",
        )(command)
    return command
