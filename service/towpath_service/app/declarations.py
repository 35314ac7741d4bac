"""Declarations of the server's options, each made once, as metadata of the field of its value.

The commands make their options of these declarations, the embedded service reads their variables,
and the reference of settings lists them.
"""

from __future__ import annotations

import os
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

_METADATA_KEY: Final = "option"
_VARIABLE_PREFIX: Final = "TOWPATH_SERVER_"


@dataclass(frozen=True, slots=True)
class Flag:
    """An option without a value: given or not."""


@dataclass(frozen=True, slots=True)
class File:
    """The path of a file, which may not exist yet."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within limits, both included."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a function converts into a value."""

    placeholder: str
    """Stands for the value in help texts."""
    parse: Callable[[str], Any] = str
    """Raises ValueError with a sentence that shows the right form."""
    show: Callable[[Any], str] = str
    """The text of a value: what `parse` reads."""


Kind = Flag | File | Whole | Choice | Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """The declaration of one option.

    Attributes:
        name: The field that carries its value, "tls_cert".
        kind: What can be written for it.
        default: The value when nothing is written.
        variable: The environment variable that sets it, "TOWPATH_SERVER_TLS_CERT"; empty for none.
        help: One sentence for help texts and the reference.
        derived_default: What a default of None stands for, in words; empty when for nothing.
        page: The documentation page that explains it, relative to docs/.
    """

    name: str
    kind: Kind
    default: Any
    variable: str
    help: str
    derived_default: str
    page: str

    @property
    def flag(self) -> str:
        """The option as the command line writes it, "--tls-cert"."""
        return f"--{self.name.replace('_', '-')}"

    def parse(self, text: str) -> Any:
        """Makes a value of the text of a variable.

        Raises:
            ValueError: The text is no value of this option; the message shows the right form.
        """
        match self.kind:
            case Text(parse=parse):
                return parse(text)
            case File():
                return Path(text)
            case _:
                raise ValueError(f"{self.flag} has no variable")


def option(
    kind: Kind, help_text: str, *, page: str, variable: bool = False, derived_default: str = ""
) -> dict[str, Any]:
    """The metadata that declares a field as an option.

    Args:
        kind: What can be written for it.
        help_text: One sentence that says what the option is or does.
        page: The documentation page that explains it, relative to docs/.
        variable: Whether an environment variable sets it too, named after the field.
        derived_default: What a default of None stands for, in words.
    """
    return {_METADATA_KEY: (kind, help_text, page, variable, derived_default)}


def options_of(carrier: Any) -> tuple[Option, ...]:
    """The options that the fields of a dataclass declare, in their order."""
    found: list[Option] = []
    for each in fields(carrier):
        if _METADATA_KEY not in each.metadata:
            continue
        kind, help_text, page, variable, derived_default = each.metadata[_METADATA_KEY]
        assert each.default is not MISSING, f"{each.name} needs a default"
        found.append(
            Option(
                name=each.name,
                kind=kind,
                default=each.default,
                variable=f"{_VARIABLE_PREFIX}{each.name.upper()}" if variable else "",
                help=help_text,
                derived_default=derived_default,
                page=page,
            )
        )
    return tuple(found)


def option_of(carrier: Any, name: str) -> Option:
    """The option that one field of a dataclass declares."""
    return next(each for each in options_of(carrier) if each.name == name)


def value_from_environment(declared: Option) -> Any:
    """The value of an option where no command line gives it: its variable's, or the default.

    Raises:
        ServiceError: INVALID_REQUEST, the variable holds no value of the option.
    """
    # Shells and container files unset a variable by a blank text.
    text = os.environ.get(declared.variable, "").strip()
    if not text:
        return declared.default
    try:
        return declared.parse(text)
    except ValueError as error:
        message = f"{declared.variable}: {error}"
        raise ServiceError(reason="INVALID_REQUEST", message=message) from None
