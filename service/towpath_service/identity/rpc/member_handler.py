"""The rpcs of AccessService about users and service accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from towpath.api.v1 import access_service_pb2 as pb

from towpath_service.identity.application.members import NewUser
from towpath_service.identity.rpc import convert_identity
from towpath_service.rpc.paging import read_page
from towpath_service.rpc.times import set_time

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.identity.application.members import Members
    from towpath_service.identity.domain.principals import Principal


class MemberHandler:
    """Manages users and service accounts."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    def __init__(self, members: Members) -> None:
        self._members = members

    async def create_user(
        self, request: pb.CreateUserRequest, caller: Caller
    ) -> pb.CreateUserResponse:
        """Makes a user."""
        made = await self._members.create_user(
            caller,
            NewUser(
                email=request.email,
                display_name=request.display_name,
                role=request.role,
                workspace=request.workspace,
                with_api_key=request.with_api_key,
            ),
        )
        answer = pb.CreateUserResponse(
            user=convert_identity.to_user(made.principal), api_key=made.api_key
        )
        if made.expires_us is not None:
            set_time(answer.api_key_expire_time, made.expires_us)
        return answer

    async def list_users(
        self, request: pb.ListUsersRequest, caller: Caller
    ) -> pb.ListUsersResponse:
        """Lists users."""
        found, token = await read_page(
            lambda after, limit: self._members.principals(caller, "user", *after, limit=limit),
            _by_handle,
            caller,
            "ListUsers",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListUsersResponse(
            users=map(convert_identity.to_user, found), next_page_token=token
        )

    async def delete_user(
        self, request: pb.DeleteUserRequest, caller: Caller
    ) -> pb.DeleteUserResponse:
        """Removes a user."""
        await self._members.delete_principal(caller, request.name, "user")
        return pb.DeleteUserResponse()

    async def create_service_account(
        self, request: pb.CreateServiceAccountRequest, caller: Caller
    ) -> pb.CreateServiceAccountResponse:
        """Makes a service account."""
        made = await self._members.create_service_account(
            caller,
            request.service_account_id,
            request.display_name,
            request.role,
            request.workspace,
        )
        return pb.CreateServiceAccountResponse(
            service_account=convert_identity.to_service_account(made)
        )

    async def list_service_accounts(
        self, request: pb.ListServiceAccountsRequest, caller: Caller
    ) -> pb.ListServiceAccountsResponse:
        """Lists service accounts."""
        found, token = await read_page(
            lambda after, limit: self._members.principals(
                caller, "service_account", *after, limit=limit
            ),
            _by_handle,
            caller,
            "ListServiceAccounts",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListServiceAccountsResponse(
            service_accounts=map(convert_identity.to_service_account, found), next_page_token=token
        )

    async def delete_service_account(
        self, request: pb.DeleteServiceAccountRequest, caller: Caller
    ) -> pb.DeleteServiceAccountResponse:
        """Removes a service account."""
        await self._members.delete_principal(caller, request.name, "service_account")
        return pb.DeleteServiceAccountResponse()


def _by_handle(principal: Principal) -> tuple[str, ...]:
    return (principal.handle,)
