"""Verifies tokens of other issuers beside the event loop, since finding a key may mean waiting."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from towpath_auth.foreign import ForeignVerifier

if TYPE_CHECKING:
    from towpath_auth.foreign import Identity, KeySource, Trust

# A slow issuer holds one of these, and nothing else of the service.
_THREADS: Final = 4


class Issuers:
    """Verifies tokens of issuers that tenants trust."""

    def __init__(self, keys: KeySource) -> None:
        """Takes keys from the source."""
        self._verifier = ForeignVerifier(keys)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="towpath-issuers")

    async def verify(self, token: str, trust: Trust, now: float) -> Identity:
        """Who a token says is calling.

        Raises:
            CredentialRefused: It isn't one that the trust accepts.
            ServiceError: OVERLOADED: the issuer's keys can't be had now.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._verifier.verify, token, trust, now)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
