"""The rpc on which workers attach, for a service that hands out no runs yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from towpath_service.rpc.errors import unimplemented

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towpath_auth import Caller


class AttachStub:
    """Refuses workers."""

    service: ClassVar[str] = "towpath.api.v1.WorkService"

    async def attach_worker(
        self, requests: AsyncIterator[Any], caller: Caller
    ) -> AsyncIterator[Any]:
        """Refuses a worker."""
        del requests, caller
        raise unimplemented("AttachWorker")
        yield
