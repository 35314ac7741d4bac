"""Devices that wait for a login, as identity needs them of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import WaitingDevice


class WaitingDevices(Protocol):
    """The devices that wait for somebody to approve their login."""

    def add(self, device: WaitingDevice) -> bool:
        """Keeps a device that waits; False when its codes are taken."""
        ...

    def forget(self, before_us: int) -> None:
        """Removes the devices that ended before a time; looks at all that there are."""
        ...

    def find(self, device_id: str) -> WaitingDevice | None:
        """A device by the public id of its device code."""
        ...

    def find_by_code(self, user_code: str) -> WaitingDevice | None:
        """A device by its user code."""
        ...

    def count_from(self, address: str, now_us: int) -> int:
        """How many devices wait that began at an address; till this commits, no other counts."""
        ...

    def note_poll(self, device_id: str, polled_us: int) -> None:
        """Writes when a device last asked."""
        ...

    def approve(self, device_id: str, tenant_id: str, credential_id: str) -> bool:
        """Writes which login a device gets; False when it has one already, or is gone."""
        ...

    def remove(self, device_id: str) -> bool:
        """Forgets a device; False when there is none."""
        ...
