"""Verifies tokens of other issuers; a slow issuer doesn't delay the tokens of another one.

Verification itself doesn't block. Where keys must be fetched first, a thread does that: one for an
issuer, and few for a tenant. Calls wait for it without holding a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from towpath_auth.foreign import ForeignVerifier, KeySource

from towpath_service.identity.issuers.fetching import WHOLE_SECONDS

if TYPE_CHECKING:
    from towpath_auth.foreign import ForeignIdentity, ForeignKey, Trust

MOST_FETCHES: Final = 16
MOST_OF_TENANT: Final = 2
_WAIT_SECONDS: Final = WHOLE_SECONDS + 1.0

_Place = tuple[str, str | None]


class Keys(KeySource, Protocol):
    """Keys that may have to be fetched."""

    def is_due(self, trust: Trust, kid: str) -> bool:
        """Whether the issuer must be asked before a key with this id is used or refused."""
        ...

    def holds(self, trust: Trust, kid: str) -> bool:
        """Whether a key with this id is known, however old it is."""
        ...

    def fetch(self, trust: Trust) -> None:
        """Fetches the issuer's keys and keeps them."""
        ...


class Issuers:
    """Verifies tokens of issuers that tenants trust; for one event loop."""

    def __init__(self, keys: Keys) -> None:
        """Takes the source of keys."""
        self._keys = keys
        self._held = ForeignVerifier(keys)
        self._fresh = ForeignVerifier(_Fresh(keys))
        self._under_way: dict[_Place, asyncio.Future[None]] = {}
        self._of_tenant: Counter[str] = Counter()

    async def verify(
        self, token: str, trust: Trust, now: float, *, tenant_id: str
    ) -> ForeignIdentity:
        """Verifies a token and returns the identity that it states.

        Raises:
            CredentialRefused: The trust doesn't accept the token.
            ServiceError: OVERLOADED: the issuer's keys can't be fetched now.
        """
        try:
            return await asyncio.to_thread(self._fresh.verify, token, trust, now)
        except _FetchDue as due:
            await self._fetched(trust, tenant_id, held=due.held)
        return await asyncio.to_thread(self._held.verify, token, trust, now)

    async def _fetched(self, trust: Trust, tenant_id: str, *, held: bool) -> None:
        """Waits for a fetch of an issuer's keys, unless too many run or a known key suffices."""
        place = trust.issuer, trust.jwks_uri
        under_way = self._under_way.get(place)
        if under_way is None:
            if self._is_full(tenant_id):
                return
            under_way = self._begin(place, trust, tenant_id)
        elif held:
            return
        # A cancelled wait doesn't cancel the fetch, which other calls wait for.
        await asyncio.wait([under_way], timeout=_WAIT_SECONDS)

    def _is_full(self, tenant_id: str) -> bool:
        return len(self._under_way) >= MOST_FETCHES or self._of_tenant[tenant_id] >= MOST_OF_TENANT

    def _begin(self, place: _Place, trust: Trust, tenant_id: str) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        under_way = self._under_way[place] = loop.create_future()
        self._of_tenant[tenant_id] += 1

        def ended() -> None:
            self._of_tenant -= Counter((tenant_id,))
            self._under_way.pop(place).set_result(None)

        def work() -> None:
            try:
                self._keys.fetch(trust)
            finally:
                # The loop may be closed by now.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(ended)

        # Daemon: a server that stops doesn't wait for an issuer.
        threading.Thread(target=work, name="towpath-issuer", daemon=True).start()
        return under_way


class _FetchDue(Exception):
    """Signals that keys must be fetched first."""

    def __init__(self, *, held: bool) -> None:
        super().__init__()
        self.held = held


class _Fresh:
    """Returns keys that need no fetch; raises `_FetchDue` for others."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def key(self, trust: Trust, kid: str, now: float) -> ForeignKey:
        if self._keys.is_due(trust, kid):
            raise _FetchDue(held=self._keys.holds(trust, kid))
        return self._keys.key(trust, kid, now)
