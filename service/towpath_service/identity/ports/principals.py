"""The port of users and service accounts, which identity's storage implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import Principal, PrincipalKind


class Principals(Protocol):
    """The users and service accounts of one tenant."""

    def find(self, kind: PrincipalKind, handle: str) -> Principal | None:
        """A principal by its handle."""
        ...

    def page(self, kind: PrincipalKind | None, *, after: str = "", limit: int) -> list[Principal]:
        """A page of principals by handle: the first ones above `after`."""
        ...

    def users_with(self, role_id: str, *, limit: int) -> list[Principal]:
        """The first users, by handle, with a role in the whole tenant."""
        ...

    def add(self, principal: Principal) -> bool:
        """Makes a principal; False when its handle is taken."""
        ...

    def remove(self, principal_id: str) -> None:
        """Removes a principal with its keys and roles."""
        ...
