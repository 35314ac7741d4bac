"""Connections that take long."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from towpath._transport.grpc import GrpcTransport
from towpath.api.v1 import server_service_pb2
from towpath.exceptions import NotATowpathServer, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Generator

SHOWN = "towpath.api.v1.ServerService/GetServerInfo"
LATE = "connection attempt timed out before receiving SETTINGS frame"


class Failed(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        self._code, self._text = code, text

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._text

    def trailing_metadata(self) -> tuple[Any, ...]:
        return ()


@contextmanager
def silent_server() -> Generator[tuple[str, list[socket.socket]]]:
    """Takes connections and sends nothing."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            while True:
                try:
                    taken.append(listening.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", taken
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in taken:
        connection.close()


def test_a_server_that_is_slow_to_answer_is_given_time_on_its_first_connection() -> None:
    with silent_server() as (address, taken):
        transport = GrpcTransport(address)
        with pytest.raises(ServerUnreachable):
            transport.unary(SHOWN, server_service_pb2.GetServerInfoRequest(), timeout_seconds=1)
        transport.close()
    assert len(taken) == 1


def test_a_server_that_is_silent_is_away_and_not_another_kind() -> None:
    transport = GrpcTransport("127.0.0.1:1")
    silent = transport._converted(Failed(grpc.StatusCode.UNAVAILABLE, LATE))
    other = transport._converted(Failed(grpc.StatusCode.UNAVAILABLE, "HTTP status code 404"))
    transport.close()
    assert isinstance(silent, ServerUnreachable)
    assert "too busy" in str(silent)
    assert isinstance(other, NotATowpathServer)
