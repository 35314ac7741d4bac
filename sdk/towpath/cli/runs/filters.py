"""The conditions on runs that options of commands give."""

from __future__ import annotations

import difflib
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from towpath._state_type import StateType
from towpath.cli.shared.errors import NOT_FOUND, CommandError
from towpath.cli.shared.times import parse_duration

if TYPE_CHECKING:
    from towpath.client import Client


def any_state(states: tuple[str, ...]) -> str:
    """The condition for runs in one of some states, as --state gives them.

    Raises:
        click.BadParameter: There is no such state.
    """
    names = [name.upper() for state in states for name in state.split(",")]
    for name in names:
        if name not in StateType.__members__:
            close = difflib.get_close_matches(name, StateType.__members__, 1)
            guess = f"did you mean {close[0]}?" if close else f"there are {', '.join(StateType)}"
            raise click.BadParameter(f"there is no state {name!r}: {guess}", param_hint="--state")
    terms = " OR ".join(f"state = {name}" for name in names)
    return f"({terms})"


def flow_id_of(client: Client, wanted: str) -> str:
    """The id of a flow by its name or id.

    Raises:
        CommandError: There is no such flow.
    """
    flows = list(client.flows())
    # A name comes first: the id of another flow may read like it.
    by_name = {flow.id: flow.id for flow in flows} | {flow.name: flow.id for flow in flows}
    if wanted in by_name:
        return by_name[wanted]
    known = {name for flow in flows for name in (flow.id, flow.name)}
    close = difflib.get_close_matches(wanted, known, 1)
    raise CommandError(
        f"there is no flow {wanted!r}" + (f": did you mean {close[0]!r}?" if close else ""),
        hint="`towpath flow ls` lists flows",
        code="NOT_FOUND",
        exit_code=NOT_FOUND,
    )


def since_time(text: str) -> str:
    """The time that --since gives: an age, or a time.

    Raises:
        click.BadParameter: It is neither.
    """
    with suppress(ValueError, OverflowError):
        return (datetime.now(UTC) - parse_duration(text)).isoformat()
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    raise click.BadParameter(
        f"{text!r} is neither an age such as 30m, 12h or 7d, nor a time such as 2026-11-01",
        param_hint="--since",
    )
