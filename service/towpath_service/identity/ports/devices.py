"""The port of pending device logins, which identity's storage implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import WaitingDevice


class WaitingDevices(Protocol):
    """The devices whose login waits for approval."""

    def add(self, device: WaitingDevice) -> bool:
        """Keeps a device that waits; False when its codes are taken."""
        ...

    def forget(self, before_us: int) -> None:
        """Removes the devices that expired before a time; reads all devices."""
        ...

    def find(self, device_id: str) -> WaitingDevice | None:
        """A device by the public id of its device code."""
        ...

    def find_by_code(self, user_code: str) -> WaitingDevice | None:
        """A device by its user code."""
        ...

    def count_from(self, address: str, now_us: int) -> int:
        """The number of pending devices of an address; locks that count until the commit."""
        ...

    def note_poll(self, device_id: str, polled_us: int) -> None:
        """Writes when a device last polled."""
        ...

    def approve(self, device_id: str, tenant_id: str, credential_id: str) -> bool:
        """Writes the login of a device; False when it has one already, or is gone."""
        ...

    def remove(self, device_id: str) -> bool:
        """Removes a device; False when there is none."""
        ...
