"""Errors of a service that can't answer now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath.exceptions import ServerUnreachable

if TYPE_CHECKING:
    from towpath.exceptions import RpcError

_AWAY: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"})


def is_away(error: RpcError) -> bool:
    """Whether an error says that the service can't answer now, and may later."""
    return isinstance(error, ServerUnreachable) or error.code in _AWAY
