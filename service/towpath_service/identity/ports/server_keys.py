"""The service's own secrets, as identity needs them of a store."""

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
        """Writes a secret anew: sealed differently, or with other times."""
        ...

    def remove(self, key: ServerKey) -> None:
        """Forgets a secret."""
        ...

    def peppers_in_use(self, now_us: int) -> set[int]:
        """Versions of the pepper that an API key or a device is hashed under which holds."""
        ...

    def oldest_login_us(self, now_us: int) -> int | None:
        """When the first of the logins was made that hold at a time; None when there is none."""
        ...
