"""Notifications of telemetry about committed dispatch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.work.application.claiming import Claimed
    from towpath_service.work.domain.leases import Lease


class NoteClaimed(Protocol):
    """Takes what a claim came to."""

    def __call__(self, claimed: Claimed, began_us: int) -> None:
        """Takes a claim that is committed and handed over; must be quick, and raise nothing.

        Args:
            claimed: The claim, which may have granted nothing.
            began_us: When it began.
        """
        ...


class NoteExpired(Protocol):
    """Takes leases that have expired."""

    def __call__(self, leases: Sequence[Lease]) -> None:
        """Takes leases that have ended by silence; must be quick, and raise nothing."""
        ...


def no_claims(claimed: Claimed, began_us: int) -> None:
    """Takes claims where nothing is measured."""
    del claimed, began_us


def no_expired(leases: Sequence[Lease]) -> None:
    """Takes expired leases where nothing is measured."""
    del leases


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchNotes:
    """What takes the events of dispatch."""

    claimed: NoteClaimed = no_claims
    expired: NoteExpired = no_expired
