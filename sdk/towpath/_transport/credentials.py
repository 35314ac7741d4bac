"""Access tokens for calls, which are exchanged for a credential and renewed before they expire.

One thread at a time renews a token in the background once half of its life is over. The present
token is used until a new one is there, for as long as it is valid. Its life is measured by this
machine's monotonic clock, so that a wrong wall clock does no harm.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from towpath._threads import start
from towpath.exceptions import ConfigurationError, RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from towpath._transport.sources import Source

    Call = Callable[[str, Message], Message]

USED_UP: Final = frozenset({"CREDENTIAL_EXPIRED", "CREDENTIAL_REVOKED", "CREDENTIAL_INVALID"})
"""Reasons to refuse a token for good, while a new one from the current key may be valid."""
EXCHANGE_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 5.0
_EARLIEST, _LATEST = 0.5, 0.7


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: float
    ends_at: float


Answer = TypeVar("Answer")


def with_token(credentials: Credentials | None, call: Callable[[dict[str, str]], Answer]) -> Answer:
    """Makes a call with its metadata, and repeats it with a new token if the token is refused.

    The credential is read anew for the second call: the key may have been replaced and revoked.

    Args:
        credentials: Credentials of the caller; None for a call without any.
        call: Makes the call with metadata.
    """
    if credentials is None:
        return call({})
    carried = credentials.metadata()
    try:
        return call(carried)
    except RpcError as error:
        if error.reason not in USED_UP:
            raise
        credentials.drop(carried)
    return call(credentials.metadata())


class Credentials:
    """Makes the metadata that identifies the caller to a service; safe to use from any thread."""

    def __init__(
        self, source: Source, call: Call, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Exchanges nothing yet.

        Args:
            source: Source of tokens.
            call: Makes a unary call without credentials.
            clock: Monotonic clock, seconds.
        """
        self._source = source
        self._call = call
        self._clock = clock
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._renewing = False
        self._dropped = ""

    def __repr__(self) -> str:
        return "Credentials(***)"

    def metadata(self) -> dict[str, str]:
        """Returns the metadata for a call.

        Raises:
            RpcError: There is no valid token, and the service gives none now.
            ConfigurationError: The credential can't be read.
        """
        return {"authorization": f"Bearer {self.token()}"}

    def token(self) -> str:
        """Returns a valid access token; raises as `metadata`."""
        token, now = self._token, self._clock()
        if token is None or now >= token.ends_at:
            with self._lock:
                token = self._token
                if token is None or self._clock() >= token.ends_at:
                    token = self._exchange()
        elif now >= token.renew_at:
            self._renew()
        return token.text

    def drop(self, metadata: dict[str, str]) -> None:
        """Drops the token of a call, since the service refused it."""
        with self._lock:
            token = self._token
            if token is not None and metadata.get("authorization") == f"Bearer {token.text}":
                self._token = None
                self._dropped = token.text

    def _renew(self) -> None:
        with self._lock:
            if self._renewing:
                return
            self._renewing = True
        if not start(threading.Thread(target=self._renewed, name="towpath-token", daemon=True)):
            self._renewing = False

    def _renewed(self) -> None:
        try:
            self._exchange()
        except (RpcError, ConfigurationError):
            # The present token is still valid; the next call after a pause tries again.
            with self._lock:
                token = self._token
                if token is not None:
                    again = self._clock() + _RETRY_SECONDS
                    self._token = _Token(token.text, again, token.ends_at)
        finally:
            self._renewing = False

    def _exchange(self) -> _Token:
        began = self._clock()
        text, life = self._source.exchange(self._call, self._dropped)
        share = random.uniform(_EARLIEST, _LATEST)  # noqa: S311 - spreads load
        self._token = _Token(text, began + life * share, began + life)
        return self._token
