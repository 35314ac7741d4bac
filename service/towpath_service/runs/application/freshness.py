"""Reads that are at least as fresh as a token which an ack gave.

On one database every read shows what was acknowledged before. Where reads come from a copy that
follows, or the database was restored from a backup, the answer waits, or is refused.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from towpath_service.core.errors import ServiceError
from towpath_service.core.tokens import read_consistency_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.bus import Bus
    from towpath_service.core.names import Scope
    from towpath_service.runs.ports.reads import Reads, ReadStore

Result = TypeVar("Result")

WAIT_SECONDS: Final = 5.0
LOOK_AGAIN_SECONDS: Final = 0.5


async def read_fresh(
    store: ReadStore,
    bus: Bus,
    scope: Scope,
    token: str,
    work: Callable[[Reads], Result],
) -> Result:
    """Runs reads on a state that shows all that a token covers; an empty token asks for nothing.

    Raises:
        ServiceError: INVALID_REQUEST for a token of another workspace, OVERLOADED when such a
            state has not come about in time.
    """
    wanted = read_consistency_token(token, scope.tenant_id, scope.workspace_id)
    if not wanted:
        return await store.read(scope.tenant_id, work)

    def read(reads: Reads) -> tuple[Result] | None:
        return (work(reads),) if reads.position(scope) >= wanted else None

    deadline = time.monotonic() + WAIT_SECONDS
    while (found := await store.read(scope.tenant_id, read)) is None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _behind()
        await bus.wait(scope, min(left, LOOK_AGAIN_SECONDS))
    return found[0]


def _behind() -> ServiceError:
    return ServiceError(
        reason="OVERLOADED",
        message=(
            "the database doesn't show yet what the consistency token covers: try again, or ask"
            " without the token"
        ),
        retry_after_seconds=1.0,
    )
