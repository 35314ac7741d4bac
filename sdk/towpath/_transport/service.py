"""The service that settings point to: a configured server, the one on the home, or none.

Without a server, the service runs embedded in this process on the home's own database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._transport.discovery import find_server
from towpath._transport.embedded import open_embedded_transport
from towpath._transport.opening import open_grpc

if TYPE_CHECKING:
    from towpath._settings.declared import Settings
    from towpath._transport.base import Transport


def server_address(settings: Settings) -> str:
    """Address of the configured server or of the one on the home; empty when there is none."""
    if settings.server_address:
        return settings.server_address
    found = find_server(settings.home)
    return found.grpc if found else ""


def open_transport(settings: Settings, *, anonymous: bool = False) -> Transport:
    """A transport to the server of the settings, or to the local database.

    Args:
        settings: Those in force.
        anonymous: Bring nothing that proves who calls.

    Raises:
        ConfigurationError: A setting is wrong, or the service isn't installed.
        RpcError: The local database can't be opened.
    """
    address = server_address(settings)
    if not address:
        return open_embedded_transport(settings.home)
    return open_grpc(settings, address, anonymous=anonymous)
