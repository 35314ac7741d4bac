"""`towpath profile`."""

from __future__ import annotations

import re

import click

from towpath._settings.declared import BY_NAME, masked
from towpath._settings.files import DEFAULT_PROFILE, write_config
from towpath._settings.layers import chosen_profile, user_config
from towpath.cli.shared.errors import CONFLICT, CommandError
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import list_output, print_json
from towpath.cli.shared.session import invocation, note
from towpath.cli.shared.tables import Column, print_table


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage profiles of settings."""


@group.command()
@click.argument("name")
@click.option("--use", is_flag=True, help="Select the profile, too.")
def create(name: str, *, use: bool) -> None:
    """Create an empty profile."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name):
        raise click.UsageError(
            f"{name!r} can't be a profile's name: give up to 63 of a-z, 0-9, - and _, such as work"
        )
    config = user_config()
    if name in config.profiles:
        raise CommandError(
            f"profile {name!r} already exists",
            hint=f"`towpath profile use {name}` selects it",
            code="ALREADY_EXISTS",
            exit_code=CONFLICT,
        )
    config.profiles[name] = {}
    if use:
        config.profile = name
    write_config(config)
    note(f"profile {name} created in {config.path}" + (" and selected" if use else ""))


@group.command()
@click.argument("name")
def use(name: str) -> None:
    """Select the profile to use."""
    config = user_config()
    config.profile = chosen_profile(config, name)
    write_config(config)
    note(f"profile {name} selected")
    in_use = chosen_profile(config)
    if in_use != name:
        note(f"TOWPATH_PROFILE names {in_use}, which overrides it")


@group.command("ls")
@list_output
def list_profiles(output: str) -> None:
    """List profiles."""
    config = user_config()
    in_use = chosen_profile(config, invocation().profile)
    names = sorted({DEFAULT_PROFILE, *config.profiles})
    if output == "json":
        print_json(
            [
                {"name": name, "in_use": name == in_use, "settings": _shown(config.profiles, name)}
                for name in names
            ]
        )
    elif output == "name":
        for name in names:
            click.echo(name)
    else:
        settings = [_shown(config.profiles, name) for name in names]
        said = [", ".join(f"{key} = {value}" for key, value in each.items()) for each in settings]
        columns = [
            Column(title="", cells=["*" if name == in_use else "" for name in names]),
            Column(title="PROFILE", cells=names),
            Column(title="SETTINGS", cells=[text or "-" for text in said]),
        ]
        print_table(columns, wide=output == "wide")


def _shown(profiles: dict[str, dict[str, object]], name: str) -> dict[str, str]:
    values = profiles.get(name, {})
    return {
        key: masked(BY_NAME[key], str(value)) if key in BY_NAME else str(value)
        for key, value in values.items()
    }
