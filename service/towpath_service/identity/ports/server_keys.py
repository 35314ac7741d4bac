"""The port of the service's own secrets, which identity's storage implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import ServerKey


class ServerKeyRecords(Protocol):
    """The service's own secrets, sealed."""

    def all(self) -> list[ServerKey]:
        """The service's own secrets, oldest first."""
        ...

    def add(self, key: ServerKey) -> None:
        """Keeps a secret."""
        ...

    def change(self, key: ServerKey) -> None:
        """Overwrites a secret: sealed differently, or with other times."""
        ...

    def remove(self, key: ServerKey) -> None:
        """Removes a secret."""
        ...

    def peppers_in_use(self, now_us: int) -> set[int]:
        """Pepper versions under which a valid API key or device is hashed."""
        ...

    def oldest_login_us(self, now_us: int) -> int | None:
        """When the oldest login valid at a time was made; None when there is none."""
        ...
