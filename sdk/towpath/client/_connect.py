"""Which service a reader talks to."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from towpath._delivery.takeover import deliver_waiting
from towpath._discovery import find_server
from towpath._transport.embedded import open_embedded_transport
from towpath._transport.grpc import GrpcTransport
from towpath.client._client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath._transport.base import Transport
    from towpath.settings import Settings


@contextmanager
def connect(settings: Settings) -> Iterator[Client]:
    """A client of the configured server, the one that runs on the home, or the local database.

    The local database first takes in what waits in the home's outboxes.

    Raises:
        TowpathError: The local database can't be opened.
    """
    with contextlib.closing(open_transport(settings)) as transport:
        if not server_address(settings):
            deliver_waiting(settings.home, transport, include_live=True)
        yield Client(transport)


def server_address(settings: Settings) -> str:
    """Address of the configured server or of the one on the home; empty when there is none."""
    if settings.server_address:
        return settings.server_address
    found = find_server(settings.home)
    return found.grpc if found else ""


def open_transport(settings: Settings) -> Transport:
    """A transport to where `connect` says."""
    address = server_address(settings)
    return GrpcTransport(address) if address else open_embedded_transport(settings.home)
