"""Opens the service that settings name: a configured server, or the one on the home.

Without a server, the service runs embedded in this process on the home's own database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._forks import generation
from towpath._transport.discovery import find_server
from towpath._transport.embedded import open_embedded_transport
from towpath._transport.opening import open_connect, open_grpc
from towpath.exceptions import ServerUnreachable

if TYPE_CHECKING:
    from towpath._settings.declared import Settings
    from towpath._transport.base import Transport


def server_address(settings: Settings) -> str:
    """Returns the address of the configured server, or of the home's; empty without both."""
    if settings.server_address:
        return settings.server_address
    found = find_server(settings.home)
    return found.grpc if found else ""


def open_server(settings: Settings) -> Transport:
    """Opens a transport to the server of the settings, or to the one on the home; never embedded.

    Args:
        settings: The current settings.

    Raises:
        ConfigurationError: A setting is wrong.
        ServerUnreachable: No server is configured, and none runs on the home.
    """
    address = server_address(settings)
    if not address:
        raise ServerUnreachable(
            f"no server runs on the home {settings.home}: start it with `towpath server start`,"
            " or set `server.address`",
            code="UNAVAILABLE",
        )
    return open_grpc(settings, address)


def open_transport(settings: Settings, *, anonymous: bool = False) -> Transport:
    """Opens a transport to the server of the settings, or to the local database.

    Args:
        settings: The current settings.
        anonymous: Send no credentials.

    Raises:
        ConfigurationError: A setting is wrong, or the service isn't installed.
        RpcError: The local database can't be opened.
    """
    address = server_address(settings)
    if not address:
        return open_embedded_transport(settings.home)
    return open_grpc(settings, address, anonymous=anonymous)


def open_for_code(settings: Settings) -> Transport:
    """Opens a transport for users' code, which may have been forked: gRPC can't go into children.

    Args:
        settings: The current settings.

    Raises:
        ConfigurationError: A setting is wrong, or the service isn't installed.
        RpcError: The local database can't be opened.
    """
    if generation():
        found = find_server(settings.home)
        web_address = settings.server_web_address or (found.web if found else "")
        if web_address:
            return open_connect(settings, web_address)
    return open_transport(settings)
