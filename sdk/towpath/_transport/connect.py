"""Calls a service over Connect with the standard library, for forked children, where gRPC fails."""

from __future__ import annotations

import base64
import http.client
import json
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from google.rpc import code_pb2, status_pb2

from towpath._telemetry.switch import call_metadata
from towpath._transport.credentials import EXCHANGE_SECONDS, Credentials, with_token
from towpath._transport.methods import response_type
from towpath._transport.security import Tls, tls_trouble
from towpath._transport.statuses import to_rpc_error
from towpath.exceptions import NotATowpathServer, RpcError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from towpath._transport.sources import Source


class ConnectTransport:
    """Unary calls over HTTP/1.1, a connection per call."""

    def __init__(
        self, web_address: str, *, tls: Tls | None = None, source: Source | None = None
    ) -> None:
        """Connects on each call.

        Args:
            web_address: Base URL of the web port, "http://127.0.0.1:4201".
            tls: Files for TLS; None for the defaults of an https URL, or for plain text.
            source: Source of access tokens; None for calls without credentials.
        """
        self._url = urlsplit(web_address)
        self._tls = tls
        self._credentials = None if source is None else Credentials(source, self._exchange)

    @property
    def address(self) -> str:
        """The server's address."""
        return self._url.netloc

    def unary(self, method: str, request: Message, *, timeout_seconds: float = 10.0) -> Message:
        """Calls a unary rpc and returns its answer."""
        return with_token(self._credentials, partial(self._unary, method, request, timeout_seconds))

    def _exchange(self, method: str, request: Message) -> Message:
        return self._unary(method, request, EXCHANGE_SECONDS, {})

    def _unary(
        self, method: str, request: Message, timeout_seconds: float, carried: dict[str, str]
    ) -> Message:
        connection = self._connection(timeout_seconds)
        headers = {"Content-Type": "application/proto", "Connect-Protocol-Version": "1"}
        headers.update(call_metadata())
        headers.update(carried)
        try:
            connection.request("POST", f"/{method}", request.SerializeToString(), headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            if why := tls_trouble(str(error), secure=self._url.scheme == "https"):
                raise NotATowpathServer(f"{self.address}: {why}", code="UNAVAILABLE") from error
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
        """Raises NotImplementedError: forked children report, and don't watch."""
        del method, request, timeout_seconds
        raise NotImplementedError("streams need gRPC")

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        """Raises NotImplementedError, as `server_stream` does."""
        del method, requests
        raise NotImplementedError("streams need gRPC")

    def close(self) -> None:
        """Does nothing: each call has its own connection."""

    def _connection(self, timeout_seconds: float) -> http.client.HTTPConnection:
        if self._url.scheme != "https":
            return http.client.HTTPConnection(self._url.netloc, timeout=timeout_seconds)
        context = (self._tls or Tls()).context()
        return http.client.HTTPSConnection(
            self._url.netloc, timeout=timeout_seconds, context=context
        )

    def _error(self, body: bytes) -> RpcError:
        try:
            answer = json.loads(body)
            code = str(answer["code"]).upper().replace("CANCELED", "CANCELLED")
            status = status_pb2.Status(
                code=code_pb2.Code.Value(code), message=answer.get("message", "")
            )
            for detail in answer.get("details", ()):
                packed = status.details.add(type_url=f"type.googleapis.com/{detail['type']}")
                packed.value = base64.b64decode(detail["value"] + "==")
        except (ValueError, KeyError, TypeError):
            return NotATowpathServer(
                f"{self.address} answers, but not as a Towpath server: check server.web_address"
            )
        return to_rpc_error(status, self.address)
