"""How far runs with one key are kept apart."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from towpath.exceptions import DefinitionError

E = TypeVar("E", bound=StrEnum)


class IsolationLevel(StrEnum):
    """How far runs, or transactions, with one key are kept apart."""

    READ_COMMITTED = "READ_COMMITTED"
    """They see what others have committed, and may run at once."""
    SERIALIZABLE = "SERIALIZABLE"
    """One runs after the other."""


def member_of(kind: type[E], option: str, given: E | str | None) -> E | None:
    """Returns the member of an enumeration that an option gives, also by its value.

    Args:
        kind: The enumeration.
        option: The name of the option, for messages.
        given: What is given; None for nothing.

    Raises:
        DefinitionError: There is no such member.
    """
    if given is None:
        return None
    try:
        return kind(given)
    except ValueError:
        raise DefinitionError(f"{option} is one of {', '.join(kind)}, not {given!r}") from None
