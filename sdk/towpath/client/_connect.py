"""Which service a reader talks to."""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from towpath._delivery.takeover import deliver_waiting
from towpath._transport.discovery import find_server
from towpath._transport.embedded import open_embedded_transport
from towpath._transport.opening import open_grpc
from towpath.client._client import Client
from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from towpath._transport.base import Transport
    from towpath.settings import Settings

LOOK_SECONDS: Final = 0.25
_SHARE: Final = 4
"""How many times as long as taking in took the next look waits, so that it stays cheap."""


@contextmanager
def connect(settings: Settings, *, following: bool = False) -> Generator[Client]:
    """A client of the configured server, the one that runs on the home, or the local database.

    The local database first takes in what waits in the home's outboxes.

    Args:
        settings: Those in force.
        following: Go on taking in what running pipelines write, for as long as the context lasts.

    Raises:
        TowpathError: The local database can't be opened.
    """
    address = server_address(settings)
    with contextlib.closing(_open(address, settings)) as transport:
        if address:
            yield Client(transport, workspace=settings.workspace)
            return
        deliver_waiting(settings.home, transport, include_live=True)
        if not following:
            yield Client(transport)
            return
        with _taking_in(settings.home, transport):
            yield Client(transport)


def server_address(settings: Settings) -> str:
    """Address of the configured server or of the one on the home; empty when there is none."""
    if settings.server_address:
        return settings.server_address
    found = find_server(settings.home)
    return found.grpc if found else ""


def open_transport(settings: Settings, *, anonymous: bool = False) -> Transport:
    """A transport to where `connect` says; `anonymous` brings nothing that proves who calls."""
    return _open(server_address(settings), settings, anonymous=anonymous)


def _open(address: str, settings: Settings, *, anonymous: bool = False) -> Transport:
    if not address:
        return open_embedded_transport(settings.home)
    return open_grpc(settings, address, anonymous=anonymous)


@contextmanager
def _taking_in(home: Path, transport: Transport) -> Generator[None]:
    ended = threading.Event()

    def take_in() -> None:
        pause = LOOK_SECONDS
        while not ended.wait(pause):
            began = time.monotonic()
            # What was not taken now waits in its outbox for the next look.
            with contextlib.suppress(RpcError):
                deliver_waiting(home, transport, include_live=True)
            pause = max(LOOK_SECONDS, (time.monotonic() - began) * _SHARE)

    thread = threading.Thread(target=take_in, name="towpath-taking-in", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
