"""Groups of commands, with aliases, and suggestions for names that don't exist."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

ALIASES: Final[Mapping[str, str]] = {"list": "ls", "get": "inspect", "rm": "delete"}


class CommandGroup(click.Group):
    """A group that takes `list` for `ls`, and suggests commands for names that don't exist."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command of a name or alias."""
        found = super().get_command(ctx, cmd_name)
        alias = ALIASES.get(cmd_name)
        return super().get_command(ctx, alias) if found is None and alias else found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Returns the command that the arguments begin with."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            guess = f"Did you mean {close[0]!r}?" if close else f"Commands: {self._names(ctx)}."
            raise click.UsageError(f"there is no command {args[0]!r}. {guess}", ctx)
        return super().resolve_command(ctx, args)

    def _names(self, ctx: click.Context) -> str:
        return ", ".join(self.list_commands(ctx))
