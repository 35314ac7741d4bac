from __future__ import annotations

from typing import TYPE_CHECKING

import click
from towpath._settings.declared import VARIABLES
from towpath._settings.other_variables import SERVER_VARIABLES
from towpath_service.app.identity.key_sources import KEY_VARIABLE
from towpath_service.cli.server import server

if TYPE_CHECKING:
    from collections.abc import Iterator


def variables_of(command: click.Command) -> Iterator[str]:
    """Variables that stand for options of a command and of those below it."""
    for option in command.params:
        named = option.envvar
        yield from [named] if isinstance(named, str) else named or ()
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from variables_of(below)


def test_every_variable_of_the_server_is_known_as_such() -> None:
    declared = {*variables_of(server), KEY_VARIABLE}
    assert declared == SERVER_VARIABLES
    assert not SERVER_VARIABLES & set(VARIABLES)
