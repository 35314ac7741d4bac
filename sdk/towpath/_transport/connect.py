"""A service over Connect, with the standard library: for forked children, where gRPC can't go."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from google.rpc import code_pb2, status_pb2

from towpath._telemetry.in_force import call_metadata
from towpath._transport.methods import response_type
from towpath._transport.statuses import to_rpc_error
from towpath.exceptions import NotATowpathServer, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from towpath.exceptions import RpcError


class ConnectTransport:
    """Unary calls over HTTP/1.1, a connection per call."""

    def __init__(self, web_address: str) -> None:
        """Connects on each call.

        Args:
            web_address: Base URL of the web port, "http://127.0.0.1:4201".
        """
        self._url = urlsplit(web_address)

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._url.netloc

    def unary(self, method: str, request: Message, *, timeout_seconds: float = 10.0) -> Message:
        """Calls a unary rpc and returns its answer."""
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._url.netloc, timeout=timeout_seconds)
        headers = {"Content-Type": "application/proto", "Connect-Protocol-Version": "1"}
        headers.update(call_metadata())
        try:
            connection.request("POST", f"/{method}", request.SerializeToString(), headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerUnreachable(
                f"no Towpath server answers at {self.address}: {error}", code="UNAVAILABLE"
            ) from error
        finally:
            connection.close()
        if response.status == http.HTTPStatus.OK:
            return response_type(method).FromString(body)
        raise self._error(body)

    def server_stream(
        self, method: str, request: Message, *, timeout_seconds: float | None = None
    ) -> Iterator[Message]:
        """Not for this transport: forked children report, they don't watch."""
        del method, request, timeout_seconds
        raise NotImplementedError("streams need gRPC")

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        """Not for this transport; see `server_stream`."""
        del method, requests
        raise NotImplementedError("streams need gRPC")

    def close(self) -> None:
        """Nothing is held."""

    def _error(self, body: bytes) -> RpcError:
        try:
            answer = json.loads(body)
            code = str(answer["code"]).upper().replace("CANCELED", "CANCELLED")
            status = status_pb2.Status(
                code=code_pb2.Code.Value(code), message=answer.get("message", "")
            )
        except (ValueError, KeyError, TypeError):
            return NotATowpathServer(
                f"{self.address} answers, but not as a Towpath server: check server.web_address"
            )
        return to_rpc_error(status, self.address)
