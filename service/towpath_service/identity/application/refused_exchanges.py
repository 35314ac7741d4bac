"""Writes refused key exchanges into the audit log of the tenant that has the key.

A flood must not fill the log: each pair of key and address gets at most one entry a minute. The
first refusal is written at once; those of the following minute are counted, and written as one
entry at its end. Beyond the first few addresses of a key, all others share one entry, which has no
address.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from towpath_auth.audit import AuditRecord

from towpath_service.identity.application.audit import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towpath_service.identity.application.audit import AuditTrail

ACTION: Final = "token.exchange_denied"
METHOD: Final = "towpath.api.v1.AuthService/ExchangeToken"
MINUTE_SECONDS: Final = 60.0
MOST_ADDRESSES: Final = 20
LOOK_SECONDS: Final = 1.0

_OUTCOMES: Final = {"TENANT_SUSPENDED": "PERMISSION_DENIED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A refused exchange of a tenant's key."""

    tenant_id: str
    key_id: str
    """The key's public id."""
    resource: str
    """The key's resource name."""
    actor: str
    """The key's owner if the whole key was right; else empty, as the sender is unknown."""
    reason: str
    """Name of an ErrorReason without its prefix."""
    address: str


@dataclass(slots=True)
class _Minute:
    until: float = 0.0
    latest: Denied | None = None
    """The refusal to write next: the last one with the whole key, or else the last one."""
    reasons: Counter[str] = field(default_factory=Counter[str])
    """Refusals that aren't written yet."""

    def add(self, denied: Denied) -> None:
        """Counts a refusal."""
        self.reasons[denied.reason] += 1
        if self.latest is None or denied.actor or not self.latest.actor:
            self.latest = denied


class RefusedExchanges:
    """Writes refused exchanges into audit logs."""

    def __init__(self, trail: AuditTrail, now: Callable[[], float] = time.monotonic) -> None:
        """Starts with no refusal counted.

        Args:
            trail: Writes the entries.
            now: A clock in seconds that never goes back.
        """
        self._trail = trail
        self._now = now
        self._minutes: dict[tuple[str, str], dict[str, _Minute]] = {}
        """By tenant and key, then by address."""

    async def note(self, denied: Denied) -> None:
        """Writes a refusal, or counts it when one like it was written less than a minute ago."""
        by_address = self._minutes.setdefault((denied.tenant_id, denied.key_id), {})
        known = denied.address in by_address or len(by_address) < MOST_ADDRESSES
        address = denied.address if known else ""
        minute = by_address.setdefault(address, _Minute())
        minute.add(denied)
        if self._now() >= minute.until:
            await self._write(minute, address)

    async def run(self) -> None:
        """Writes counted refusals periodically; never returns, and writes all when cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                await self.settle()
        except asyncio.CancelledError:
            await self.settle(all_=True)
            raise

    async def settle(self, *, all_: bool = False) -> None:
        """Writes the refusals of minutes that are over, or of all minutes."""
        for key, by_address in list(self._minutes.items()):
            for address, minute in list(by_address.items()):
                if not all_ and self._now() < minute.until:
                    continue
                if minute.latest:
                    await self._write(minute, address)
                else:
                    del by_address[address]
            if not by_address:
                self._minutes.pop(key, None)

    async def _write(self, minute: _Minute, address: str) -> None:
        latest, reasons, until = minute.latest, minute.reasons, minute.until
        assert latest is not None
        # Reset before the first wait, so that refusals during it are counted.
        minute.latest, minute.reasons = None, Counter()
        minute.until = self._now() + MINUTE_SECONDS
        record = _record(latest, address, reasons)
        try:
            await self._trail.write(Draft(record), outcome=record.outcome, reason=record.reason)
        except BaseException:
            minute.latest, minute.until = minute.latest or latest, until
            minute.reasons += reasons
            raise


def _record(denied: Denied, address: str, reasons: Mapping[str, int]) -> AuditRecord:
    return AuditRecord(
        tenant_id=denied.tenant_id,
        sequence=0,
        recorded_us=0,
        actor=denied.actor,
        credential_id=denied.key_id,
        action=ACTION,
        method=METHOD,
        resource=denied.resource,
        outcome=_OUTCOMES.get(denied.reason, "UNAUTHENTICATED"),
        reason=denied.reason,
        address=address,
        trace_id="",
        request=json.dumps({"times": sum(reasons.values()), "reasons": reasons}),
    )
