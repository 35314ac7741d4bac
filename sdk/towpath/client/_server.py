"""The service itself: its version and features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath.api.v1 import server_service_pb2 as pb
from towpath.client._convert import to_time

if TYPE_CHECKING:
    from datetime import datetime

    from towpath.client._calls import Calls


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """A service's version and features."""

    version: str
    features: tuple[str, ...]
    minimum_client_version: str
    """Oldest version of clients that it works with; empty for any."""
    notice: str
    """Message of its operator; empty for none."""
    time: datetime
    """The service's clock."""


def fetch_server_info(calls: Calls, *, timeout_seconds: float) -> ServerInfo:
    """Asks a service for its version and features.

    Args:
        calls: The connection.
        timeout_seconds: Longest wait.
    """
    answer = calls.unary(
        "ServerService/GetServerInfo",
        pb.GetServerInfoRequest(client="towpath-python"),
        pb.GetServerInfoResponse,
        timeout_seconds=timeout_seconds,
    )
    return _convert_server_info(answer)


def _convert_server_info(message: pb.GetServerInfoResponse) -> ServerInfo:
    return ServerInfo(
        version=message.version,
        features=tuple(message.features),
        minimum_client_version=message.minimum_client_version,
        notice=message.notice,
        time=to_time(message.server_time),
    )
