"""The rpcs of AccessService about roles and role bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towpath.api.v1 import access_service_pb2 as pb

from towpath_service.identity.domain.principals import BindingPlace, parse_named, parse_principal
from towpath_service.identity.rpc import convert_identity
from towpath_service.rpc.paging import page_of, read_page

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.identity.application.members import Members
    from towpath_service.identity.domain.principals import Binding, Principal


class RoleHandler:
    """Manages roles and their bindings."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    def __init__(self, members: Members) -> None:
        self._members = members

    async def list_roles(
        self, request: pb.ListRolesRequest, caller: Caller
    ) -> pb.ListRolesResponse:
        """Lists roles."""
        found, token = page_of(
            await self._members.roles(caller),
            caller,
            "ListRoles",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListRolesResponse(
            roles=map(convert_identity.to_role, found), next_page_token=token
        )

    async def create_role(
        self, request: pb.CreateRoleRequest, caller: Caller
    ) -> pb.CreateRoleResponse:
        """Makes a role."""
        made = await self._members.create_role(
            caller, request.role_id, request.display_name, request.permissions
        )
        return pb.CreateRoleResponse(role=convert_identity.to_role(made))

    async def delete_role(
        self, request: pb.DeleteRoleRequest, caller: Caller
    ) -> pb.DeleteRoleResponse:
        """Removes a role."""
        await self._members.delete_role(caller, request.name)
        return pb.DeleteRoleResponse()

    async def create_role_binding(
        self, request: pb.CreateRoleBindingRequest, caller: Caller
    ) -> pb.CreateRoleBindingResponse:
        """Grants a role."""
        binding, principal = await self._members.grant(
            caller, request.principal, request.role, request.workspace
        )
        return pb.CreateRoleBindingResponse(
            role_binding=convert_identity.to_binding(binding, principal)
        )

    async def list_role_bindings(
        self, request: pb.ListRoleBindingsRequest, caller: Caller
    ) -> pb.ListRoleBindingsResponse:
        """Lists role bindings."""
        found, token = await read_page(
            lambda after, limit: self._members.bindings(
                caller, request.principal, _binding_place(after), limit
            ),
            _by_binding,
            caller,
            f"ListRoleBindings/{request.principal}",
            parts=3,
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListRoleBindingsResponse(
            role_bindings=[convert_identity.to_binding(*pair) for pair in found],
            next_page_token=token,
        )

    async def delete_role_binding(
        self, request: pb.DeleteRoleBindingRequest, caller: Caller
    ) -> pb.DeleteRoleBindingResponse:
        """Revokes a role."""
        await self._members.revoke(caller, request.principal, request.role, request.workspace)
        return pb.DeleteRoleBindingResponse()

    async def test_permissions(
        self, request: pb.TestPermissionsRequest, caller: Caller
    ) -> pb.TestPermissionsResponse:
        """Returns those of the permissions that the caller has."""
        held = caller.access.tenant
        if request.workspace:
            held = caller.access.in_workspace(
                parse_named(request.workspace, "workspaces", "workspace")
            )
        return pb.TestPermissionsResponse(
            permissions=[name for name in request.permissions if name in held]
        )


def _by_binding(found: tuple[Binding, Principal]) -> tuple[str, ...]:
    binding, principal = found
    return principal.name, binding.role_id, binding.workspace_id


def _binding_place(after: tuple[str, ...]) -> BindingPlace | None:
    if not after:
        return None
    kind, handle = parse_principal(after[0], "page_token")
    return BindingPlace(kind, handle, *after[1:])
