"""How the parts of a service are wrapped while they are put together."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.runs.application.committer import Submitting
    from towpath_service.stores.port import Store


class Wrapping:
    """Leaves every part as it is."""

    def store(self, store: Store) -> Store:
        """Around the store."""
        return store

    def committer(self, committer: Submitting) -> Submitting:
        """Around what commits."""
        return committer

    def dispatcher(self, dispatcher: Dispatching) -> Dispatching:
        """Around all calls."""
        return dispatcher

    def loop(self, name: str, run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Around a background loop."""
        del name
        return run

    async def settle(self) -> None:
        """Finishes what is being told, before the store closes; takes a second at most."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """While the service runs."""
        yield
