"""Users and service accounts, as identity needs them of a store."""

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
        """Some principals: the first ones above a handle, by handle."""
        ...

    def users_with(self, role_id: str, *, limit: int) -> list[Principal]:
        """Some of the users who have a role in the whole tenant, by handle."""
        ...

    def add(self, principal: Principal) -> bool:
        """Makes a principal; False when its handle is taken."""
        ...

    def remove(self, principal_id: str) -> None:
        """Removes a principal with its keys and roles."""
        ...
