"""Public keys of issuers, fetched when they are needed and kept for a while.

An issuer is asked once in five minutes, and for an unknown key at most once in `AGAIN_SECONDS`, so
that presented tokens can't make this service call others often. While an issuer can't be reached,
its last known keys stay valid for a day.
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

from towpath_service.core.errors import ServiceError
from towpath_service.identity.issuers.fetching import WHOLE_SECONDS, FetchFailed, fetch

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


class FetchedKeys:
    """Keys of issuers. Thread-safe; one thread at a time fetches from one issuer."""

    def __init__(
        self,
        get: Callable[..., bytes] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts with no keys.

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
        """The issuer's key with this id, among the known ones.

        Raises:
            CredentialRefused: For a key that the issuer doesn't have.
            ServiceError: OVERLOADED: the issuer's keys can't be fetched now.
        """
        if trust.jwks is not None:
            return self._uploaded.key(trust, kid, now)
        known = self._of(trust)
        if kid in known.keys:
            return known.keys[kid]
        if known.fetched == float("-inf"):
            raise _unreachable()
        raise CredentialRefused

    def is_due(self, trust: Trust, kid: str) -> bool:
        """Whether the issuer must be asked before a key with this id is used or refused."""
        if trust.jwks is not None:
            return False
        known, now = self._of(trust), self._clock()
        if now - known.tried < AGAIN_SECONDS:
            return False
        return kid not in known.keys or now - known.fetched >= FRESH_SECONDS

    def holds(self, trust: Trust, kid: str) -> bool:
        """Whether a key with this id is known, however old it is."""
        return kid in self._of(trust).keys

    def fetch(self, trust: Trust) -> None:
        """Fetches the issuer's keys and keeps them; takes at most `WHOLE_SECONDS`."""
        known, until = self._of(trust), self._clock() + WHOLE_SECONDS
        try:
            uri = trust.jwks_uri or self._discovered(trust, until)
            known.keys = keys_of(self._document(trust, uri, until))
            known.fetched = self._clock()
        except (FetchFailed, TrustRefused) as error:
            _log.warning("keys of the issuer %s can't be had: %s", trust.issuer, error)
            if self._clock() - known.fetched >= STALE_SECONDS:
                known.keys, known.fetched = {}, float("-inf")
        finally:
            known.tried = self._clock()

    def _of(self, trust: Trust) -> _Known:
        with self._lock:
            place = trust.issuer, trust.jwks_uri
            if place not in self._known and len(self._known) >= MOST_ISSUERS:
                self._known.pop(next(iter(self._known)))
            return self._known.setdefault(place, _Known())

    def _document(self, trust: Trust, uri: str, until: float) -> bytes:
        return self._get(uri, private=trust.allow_private, seconds=until - self._clock())

    def _discovered(self, trust: Trust, until: float) -> str:
        content = self._document(trust, trust.issuer.rstrip("/") + _DISCOVERY, until)
        try:
            found: Any = json.loads(content)
            issuer, uri = found["issuer"], found["jwks_uri"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise TrustRefused("its discovery document names no issuer and jwks_uri") from error
        if issuer != trust.issuer or not isinstance(uri, str):
            raise TrustRefused("its discovery document is of another issuer")
        # The issuer's URL must pass the same checks as a tenant's.
        return replace(trust, jwks_uri=uri).jwks_uri or ""


def _unreachable() -> ServiceError:
    return ServiceError(
        reason="OVERLOADED",
        message="the keys of this token's issuer can't be fetched now: try again, or check"
        " the issuer's address with `towpath trust ls`",
        retry_after_seconds=AGAIN_SECONDS,
    )
