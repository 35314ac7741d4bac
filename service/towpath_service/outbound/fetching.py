"""Fetches a small document from where a tenant says, and from nowhere else.

The name is resolved once, each of its addresses is checked, and the connection goes to one that
was: a name that means another address a moment later leads nowhere new. No redirects, no proxies,
no cookies; a document that is too large or too slow is given up.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from towpath_auth.foreign import AddressBlocked, checked_address

if TYPE_CHECKING:
    from collections.abc import Callable

STEP_SECONDS: Final = 5.0
"""Longest wait for a connection, and for each piece of an answer."""

WHOLE_SECONDS: Final = 10.0
MOST_BYTES: Final = 262_144
_CHUNK: Final = 16_384


class FetchFailed(Exception):
    """A document that can't be had; the text says why, for the log."""


def fetch(url: str, *, private: bool = False, clock: Callable[[], float] = time.monotonic) -> bytes:
    """The document at a URL.

    Args:
        url: https, or http.
        private: Whether addresses of this machine and of private networks are allowed.
        clock: Seconds that never go back.

    Raises:
        FetchFailed: It can't be had.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    deadline = clock() + WHOLE_SECONDS
    try:
        address = checked_address(host, port, allow_private=private, allow_loopback=private)
        connection = _Pinned(host, port, address, secure=secure)
        try:
            return _read(connection, parts.path or "/", lambda: clock() > deadline)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, AddressBlocked) as error:
        raise FetchFailed(f"{url}: {error}") from error


class _Pinned(http.client.HTTPConnection):
    """A connection to an address, under a name."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=STEP_SECONDS)
        self._address = address
        self._tls = ssl.create_default_context() if secure else None

    def connect(self) -> None:
        """Connects to the address, and speaks TLS with whoever has a certificate for the name."""
        plain = socket.create_connection((self._address, self.port), STEP_SECONDS)
        if self._tls is None:
            self.sock = plain
            return
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def _read(connection: _Pinned, path: str, is_late: Callable[[], bool]) -> bytes:
    connection.request("GET", path, headers={"accept": "application/json", "user-agent": "towpath"})
    answer = connection.getresponse()
    if answer.status != http.HTTPStatus.OK:
        raise http.client.HTTPException(f"it answers {answer.status}")
    content = b""
    while chunk := answer.read1(_CHUNK):
        content += chunk
        if len(content) > MOST_BYTES:
            raise http.client.HTTPException(f"it is larger than {MOST_BYTES} bytes")
        if is_late():
            raise http.client.HTTPException(f"it takes longer than {WHOLE_SECONDS:g} s")
    return content
