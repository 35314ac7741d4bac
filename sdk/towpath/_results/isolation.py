"""How far runs with one key are kept apart."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from towpath.exceptions import DefinitionError


class IsolationLevel(StrEnum):
    """How far runs, or transactions, with one key are kept apart."""

    READ_COMMITTED = "READ_COMMITTED"
    """They see what others have committed, and may run at once."""
    SERIALIZABLE = "SERIALIZABLE"
    """One runs after the other."""


def isolation_of(given: Any) -> IsolationLevel | None:
    """Returns the level that an option gives, also by its name; None for None.

    Raises:
        DefinitionError: There is no such level.
    """
    if given is None:
        return None
    try:
        return IsolationLevel(given)
    except ValueError:
        raise DefinitionError(
            f"isolation_level is one of {', '.join(IsolationLevel)}, not {given!r}"
        ) from None
