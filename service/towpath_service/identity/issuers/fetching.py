"""Fetches a small document from a URL that a tenant has configured; used by issuer_keys.

The host name is resolved once, each address is checked, and the connection goes to a checked
address: a later change of the name has no effect (no DNS rebinding). There are no redirects, no
proxies and no cookies. A fetch fails when the document is too large, or when its time is over,
whichever part arrives slowly: the handshake, a header, the size of a chunk.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from towpath_auth.foreign import AddressBlocked, checked_address

if TYPE_CHECKING:
    from collections.abc import Generator

STEP_SECONDS: Final = 5.0
"""Longest wait for a connection, and for each read of a response."""

WHOLE_SECONDS: Final = 10.0
"""Longest time of a fetch, from the first byte sent to the last byte read."""

MOST_BYTES: Final = 262_144
_CHUNK: Final = 16_384


class FetchFailed(Exception):
    """A document that can't be fetched; the text gives the reason, for the log."""


def fetch(url: str, *, private: bool = False, seconds: float = WHOLE_SECONDS) -> bytes:
    """Fetches the document at a URL.

    Args:
        url: https, or http.
        private: Whether addresses of this machine and of private networks are allowed.
        seconds: Longest time of the fetch, once the name is resolved.

    Raises:
        FetchFailed: The document can't be fetched.
    """
    try:
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        address = checked_address(host, port, allow_private=private, allow_loopback=private)
        connection = _Pinned(host, port, address, secure=secure)
        with _limited(connection, seconds):
            return _read(connection, parts.path or "/")
    except (OSError, ValueError, http.client.HTTPException, AddressBlocked) as error:
        raise FetchFailed(f"{url}: {error}") from error


class _Pinned(http.client.HTTPConnection):
    """A connection to a fixed address for a host name; another thread may cut it."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=STEP_SECONDS)
        self.late = False
        self._held: socket.socket | None = None
        self._address = address
        self._tls = ssl.create_default_context() if secure else None

    def connect(self) -> None:
        """Connects to the address; TLS verifies the certificate against the host name."""
        self._hold(socket.create_connection((self._address, self.port), STEP_SECONDS))
        if self._tls is not None:
            # The handshake comes last, so that `cut` can end it.
            secured = self._tls.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self._hold(secured)
            secured.do_handshake()

    def cut(self) -> None:
        """Ends the connection, and any wait on it."""
        self.late = True
        if self._held is not None:
            with suppress(OSError):
                # `shutdown` of the TLS socket would let the reading thread go on in plain text.
                socket.socket.shutdown(self._held, socket.SHUT_RDWR)

    def _hold(self, connected: socket.socket) -> None:
        # The base class drops the socket while the response is still being read.
        self.sock = self._held = connected
        if self.late:
            raise TimeoutError


@contextmanager
def _limited(connection: _Pinned, seconds: float) -> Generator[None]:
    """Cuts a connection when its time is over, and closes it."""
    timer = threading.Timer(max(seconds, 0.0), connection.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not connection.late:
            raise
    finally:
        timer.cancel()
        connection.close()
    # Without a length, a response that was cut looks complete.
    if connection.late:
        raise http.client.HTTPException(f"it takes longer than {seconds:g} s")


def _read(connection: _Pinned, path: str) -> bytes:
    connection.request("GET", path, headers={"accept": "application/json", "user-agent": "towpath"})
    answer = connection.getresponse()
    if answer.status != http.HTTPStatus.OK:
        raise http.client.HTTPException(f"it answers {answer.status}")
    content = b""
    while chunk := answer.read1(_CHUNK):
        content += chunk
        if len(content) > MOST_BYTES:
            raise http.client.HTTPException(f"it is larger than {MOST_BYTES} bytes")
    return content
