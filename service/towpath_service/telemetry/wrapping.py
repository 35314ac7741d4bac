"""How the parts of a service are wrapped while they are put together."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from towpath_service.database.port import Database
    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.runs.application.committer import Submitting
    from towpath_service.runs.ports.store import RunStore


class Wrapping:
    """Leaves every part as it is."""

    def database(self, database: Database) -> Database:
        """Around the database, before it is opened."""
        return database

    @contextmanager
    def runs(self, store: RunStore) -> Generator[RunStore]:
        """Around the store of runs, while its database is open."""
        yield store

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
        """Finishes what is being told, before the database closes; takes a second at most."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """While the service runs."""
        yield
