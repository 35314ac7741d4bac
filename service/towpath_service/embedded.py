"""The service inside another process: no ports, one background thread.

The SDK loads it by the entry point group `towpath.embedded` when no server runs. It has no reaper:
the process doesn't live long enough to distinguish a dead producer from a silent one.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath.extensions.transports import to_rpc_error

from towpath_service.app.declarations import option_of, options_of, value_from_environment
from towpath_service.app.identity.key_sources import file_source
from towpath_service.app.identity.secret_keys import sealing_of
from towpath_service.app.in_process import InProcessTransport
from towpath_service.app.options import IdentityOptions, RetentionOptions
from towpath_service.app.wiring import open_service
from towpath_service.core.errors import ServiceError
from towpath_service.database.database_urls import location_of
from towpath_service.rpc.errors import to_status
from towpath_service.telemetry.observing import roots_only

if TYPE_CHECKING:
    from pathlib import Path

    from towpath.extensions.transports import Transport

    from towpath_service.app.wiring import Service
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.ports.sealing import Sealing

PRUNING_SECONDS: Final = 0.2


def open_embedded(home: Path, *, in_memory: bool = False) -> Transport:
    """Opens the service on the database of a home folder, or on one in memory.

    Closing the transport ends the service and its threads.

    Args:
        home: The Towpath home.
        in_memory: Whether the database is one in memory, that ends with the transport.

    Raises:
        towpath.exceptions.RpcError: The database can't be opened.
    """
    if in_memory:
        return EmbeddedTransport(None)
    key_file = value_from_environment(option_of(IdentityOptions, "key_file"))
    return EmbeddedTransport(home / "towpath.db", sealing_of(home, file_source(key_file)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    service: Service
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


class EmbeddedTransport(InProcessTransport):
    """A transport that owns the service that it calls."""

    def __init__(self, database: Path | PostgresUrl | None, sealing: Sealing | None = None) -> None:
        """Opens the service.

        Args:
            database: The database; None for one in memory.
            sealing: Gives the key that seals secrets, as for `open_service`.

        Raises:
            towpath.exceptions.RpcError: The database can't be opened.
        """
        address = location_of(database)
        opened: Future[_Open] = Future()
        self._thread = threading.Thread(
            target=_run, args=(database, sealing, opened), name="towpath-embedded", daemon=True
        )
        self._thread.start()
        try:
            self._opened = opened.result()
        except ServiceError as error:
            raise to_rpc_error(to_status(error), address) from error
        super().__init__(self._opened.service.dispatcher, self._opened.loop, address)
        self._owner = os.getpid()

    def close(self) -> None:
        """Ends the service: calls under way fail, watches end, acknowledged updates are kept."""
        super().close()
        # A forked child has neither the thread nor a loop of its own.
        if self._owner == os.getpid() and self._thread.is_alive():
            self._opened.loop.call_soon_threadsafe(self._opened.stop.set)
            self._thread.join()


def _run(
    database: Path | PostgresUrl | None, sealing: Sealing | None, opened: Future[_Open]
) -> None:
    try:
        asyncio.run(_live(database, sealing, opened))
    except BaseException as error:
        if opened.done():
            raise
        opened.set_exception(error)


async def _live(
    database: Path | PostgresUrl | None, sealing: Sealing | None, opened: Future[_Open]
) -> None:
    given = {each.name: value_from_environment(each) for each in options_of(RetentionOptions)}
    keep = RetentionOptions(**given).keep
    async with open_service(database, keep=keep, wrapping=roots_only(), sealing=sealing) as service:
        stop = asyncio.Event()
        own = asyncio.all_tasks()
        opened.set_result(_Open(service=service, loop=asyncio.get_running_loop(), stop=stop))
        await stop.wait()
        calls = asyncio.all_tasks() - own
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        # Instead of a sweep every hour, each process does a little of it when it closes.
        with suppress(ServiceError):
            await service.retention.sweep(seconds=PRUNING_SECONDS, pausing=False)
