"""A handler of ServerService that does what a test tells it to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from towpath.api.v1 import log_service_pb2, server_service_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from towpath_auth import Caller


class FakeServerHandler:
    """Answers, or fails, as told."""

    service: ClassVar[str] = "towpath.api.v1.ServerService"

    def __init__(self, work: Callable[[Any], Any] | None = None) -> None:
        self.callers: list[Caller] = []
        self._work = work

    async def get_server_info(self, request: Any, caller: Caller) -> Any:
        self.callers.append(caller)
        if self._work is not None:
            outcome = self._work(request)
            if asyncio.iscoroutine(outcome):
                await outcome
        return server_service_pb2.GetServerInfoResponse(version="fake")

    async def get_transition_table(self, request: Any, caller: Caller) -> Any:
        raise NotImplementedError


class FakeLogHandler:
    """Streams two lines, then what it was told; notes when it is closed."""

    service: ClassVar[str] = "towpath.api.v1.LogService"

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self.closed = False
        self._then = then

    async def write_logs(self, request: Any, caller: Caller) -> Any:
        return log_service_pb2.WriteLogsResponse(message=f"{len(request.records)} records")

    async def list_logs(self, request: Any, caller: Caller) -> Any:
        return log_service_pb2.ListLogsResponse()

    async def tail_logs(self, request: Any, caller: Caller) -> AsyncIterator[Any]:
        try:
            for token in ("one", "two"):
                yield log_service_pb2.TailLogsResponse(resume_token=token)
            if self._then is not None:
                self._then()
        finally:
            self.closed = True
