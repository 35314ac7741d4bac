"""Fetches a small document from where a tenant says, and from nowhere else.

The name is resolved once, each of its addresses is checked, and the connection goes to one that
was: a name that means another address a moment later leads nowhere new. No redirects, no proxies,
no cookies; a document that is too large is given up, and so is all of it once its time is over,
whatever it is that arrives slowly: the handshake, a header, the size of a chunk.
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
"""Longest wait for a connection, and for each piece of an answer."""

WHOLE_SECONDS: Final = 10.0
"""Longest that a document may take from the first byte sent to the last one read."""

MOST_BYTES: Final = 262_144
_CHUNK: Final = 16_384


class FetchFailed(Exception):
    """A document that can't be had; the text says why, for the log."""


def fetch(url: str, *, private: bool = False, seconds: float = WHOLE_SECONDS) -> bytes:
    """The document at a URL.

    Args:
        url: https, or http.
        private: Whether addresses of this machine and of private networks are allowed.
        seconds: Longest that it may take once its name is resolved.

    Raises:
        FetchFailed: It can't be had.
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
    """A connection to an address, under a name, that another thread may cut."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=STEP_SECONDS)
        self.late = False
        self._held: socket.socket | None = None
        self._address = address
        self._tls = ssl.create_default_context() if secure else None

    def connect(self) -> None:
        """Connects to the address, and speaks TLS with whoever has a certificate for the name."""
        self._hold(socket.create_connection((self._address, self.port), STEP_SECONDS))
        if self._tls is not None:
            # The handshake comes once there is something to cut.
            secured = self._tls.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self._hold(secured)
            secured.do_handshake()

    def cut(self) -> None:
        """Ends the connection, whatever is being waited for on it."""
        self.late = True
        if self._held is not None:
            with suppress(OSError):
                # The one of TLS would have another thread read on in plain text.
                socket.socket.shutdown(self._held, socket.SHUT_RDWR)

    def _hold(self, connected: socket.socket) -> None:
        # The base class lets go of a socket that is read from still.
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
    # Without a length, what was cut looks whole.
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
