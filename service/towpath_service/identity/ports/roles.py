"""Roles and their bindings, as identity needs them of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import (
        Binding,
        BindingPlace,
        Principal,
        StoredRole,
    )


class Roles(Protocol):
    """The roles that one tenant has made."""

    def all(self) -> list[StoredRole]:
        """The tenant's own roles, by id."""
        ...

    def add(self, role: StoredRole) -> bool:
        """Makes a role; False when it is there."""
        ...

    def remove(self, role_id: str) -> bool:
        """Removes a role; False when there is none."""
        ...

    def is_held(self, role_id: str) -> bool:
        """Whether anybody has a role."""
        ...


class Bindings(Protocol):
    """Which principals of one tenant have which roles."""

    def all(self) -> list[Binding]:
        """Who has which role: all of it."""
        ...

    def of(self, principal_id: str) -> list[Binding]:
        """The roles of a principal."""
        ...

    def page(
        self, principal_id: str | None, *, after: BindingPlace | None, limit: int
    ) -> list[tuple[Binding, Principal]]:
        """Some of who has which role: by principal, role and workspace.

        Args:
            principal_id: Whose roles; None for everybody's.
            after: Only those that follow; None for the first ones.
            limit: Most to give.
        """
        ...

    def add(self, binding: Binding) -> None:
        """Gives a role; giving it again changes nothing."""
        ...

    def remove(self, principal_id: str, role_id: str, workspace_id: str) -> bool:
        """Takes a role away; False when it wasn't there."""
        ...
