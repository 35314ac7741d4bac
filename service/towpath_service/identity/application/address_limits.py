"""Limits on unauthenticated calls, counted by the caller's address.

Many callers may share an address, behind a proxy or a NAT. A valid credential therefore always
passes, however many wrong ones come from its address. Wrong credentials are refused; once an
address has sent many, its credentials are checked one at a time.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from towpath_service.core.errors import ServiceError
from towpath_service.core.tenant_limits import COSTS, exceeded
from towpath_service.core.token_bucket import Bucket
from towpath_service.identity.domain.addresses import network_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

MOST_ADDRESSES: Final = 10_000
FAILURES_A_MINUTE: Final = 20.0
UNITS_A_SECOND: Final = 200.0
"""The budget of public calls, and of calls without a valid credential, per address."""

BURST_SECONDS: Final = 10.0
_MINUTE: Final = 60.0

Counted = TypeVar("Counted")


@dataclass(slots=True)
class _Failures:
    bucket: Bucket
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class AddressLimits:
    """Counts public calls and wrong credentials per address."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Starts with no address counted.

        Args:
            now: A clock in seconds that never goes back.
        """
        self._now = now
        self._failures: dict[str, _Failures] = {}
        self._calls: dict[str, Bucket] = {}

    def admit(self, address: str, cost: str) -> None:
        """Charges an address for a public call.

        Raises:
            ServiceError: QUOTA_EXCEEDED, with the time to wait before the next call.
        """
        network, now = network_of(address), self._now()
        self._calls = _pruned(self._calls, lambda bucket: bucket.is_full(now))
        bucket = self._calls.get(network)
        if bucket is None:
            full = Bucket.full(UNITS_A_SECOND, UNITS_A_SECOND * BURST_SECONDS, now)
            bucket = self._calls[network] = full
        wait = bucket.wait(now)
        if wait:
            raise exceeded("public_calls_per_second", int(UNITS_A_SECOND), wait)
        bucket.take(COSTS[cost], now)

    @asynccontextmanager
    async def proving(self, address: str) -> AsyncGenerator[None]:
        """Surrounds the check of a credential that is too long to be guessed.

        Raises:
            ServiceError: QUOTA_EXCEEDED in place of CREDENTIAL_INVALID, with the time to wait: too
                many wrong credentials came from the address. A valid one still passes.
        """
        known = self._failures.get(network_of(address))
        owes = known is not None and known.bucket.wait(self._now()) > 0
        async with known.turn if known is not None and owes else nullcontext():
            try:
                yield
            except ServiceError as error:
                if error.reason == "CREDENTIAL_INVALID":
                    self._fail(address, error)
                raise

    @contextmanager
    def guessing(self, address: str) -> Generator[None]:
        """Surrounds the check of a code that is short enough to be guessed.

        Raises:
            ServiceError: QUOTA_EXCEEDED, with the time to wait: too many wrong codes came.
        """
        known = self._failures.get(network_of(address))
        if known is not None:
            _check(known.bucket, self._now())
        try:
            yield
        except ServiceError as error:
            if error.reason == "RESOURCE_NOT_FOUND":
                self._fail(address, error)
            raise

    def _fail(self, address: str, error: ServiceError) -> None:
        """Counts a wrong credential; raises QUOTA_EXCEEDED when it is one too many."""
        now = self._now()
        self._failures = _pruned(self._failures, lambda known: known.bucket.is_full(now))
        network = network_of(address)
        known = self._failures.get(network)
        if known is None:
            rate = FAILURES_A_MINUTE / _MINUTE
            known = _Failures(Bucket.full(rate, FAILURES_A_MINUTE - 1, now))
            self._failures[network] = known
        try:
            _check(known.bucket, now)
        except ServiceError as refusal:
            raise refusal from error
        known.bucket.take(1, now)


def _pruned(counted: dict[str, Counted], is_idle: Callable[[Counted], bool]) -> dict[str, Counted]:
    """The counts with room for one more: without the idle ones, else without the oldest."""
    if len(counted) < MOST_ADDRESSES:
        return counted
    busy = [(key, value) for key, value in counted.items() if not is_idle(value)]
    return dict(busy[-(MOST_ADDRESSES // 2) :])


def _check(bucket: Bucket, now: float) -> None:
    wait = bucket.wait(now)
    if wait:
        raise exceeded("failed_credentials_per_minute", int(FAILURES_A_MINUTE), wait)
