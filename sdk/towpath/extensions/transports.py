"""The interface of a transport to a service, its errors, and the discovery of a home's server."""

from __future__ import annotations

from towpath._transport.base import Transport
from towpath._transport.discovery import announce_server
from towpath._transport.statuses import to_rpc_error

__all__ = ["Transport", "announce_server", "to_rpc_error"]
