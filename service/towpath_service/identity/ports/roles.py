"""The port of roles and their bindings, which identity's storage implements."""

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
    """The roles that one tenant has defined."""

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
        """Whether any principal has a role."""
        ...


class Bindings(Protocol):
    """The role bindings of one tenant."""

    def all(self) -> list[Binding]:
        """All role bindings of the tenant."""
        ...

    def of(self, principal_id: str) -> list[Binding]:
        """The role bindings of a principal."""
        ...

    def page(
        self, principal_id: str | None, *, after: BindingPlace | None, limit: int
    ) -> list[tuple[Binding, Principal]]:
        """A page of role bindings, ordered by principal, role and workspace.

        Args:
            principal_id: The principal; None for all principals.
            after: The place before the page; None for the first page.
            limit: Most bindings to return.
        """
        ...

    def add(self, binding: Binding) -> None:
        """Adds a binding; adding it again changes nothing."""
        ...

    def remove(self, principal_id: str, role_id: str, workspace_id: str) -> bool:
        """Removes a binding; False when there is none."""
        ...
