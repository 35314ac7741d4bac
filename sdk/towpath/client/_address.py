"""The server that a process calls; apart from connecting, which loads gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._transport.discovery import find_server

if TYPE_CHECKING:
    from towpath.settings import Settings


def server_address(settings: Settings) -> str:
    """Address of the configured server or of the one on the home; empty when there is none."""
    if settings.server_address:
        return settings.server_address
    found = find_server(settings.home)
    return found.grpc if found else ""
