"""Limits on a tenant's use of the service, so that no tenant slows another one down.

Producers' reports have a budget of their own, which reads can't use up. Limits apply per replica:
the installation's default, or the value that the operator has set for the tenant.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from towpath_service.core.errors import ServiceError
from towpath_service.core.token_bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from towpath_auth import Caller

    from towpath_service.core.stored import Stored

Quota = Literal[
    "calls_per_second",
    "updates_per_second",
    "log_bytes_per_second",
    "open_streams",
    "open_watches",
    "queued_runs",
    "stored_bytes",
]

StreamQuota = Literal["open_streams", "open_watches"]

DEFAULTS: Final[Mapping[Quota, int]] = {
    "calls_per_second": 200,
    "updates_per_second": 20_000,
    "log_bytes_per_second": 10_000_000,
    "open_streams": 200,
    "open_watches": 100,
    "queued_runs": 100_000,
    "stored_bytes": 0,  # No limit.
}
SHARE_OF_WATCHES: Final = 5
"""Divisor of a tenant's watches that gives a principal's share, so that forgotten pages, or a
dashboard that opens watches in a loop, leave watches to other principals."""

LEAST_WATCHES: Final = 5
"""Least number of watches of a principal; a page of a run takes two or three."""

COSTS: Final[Mapping[str, float]] = {
    "read": 1,
    "write": 2,
    "list": 5,
    "search": 20,
    "exchange": 5,
    "report": 0,
}
BURST_SECONDS: Final[Mapping[Quota, float]] = {
    "calls_per_second": 5.0,
    "updates_per_second": 1.0,
    "log_bytes_per_second": 5.0,
}
MOST_TENANTS: Final = 10_000


@dataclass(slots=True)
class _Use:
    buckets: dict[Quota, Bucket] = field(default_factory=dict["Quota", Bucket])
    exchanges: Bucket | None = None
    """Apart from calls, so that reads can't keep a producer from its next token."""
    used: Counter[str] = field(default_factory=Counter[str])
    streams: Counter[str] = field(default_factory=Counter[str])
    """Open streams by quota; watches by principal, too."""

    def is_idle(self, now: float) -> bool:
        """Whether it can be forgotten without effect."""
        known = [*self.buckets.values(), *([] if self.exchanges is None else [self.exchanges])]
        return not self.streams.total() and all(bucket.is_full(now) for bucket in known)


class TenantLimits:
    """Counts the use of tenants, and refuses calls beyond their limits."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Starts without recorded use.

        Args:
            now: A clock in seconds that never goes back.
        """
        self._now = now
        self._uses: dict[str, _Use] = {}

    def admit(self, caller: Caller, cost: str) -> None:
        """Charges a tenant for a call.

        Raises:
            ServiceError: QUOTA_EXCEEDED, with the time to wait before the next call.
        """
        if caller.claims is None:
            return
        use = self._use(caller)
        if COSTS[cost]:
            self._take(use, caller, "calls_per_second", COSTS[cost])
        use.used["calls"] += 1

    def check_exchange(self, tenant_id: str) -> None:
        """Refuses an exchange of a tenant that made too many, before it uses up a credential.

        Raises:
            ServiceError: QUOTA_EXCEEDED, with the time to wait.
        """
        use = self._uses.get(tenant_id)
        if use is None or use.exchanges is None:
            return
        wait = use.exchanges.wait(self._now())
        if wait:
            use.used["refused"] += 1
            raise exceeded("calls_per_second", int(use.exchanges.rate), wait)

    def exchanged(self, caller: Caller) -> None:
        """Charges the tenant of an exchange, once the credential has shown it."""
        use, now = self._use(caller), self._now()
        rate = limit_of(caller, "calls_per_second")
        burst = rate * BURST_SECONDS["calls_per_second"]
        if use.exchanges is None:
            use.exchanges = Bucket.full(rate, burst, now)
        elif use.exchanges.rate != rate:
            use.exchanges.set_rate(rate, burst)
        use.exchanges.take(COSTS["exchange"], now)
        use.used["calls"] += 1

    def report(self, caller: Caller, quota: Quota, amount: float) -> None:
        """Charges a tenant for a producer's report.

        Raises:
            ServiceError: QUOTA_EXCEEDED, with the time to wait before it is sent again.
        """
        if caller.claims is None:
            return
        use = self._use(caller)
        self._take(use, caller, quota, amount)
        use.used[quota.removesuffix("_per_second")] += int(amount)

    def pace(self, caller: Caller, updates: int) -> float:
        """Charges a stream's updates; returns the seconds to wait before the next ones."""
        if caller.claims is None:
            return 0.0
        use = self._use(caller)
        use.used["updates"] += updates
        return self._bucket(use, caller, "updates_per_second").take(updates, self._now())

    @contextmanager
    def stream(self, caller: Caller, quota: StreamQuota) -> Generator[None]:
        """Counts a stream for as long as it is open.

        Args:
            caller: The caller that opened it.
            quota: The quota that it counts against; producers' streams and watches have one each.

        Raises:
            ServiceError: QUOTA_EXCEEDED: the tenant, or for watches the principal, has as many as
                it may.
        """
        if caller.claims is None:
            yield
            return
        use = self._use(caller)
        most: dict[str, int] = {quota: limit_of(caller, quota)}
        if quota == "open_watches":
            share = max(LEAST_WATCHES, most[quota] // SHARE_OF_WATCHES)
            most[caller.principal] = min(most[quota], share)
        for counted, limit in most.items():
            if use.streams[counted] >= limit:
                use.used["refused"] += 1
                raise exceeded(quota, limit, 1.0)
        use.streams.update(most.keys())
        try:
            yield
        finally:
            use.streams.subtract(most.keys())
            # Drops zeros, else an entry would stay for every principal that ever watched.
            use.streams += Counter()

    def usage(self, caller: Caller) -> dict[str, int]:
        """A tenant's use on this replica, by quota."""
        use = self._use(caller)
        names = ("calls", "updates", "log_bytes", "refused")
        return {
            **{name: use.used[name] for name in names},
            "streams": use.streams["open_streams"],
            "watches": use.streams["open_watches"],
        }

    def _take(self, use: _Use, caller: Caller, quota: Quota, units: float) -> None:
        bucket, now = self._bucket(use, caller, quota), self._now()
        wait = bucket.wait(now)
        if wait:
            use.used["refused"] += 1
            raise exceeded(quota, limit_of(caller, quota), wait)
        bucket.take(units, now)

    def _bucket(self, use: _Use, caller: Caller, quota: Quota) -> Bucket:
        rate = limit_of(caller, quota)
        bucket = use.buckets.get(quota)
        if bucket is None:
            bucket = Bucket.full(rate, rate * BURST_SECONDS[quota], self._now())
            use.buckets[quota] = bucket
        elif bucket.rate != rate:
            bucket.set_rate(rate, rate * BURST_SECONDS[quota])
        return bucket

    def _use(self, caller: Caller) -> _Use:
        use = self._uses.get(caller.tenant_id)
        if use is None:
            if len(self._uses) >= MOST_TENANTS:
                self._forget_idle()
            use = self._uses[caller.tenant_id] = _Use()
        return use

    def _forget_idle(self) -> None:
        now = self._now()
        self._uses = {
            tenant_id: use for tenant_id, use in self._uses.items() if not use.is_idle(now)
        }


def limit_of(caller: Caller, quota: Quota) -> int:
    """The limit of a caller's tenant for a quota."""
    return caller.quotas.get(quota) or DEFAULTS[quota]


def limits_storage(caller: Caller) -> bool:
    """Whether a caller's tenant has a storage limit."""
    return limit_of(caller, "stored_bytes") > 0


def storage_is_full(stored: Stored) -> ServiceError:
    """The error for writes beyond the storage limit; waiting alone doesn't help."""
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=(
            f"the tenant stores {stored.used:,} bytes and may store {stored.limit:,}: delete runs,"
            " keep them for less long, or ask the operator of this service for more"
        ),
        metadata={
            "quota": "stored_bytes",
            "limit": str(stored.limit),
            "used": str(stored.used),
        },
    )


def exceeded(quota: str, limit: int, wait: float) -> ServiceError:
    """The error for a call beyond a limit; there is room again after `wait` seconds."""
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=(
            f"over the limit of {limit:,} {quota}: try again in {max(1, round(wait))} s, or ask"
            " the operator of this service for more"
        ),
        metadata={"quota": quota, "limit": str(limit)},
        retry_after_seconds=max(0.1, wait),
    )
