"""Reads that are at least as fresh as a consistency token from an ack; used by queries.

On one database every read sees all earlier acknowledged updates. On a read replica that lags, or on
a database that was restored from a backup, the read waits, or is refused.
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
    """Runs reads on a state that includes all that a token covers; an empty token covers nothing.

    Raises:
        ServiceError: INVALID_REQUEST for a token of another workspace, OVERLOADED when such a
            state isn't reached in time.
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
