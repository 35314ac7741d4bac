"""The declaration of a setting: the metadata of a field of `Settings`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Value = str | bool | int | float | Path | None
"""The types of settings' values."""

Scope = Literal["project", "profile", "process"]
"""The most widely shared place that may set it: a project's file, a profile, or this process."""

METADATA_KEY: Final = "setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The declaration of one setting.

    Attributes:
        name: The setting as files and commands write it, "server.address".
        attribute: Its attribute of `Settings`.
        variable: Its environment variable.
        read: Converts the written value; raises ValueError or TypeError, naming a valid value.
        default: Its value when nothing sets it; None when the default is computed.
        scope: Where it may be set.
        secret: Whether its value is masked wherever it is shown.
        help: One sentence for commands and the reference.
        page: The documentation page that explains it, relative to docs/.
    """

    name: str
    attribute: str
    variable: str
    read: Callable[[object], Value]
    default: Value
    scope: Scope
    secret: bool
    help: str
    page: str


def setting(
    name: str,
    variable: str,
    read: Callable[[object], Value],
    help_text: str,
    *,
    page: str,
    scope: Scope = "project",
    secret: bool = False,
) -> dict[str, Any]:
    """The metadata that declares a field of `Settings`."""
    return {METADATA_KEY: (name, variable, read, help_text, page, scope, secret)}
