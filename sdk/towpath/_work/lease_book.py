"""The leases that a worker has, from the grant until the service knows their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath._work.kinds.base import Handle
    from towpath._work.proof import RunEnd

NEVER: Final = float("inf")


@dataclass(slots=True)
class HeldLease:
    """A lease that the worker has. Times are by the loop's clock.

    Attributes:
        lease_id: The lease.
        run_id: Its run.
        name: The run, for people.
        handle: The run; None until it has started.
        end: How the run's process ended; None while it executes.
        told: The message about the end; None until it is worked out.
        cancel: Time to end by itself, in seconds, that a request to end allows; None without one.
        lost: Whether the lease is no longer this worker's: nothing of it is told.
        stop_failed: Whether the request to end could not be passed on, so that it is to be tried
            again.
        token_renewal: When its token is to be renewed.
        deliver_at: When to deliver what its processes left; never while that is under way.
        deliver_until: When the end is told even if that could not be delivered.
    """

    lease_id: str
    run_id: str
    name: str
    handle: Handle | None = None
    end: RunEnd | None = None
    told: Any = None
    cancel: float | None = None
    lost: bool = False
    stop_failed: bool = False
    token_renewal: float = NEVER
    deliver_at: float = NEVER
    deliver_until: float = NEVER

    @property
    def pid(self) -> int:
        """The run's process; 0 when there is none."""
        return 0 if self.handle is None else self.handle.pid or 0

    @property
    def executes(self) -> bool:
        """Whether its process has not ended, or is about to start."""
        return self.end is None and self.told is None


class LeaseBook:
    """Leases by id; used by the worker's loop alone."""

    def __init__(self) -> None:
        """Has no leases."""
        self._leases: dict[str, HeldLease] = {}

    def __iter__(self) -> Iterator[HeldLease]:
        return iter(list(self._leases.values()))

    def __len__(self) -> int:
        return len(self._leases)

    def get(self, lease_id: str) -> HeldLease | None:
        """Returns a lease; None when the worker hasn't it."""
        return self._leases.get(lease_id)

    def add(self, lease: HeldLease) -> bool:
        """Adds a lease; False when it is there already."""
        if lease.lease_id in self._leases:
            return False
        self._leases[lease.lease_id] = lease
        return True

    def remove(self, lease_id: str) -> HeldLease | None:
        """Removes a lease, and returns it."""
        return self._leases.pop(lease_id, None)

    @property
    def executing(self) -> int:
        """Number of leases whose process has not ended."""
        return sum(1 for lease in self._leases.values() if lease.executes)

    def held(self) -> dict[str, int]:
        """The process of each lease that is still the worker's; 0 for none."""
        return {lease.lease_id: lease.pid for lease in self._leases.values() if not lease.lost}

    def renewable(self) -> list[str]:
        """Ids of the leases that are to be renewed."""
        return [lease.lease_id for lease in self._leases.values() if not lease.lost]

    def with_old_tokens(self, now: float) -> list[str]:
        """Ids of the leases whose tokens are to be renewed."""
        return [
            lease.lease_id
            for lease in self._leases.values()
            if lease.token_renewal <= now and lease.told is None and not lease.lost
        ]

    def to_tell(self) -> list[Any]:
        """Messages about ends that the service doesn't know yet."""
        return [lease.told for lease in self._leases.values() if lease.told is not None]
