"""Options that are given as NAME=VALUE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

param_option = click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="Argument; repeatable."
)


def pairs_of(option: str, written: Iterable[str]) -> dict[str, str]:
    """Returns the values of an option by name.

    Args:
        option: The option, for messages: "--param".
        written: What was given, "day=2026-12-01".

    Raises:
        click.UsageError: It is no pair, or a name is given twice.
    """
    found: dict[str, str] = {}
    for pair in written:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise click.UsageError(f"{option} takes NAME=VALUE, not {pair!r}")
        if name in found:
            raise click.UsageError(f"{option} gives {name} twice")
        found[name] = value
    return found
