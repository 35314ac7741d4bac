"""What identity needs to know of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.core.names import Scope


class CurrentAttempt(Protocol):
    """Reads which attempt of a run began last."""

    async def __call__(self, scope: Scope, run_id: str, /) -> int:
        """The number of the attempt.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND: there is no such run.
        """
        ...
