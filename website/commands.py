"""The reference of commands: the tree of click's commands, walked."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Final

import click

from website.markdown import code, page, table
from website.places import COMMANDS, load

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMED_DEFAULT: Final = re.compile(r"\s*\[default: (.*)\]$")


def commands_page() -> str:
    """Every command with its arguments and options."""
    root: click.Group = load(COMMANDS)
    parts = [
        "Every command with its arguments and options, as `towpath COMMAND --help` shows them.",
        "[The command line](../guides/command-line.md) is the introduction.",
        "## towpath",
        _parameters(root),
    ]
    for name, command, context in _below(root, click.Context(root, info_name="towpath")):
        parts += [f"## {name}", _text(command), f"```text\n{_usage(command, context)}\n```"]
        parts += [part for part in (_parameters(command),) if part]
    return page("Commands", *parts)


def options_of(name: str) -> Iterator[click.Option]:
    """The options of a command, by its name without "towpath"."""
    command: click.Command = load(COMMANDS)
    for word in name.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None, f"there is no command {name}"
        command = found
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            yield parameter


def meaning_of(option: click.Option) -> str:
    """An option's help without the default that it may name at its end."""
    return _NAMED_DEFAULT.sub("", option.help or "")


def default_of(option: click.Option) -> str:
    """An option's default as a reader needs it; empty for none."""
    named = _NAMED_DEFAULT.search(option.help or "")
    if named:
        return named[1]
    default = option.to_info_dict()["default"]
    if option.is_flag or default is None or "UNSET" in repr(default):
        return ""
    return code(str(default))


def _below(
    group: click.Group, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, parent=context, info_name=name)
        if isinstance(command, click.Group):
            yield from _below(command, inner)
        else:
            yield inner.command_path.removeprefix("towpath "), command, inner


def _text(command: click.Command) -> str:
    """The help; paragraphs that click doesn't wrap are blocks of text."""
    paragraphs = inspect.cleandoc(command.help or "").partition("\f")[0].split("\n\n")
    return "\n\n".join(map(_paragraph, paragraphs))


def _paragraph(text: str) -> str:
    unwrapped = text.removeprefix("\b").removeprefix("\\b").lstrip("\n")
    return text if unwrapped == text else f"```text\n{unwrapped}\n```"


def _usage(command: click.Command, context: click.Context) -> str:
    pieces = command.collect_usage_pieces(context)
    return " ".join([context.command_path, *pieces])


def _parameters(command: click.Command) -> str:
    options = [
        item for item in command.params if isinstance(item, click.Option) and not item.hidden
    ]
    rows = [
        (
            code(", ".join([*option.opts, *option.secondary_opts])),
            code(_value(option)),
            meaning_of(option),
            default_of(option),
        )
        for option in options
    ]
    return table(("option", "value", "meaning", "default"), rows) if rows else ""


def _value(option: click.Option) -> str:
    if option.is_flag or option.count:
        return ""
    return option.make_metavar(click.Context(click.Command("towpath")))
