"""Roles, and the principals that have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath.api.v1 import access_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import (
    last_segment,
    principal_name,
    role_name,
    to_time,
    workspace_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A set of permissions."""

    id: str
    """Its id, "viewer"."""
    name: str
    """Name to show."""
    permissions: tuple[str, ...]
    """Such as "run.read"."""
    built_in: bool
    """Whether the service defines it; such a role can't be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleBinding:
    """A role that a principal has."""

    role: str
    """Id of the role."""
    principal: str
    """"users/{email}" or "serviceAccounts/{id}"."""
    workspace: str
    """Id of the workspace that it holds in; empty for all workspaces and the tenant itself."""
    creator: str
    """The principal that granted it."""
    created: datetime


class Roles(Subject):
    """Creates, lists and deletes roles; grants and revokes them.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(self, id_: str, permissions: Iterable[str], *, name: str = "") -> Role:
        """Creates a custom role.

        Args:
            id_: Id of the new role: 1 to 63 of a-z, 0-9 and -.
            permissions: Permissions of the role; the caller must have them all.
            name: Name to show, at most 255 characters.

        Returns:
            The role as created.

        Raises:
            Conflict: A role has this id.
            NotSignedIn: The caller lacks one of the permissions.
        """
        request = pb.CreateRoleRequest(role_id=id_, permissions=permissions, display_name=name)
        answer = self._calls.unary("AccessService/CreateRole", request, pb.CreateRoleResponse)
        return _convert_role(answer.role)

    def list(self) -> Iterator[Role]:
        """Lists the roles, built in and custom.

        Returns:
            The roles, fetched page by page.
        """
        request = pb.ListRolesRequest(page_size=PAGE)
        for page in self._calls.pages("AccessService/ListRoles", request, pb.ListRolesResponse):
            yield from map(_convert_role, page.roles)

    def delete(self, role: str) -> None:
        """Deletes a custom role.

        Args:
            role: Its id.

        Raises:
            NotFound: No role has this id.
            Conflict: The role is built in, or a principal has it.
        """
        request = pb.DeleteRoleRequest(name=role_name(role))
        self._calls.unary("AccessService/DeleteRole", request, pb.DeleteRoleResponse)

    def grant(self, principal: str, role: str, *, workspace: str | None = None) -> RoleBinding:
        """Grants a role to a principal; without effect when the principal has it.

        Args:
            principal: E-mail address, id of a service account, or resource name.
            role: Id of the role.
            workspace: Id of the workspace that it holds in; None for all.

        Returns:
            The binding as it is now.

        Raises:
            NotFound: No such principal, role or workspace.
            NotSignedIn: The role permits more than the caller may do.
        """
        request = pb.CreateRoleBindingRequest(
            principal=principal_name(principal),
            role=role_name(role),
            workspace=workspace_name(workspace),
        )
        answer = self._calls.unary(
            "AccessService/CreateRoleBinding", request, pb.CreateRoleBindingResponse
        )
        return _convert_binding(answer.role_binding)

    def revoke(self, principal: str, role: str, *, workspace: str | None = None) -> None:
        """Takes a role from a principal.

        Args:
            principal: E-mail address, id of a service account, or resource name.
            role: Id of the role.
            workspace: Id of the workspace that it holds in; None for all.

        Raises:
            NotFound: The principal doesn't have the role there.
            Conflict: The tenant would have no owner left.
        """
        request = pb.DeleteRoleBindingRequest(
            principal=principal_name(principal),
            role=role_name(role),
            workspace=workspace_name(workspace),
        )
        self._calls.unary("AccessService/DeleteRoleBinding", request, pb.DeleteRoleBindingResponse)

    def bindings(self, principal: str | None = None) -> Iterator[RoleBinding]:
        """Lists the roles that principals have.

        Args:
            principal: E-mail address, id of a service account, or resource name; None for all.

        Returns:
            The bindings, fetched page by page.
        """
        request = pb.ListRoleBindingsRequest(principal=principal_name(principal), page_size=PAGE)
        for page in self._calls.pages(
            "AccessService/ListRoleBindings", request, pb.ListRoleBindingsResponse
        ):
            yield from map(_convert_binding, page.role_bindings)


def _convert_role(message: pb.Role) -> Role:
    return Role(
        id=last_segment(message.name),
        name=message.display_name,
        permissions=tuple(message.permissions),
        built_in=message.built_in,
    )


def _convert_binding(message: pb.RoleBinding) -> RoleBinding:
    return RoleBinding(
        role=last_segment(message.role),
        principal=message.principal,
        workspace=last_segment(message.workspace),
        creator=message.creator,
        created=to_time(message.create_time),
    )
