"""A server within another process: both ports on this machine, on a home's own database.

The SDK loads it by the entry point group `towpath.server`, for a script that serves flows where no
server runs.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath.extensions.transports import to_rpc_error

from towpath_service.app.declarations import option_of, options_of, value_from_environment
from towpath_service.app.options import (
    IdentityOptions,
    ListenerOptions,
    RetentionOptions,
    ServerOptions,
)
from towpath_service.app.server import serve_until
from towpath_service.core.errors import ServiceError
from towpath_service.database.database_urls import location_of
from towpath_service.rpc.errors import to_status
from towpath_service.telemetry.observing import Observed, roots_only

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    addresses: tuple[str, str]
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


@contextmanager
def open_local_server(home: Path) -> Generator[tuple[str, str]]:
    """Serves a home's database on free ports of this machine, on a thread, until the context ends.

    Processes of the home find the server while it runs.

    Args:
        home: The Towpath home.

    Yields:
        The address of the gRPC port, and the URL of the web port.

    Raises:
        towpath.exceptions.RpcError: The database can't be opened.
    """
    options = _options(home)
    started: Future[_Started] = Future()
    thread = threading.Thread(
        target=_run, args=(options, started), name="towpath-server", daemon=True
    )
    thread.start()
    try:
        server = started.result()
    except ServiceError as error:
        raise to_rpc_error(to_status(error), location_of(options.database)) from error
    try:
        yield server.addresses
    finally:
        server.loop.call_soon_threadsafe(server.stop.set)
        thread.join()


def _options(home: Path) -> ServerOptions:
    kept = {each.name: value_from_environment(each) for each in options_of(RetentionOptions)}
    key_file = value_from_environment(option_of(IdentityOptions, "key_file"))
    return ServerOptions(
        home=home,
        database=home / "towpath.db",
        listener=ListenerOptions(host=_HOST, port=0, web_port=0),
        identity=IdentityOptions(key_file=key_file),
        retention=RetentionOptions(**kept),
    )


def _run(options: ServerOptions, started: Future[_Started]) -> None:
    try:
        asyncio.run(_live(options, started))
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


async def _live(options: ServerOptions, started: Future[_Started]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_started(grpc_address: str, web_address: str) -> None:
        addresses = (grpc_address, web_address)
        started.set_result(_Started(addresses=addresses, loop=loop, stop=stop))

    observed = Observed(wrapping=roots_only(), metrics=None)
    await serve_until(stop, options, observed, on_started)
