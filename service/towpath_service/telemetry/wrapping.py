"""The interface through which the wiring wraps the parts of a service with telemetry."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from towpath_service.core.clock import Clock
    from towpath_service.database.port import Database
    from towpath_service.limits.application.limiter import NoteWait
    from towpath_service.limits.ports.figures import ReadLimitFigures
    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.runs.application.committer import Submitting
    from towpath_service.runs.ports.store import RunStore
    from towpath_service.work.application.noting import DispatchNotes
    from towpath_service.work.application.scheduler import NoteSlots
    from towpath_service.work.ports.figures import ReadFigures


class Wrapping:
    """Wraps nothing: the base of all telemetry, and the choice without any."""

    def database(self, database: Database) -> Database:
        """Wraps the database, before it is opened."""
        return database

    @contextmanager
    def runs(self, store: RunStore) -> Generator[RunStore]:
        """Wraps the store of runs, while its database is open."""
        yield store

    def committer(self, committer: Submitting) -> Submitting:
        """Wraps the committer."""
        return committer

    def dispatcher(self, dispatcher: Dispatching) -> Dispatching:
        """Wraps the dispatcher."""
        return dispatcher

    def slots(self) -> NoteSlots | None:
        """Takes the due times of schedules that were decided; None for none."""
        return None

    def dispatch(self) -> DispatchNotes | None:
        """Takes the events of dispatch; None for none."""
        return None

    def limit_waits(self) -> NoteWait | None:
        """Takes how long callers waited for limits; None for none."""
        return None

    @contextmanager
    def figures(
        self, read: ReadFigures, read_limits: ReadLimitFigures, clock: Clock
    ) -> Generator[None]:
        """Reports numbers of waiting runs, leases, workers and limits, while the database is open.

        Args:
            read: Reads those of runs, leases and workers.
            read_limits: Reads those of limits.
            clock: The clock.
        """
        del read, read_limits, clock
        yield

    def loop(self, name: str, run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Wraps a background loop."""
        del name
        return run

    async def settle(self) -> None:
        """Finishes pending spans before the database closes; takes a second at most."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Surrounds the service's run."""
        yield
