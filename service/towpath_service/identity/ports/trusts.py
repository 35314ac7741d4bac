"""The port of trusts in other issuers, which identity's storage implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import StoredTrust


class Trusts(Protocol):
    """The issuers that one tenant trusts."""

    def find(self, trust_id: str) -> StoredTrust | None:
        """A trust by its id."""
        ...

    def all(self) -> list[StoredTrust]:
        """All trusts, by id."""
        ...

    def add(self, trust: StoredTrust) -> bool:
        """Keeps a trust; False when its id is taken."""
        ...

    def remove(self, trust_id: str) -> bool:
        """Removes a trust; False when there is none."""
        ...
