"""Options of click, made of the declarations that fields of dataclasses carry."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from towpath_service.app.declarations import (
    Choice,
    File,
    Flag,
    Option,
    Text,
    Whole,
    option_of,
    options_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.app.declarations import Kind

Command = TypeVar("Command", bound="Callable[..., Any]")


class ParsedText(click.ParamType[Any]):
    """The value that the function of a declared text makes."""

    def __init__(self, kind: Text) -> None:
        """Takes the declaration of the text."""
        self.name = kind.placeholder
        self._parse = kind.parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Makes the value; fails with the sentence of the function when there is none."""
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class _Option(click.Option):
    """An option whose variable isn't set when it is blank, as shells and container files do it."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Returns the text of the variable."""
        text = super().resolve_envvar_value(ctx)
        return text if text and text.strip() else None


def takes(part: type[Any], name: str) -> Callable[[Command], Command]:
    """Adds the options that a dataclass declares to a command.

    Args:
        part: The dataclass.
        name: The argument of the command that gets an instance of it.
    """
    declared = options_of(part)

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_part(*arguments: Any, **values: Any) -> Any:
            given = {each.name: values.pop(each.name) for each in declared}
            try:
                values[name] = part(**given)
            except ValueError as error:
                raise click.UsageError(str(error)) from None
            return command(*arguments, **values)

        decorated: Any = with_part
        for each in reversed(declared):
            decorated = click_option(each)(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def takes_one(part: type[Any], name: str) -> Callable[[Command], Command]:
    """Adds one of the options that a dataclass declares to a command, by the name of its field."""
    return click_option(option_of(part, name))


def click_option(declared: Option) -> Callable[[Command], Command]:
    """The option of click that a declaration describes."""
    help_text = declared.help
    if declared.derived_default:
        help_text += f"  [default: {declared.derived_default}]"
    shown = declared.default is not None and not isinstance(declared.kind, Flag)
    return click.option(
        declared.flag,
        declared.name,
        cls=_Option,
        help=help_text,
        envvar=declared.variable or None,
        show_default=shown,
        **_of_kind(declared.kind, declared.default),
    )


def _of_kind(kind: Kind, default: Any) -> dict[str, Any]:
    match kind:
        case Flag():
            return {"is_flag": True}
        case File():
            return {"type": click.Path(path_type=Path)}
        case Whole(minimum=minimum, maximum=maximum):
            return {"type": click.IntRange(minimum, maximum), "default": default}
        case Choice(words=words):
            return {"type": click.Choice(words), "default": default}
        case Text(show=show):
            given = {} if default is None else {"default": show(default)}
            return {"type": ParsedText(kind), **given}
