"""`towpath config`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from towpath._settings.current import resolve_settings
from towpath._settings.declared import BY_NAME, SETTINGS, masked
from towpath._settings.files import CONFIG_NAME, ConfigFile, read_config, read_project, write_config
from towpath._settings.layers import (
    Layer,
    Resolution,
    chosen_profile,
    file_problems,
    read_layer,
    strange_variables,
    unknown_setting,
    user_config,
)
from towpath.cli.shared.errors import USAGE, CommandError
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import print_json
from towpath.cli.shared.session import invocation, note
from towpath.cli.shared.tables import Column, print_table

if TYPE_CHECKING:
    from towpath._settings.declaration import Setting
    from towpath._settings.layers import Found

_VIEW_OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Output format.",
)


@click.group(cls=CommandGroup)
def group() -> None:
    """Show and change settings.

    The first of these that sets a setting wins: the command line, its TOWPATH_* variable, the
    project's towpath.toml or [tool.towpath] of pyproject.toml, the profile in use, its default.
    """


@group.command()
@click.option("--show-sources", is_flag=True, help="Show the source of each value.")
@_VIEW_OUTPUT
def view(output: str, *, show_sources: bool) -> None:
    """Show the present value of every setting."""
    resolution = resolve_settings()
    found = [resolution.found[setting.name] for setting in SETTINGS]
    if output == "json":
        print_json([_as_json(item) for item in found])
    else:
        columns = [
            Column(title="SETTING", cells=[item.setting.name for item in found]),
            Column(title="VALUE", cells=[masked(item.setting, item.value) for item in found]),
        ]
        if show_sources:
            columns.append(Column(title="SOURCE", cells=[item.source for item in found]))
        print_table(columns, wide=True)
        note(f"profile {resolution.profile}, kept in {resolution.config.path}")
    _note_problems(resolution)


@group.command("set")
@click.argument("name", metavar="SETTING")
@click.argument("value")
@click.option("--profile", help="Profile to change.  [default: the one in use]")
def set_(name: str, value: str, profile: str | None) -> None:
    """Set a setting in a profile."""
    setting = _setting(name)
    if setting.secret:
        raise click.UsageError(
            f"{name} on the command line would be visible in the list of processes and in the"
            " shell's history: `towpath login --api-key -` reads it from standard input, tries it"
            " and saves it"
        )
    config = user_config()
    chosen = chosen_profile(config, profile or invocation().profile)
    _refuse_broken(config)
    layer = Layer(kind="profile", place=f"`config set`, profile {chosen}", values={name: value})
    found, problems = read_layer(layer)
    if problems:
        raise click.UsageError(str(problems[0]).partition(": ")[2])
    config.profiles.setdefault(chosen, {})[name] = found[name].value
    write_config(config)
    note(f"{name} = {masked(setting, found[name].value)} in profile {chosen}, {config.path}")
    _note_overridden(name)


@group.command()
@click.argument("name", metavar="SETTING")
@click.option("--profile", help="Profile to change.  [default: the one in use]")
def unset(name: str, profile: str | None) -> None:
    """Remove a setting from a profile."""
    config = user_config()
    chosen = chosen_profile(config, profile or invocation().profile)
    kept = config.profiles.get(chosen, {})
    if name not in kept:
        if name not in BY_NAME:
            raise click.UsageError(unknown_setting(name))
        note(f"{name} isn't set in profile {chosen}: nothing to do")
        return
    # An unknown name may be removed, too: that repairs a broken file.
    del kept[name]
    write_config(config)
    note(f"{name} is no longer set in profile {chosen}, {config.path}")


@group.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
def validate(file: Path | None) -> None:
    """Check all settings, or one file of settings, and list all problems."""
    problems = _problems_of(file) if file else _all_problems()
    for problem in problems:
        click.echo(problem)
    for name in [] if file else strange_variables():
        note(f"{name} is no setting; ignore this if it isn't meant to be one")
    if problems:
        raise CommandError(
            f"{len(problems)} problems found" if len(problems) > 1 else "1 problem found",
            code="CONFIGURATION",
            exit_code=USAGE,
        )
    note("All settings are valid.")


def _all_problems() -> list[str]:
    resolution = resolve_settings()
    problems = [*resolution.problems, *file_problems(resolution.config)]
    return list(dict.fromkeys(map(str, problems)))


def _problems_of(file: Path) -> list[str]:
    if not file.exists():
        raise click.UsageError(f"there is no file {file}")
    if file.name == CONFIG_NAME:
        return [*map(str, file_problems(read_config(file)))]
    project = read_project(file)
    values = project.values if project else {}
    return [*map(str, read_layer(Layer(kind="project", place=str(file), values=values))[1])]


def _as_json(found: Found) -> dict[str, object]:
    secret = found.setting.secret
    value = found.value if isinstance(found.value, bool | float) else str(found.value or "")
    return {
        "name": found.setting.name,
        "value": masked(found.setting, found.value) if secret else value,
        "source": found.source,
        "help": found.setting.help,
    }


def _setting(name: str) -> Setting:
    if name not in BY_NAME:
        raise click.UsageError(unknown_setting(name))
    return BY_NAME[name]


def _refuse_broken(config: ConfigFile) -> None:
    problems = file_problems(config)
    if problems:
        raise CommandError(
            str(problems[0]),
            hint="fix the file first: this command would overwrite it",
            code="CONFIGURATION",
            exit_code=USAGE,
        )


def _note_overridden(name: str) -> None:
    found = resolve_settings().found[name]
    if found.kind in {"flag", "environment", "project"}:
        note(f"{found.place} sets {masked(found.setting, found.value)}, which overrides it")


def _note_problems(resolution: Resolution) -> None:
    for problem in resolution.problems:
        note(f"problem: {problem}")
