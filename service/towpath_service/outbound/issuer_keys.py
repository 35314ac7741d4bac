"""Public keys of issuers, fetched when they are needed and kept for a while.

An issuer is asked once in five minutes, and for a key that it hasn't published at most once in
`AGAIN_SECONDS`: nobody makes this service call others by presenting tokens. While an issuer can't
be reached, the keys that it last had are good for a day.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from towpath_auth import CredentialRefused
from towpath_auth.foreign import TrustRefused, UploadedKeys, keys_of

from towpath_service.domain.errors import ServiceError
from towpath_service.outbound.fetching import FetchFailed, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towpath_auth.foreign import ForeignKey, Trust

FRESH_SECONDS: Final = 300.0
AGAIN_SECONDS: Final = 30.0
STALE_SECONDS: Final = 86_400.0
MOST_ISSUERS: Final = 1000
_DISCOVERY: Final = "/.well-known/openid-configuration"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    keys: Mapping[str, ForeignKey] = field(default_factory=dict[str, "ForeignKey"])
    fetched: float = float("-inf")
    tried: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class FetchedKeys:
    """Finds keys of issuers; for use by any number of threads."""

    def __init__(
        self,
        get: Callable[..., bytes] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Knows no issuer yet.

        Args:
            get: Fetches a document.
            clock: Seconds that never go back.
        """
        self._get = get
        self._clock = clock
        self._known: dict[tuple[str, str | None], _Known] = {}
        self._lock = threading.Lock()
        self._uploaded = UploadedKeys()

    def key(self, trust: Trust, kid: str, now: float) -> ForeignKey:
        """The issuer's key of this id.

        Raises:
            CredentialRefused: For a key that the issuer doesn't have.
            ServiceError: OVERLOADED: the issuer's keys can't be had now.
        """
        if trust.jwks is not None:
            return self._uploaded.key(trust, kid, now)
        known = self._of(trust)
        with known.lock:
            if self._is_due(known, kid):
                self._fetch(trust, known)
            if kid in known.keys:
                return known.keys[kid]
            if known.fetched == float("-inf"):
                raise _unreachable()
        raise CredentialRefused

    def _of(self, trust: Trust) -> _Known:
        with self._lock:
            if len(self._known) >= MOST_ISSUERS:
                self._known.clear()
            return self._known.setdefault((trust.issuer, trust.jwks_uri), _Known())

    def _is_due(self, known: _Known, kid: str) -> bool:
        now = self._clock()
        if now - known.tried < AGAIN_SECONDS:
            return False
        return kid not in known.keys or now - known.fetched >= FRESH_SECONDS

    def _fetch(self, trust: Trust, known: _Known) -> None:
        now = known.tried = self._clock()
        try:
            uri = trust.jwks_uri or self._discovered(trust)
            known.keys = keys_of(self._get(uri, private=trust.allow_private))
            known.fetched = now
        except (FetchFailed, TrustRefused) as error:
            _log.warning("keys of the issuer %s can't be had: %s", trust.issuer, error)
            if now - known.fetched >= STALE_SECONDS:
                known.keys, known.fetched = {}, float("-inf")

    def _discovered(self, trust: Trust) -> str:
        content = self._get(trust.issuer.rstrip("/") + _DISCOVERY, private=trust.allow_private)
        try:
            found: Any = json.loads(content)
            issuer, uri = found["issuer"], found["jwks_uri"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise TrustRefused("its discovery document names no issuer and jwks_uri") from error
        if issuer != trust.issuer or not isinstance(uri, str):
            raise TrustRefused("its discovery document is of another issuer")
        # A URL of theirs is held to what is asked of a tenant's.
        return replace(trust, jwks_uri=uri).jwks_uri or ""


def _unreachable() -> ServiceError:
    return ServiceError(
        reason="OVERLOADED",
        message="the issuer of this token can't be asked for its keys now: try again, or look"
        " whether its address is right with `towpath trust ls`",
        retry_after_seconds=AGAIN_SECONDS,
    )
