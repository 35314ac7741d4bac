"""The port through which identity reads runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.core.names import Scope


class CurrentAttempt(Protocol):
    """Reads the number of a run's latest attempt."""

    async def __call__(self, scope: Scope, run_id: str, /) -> int:
        """The number of the attempt.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND: there is no such run.
        """
        ...
