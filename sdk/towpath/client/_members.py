"""Members of the caller's tenant: users, who are people, and service accounts, for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towpath.api.v1 import access_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import (
    last_segment,
    principal_name,
    role_name,
    to_optional_time,
    to_time,
    workspace_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who is a member of the tenant."""

    email: str
    """E-mail address in lower case, unique in the tenant."""
    uid: str
    """Its id in tokens, a UUID."""
    name: str
    """Name to show."""
    created: datetime

    @property
    def principal(self) -> str:
        """The resource name, "users/{email}"."""
        return f"users/{self.email}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user as created, with a first API key if one was asked for."""

    user: User
    api_key: str = field(repr=False)
    """The API key, which no later answer has; empty when none was asked for."""
    api_key_expires: datetime | None
    """When that key expires; None for no key, or for one that never does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A program that calls the service."""

    id: str
    """Its id, "nightly-etl"."""
    uid: str
    """Its id in tokens, a UUID."""
    name: str
    """Name to show."""
    created: datetime

    @property
    def principal(self) -> str:
        """The resource name, "serviceAccounts/{id}"."""
        return f"serviceAccounts/{self.id}"


class Users(Subject):
    """Creates, lists and deletes users.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(
        self,
        email: str,
        *,
        name: str = "",
        role: str | None = None,
        workspace: str | None = None,
        with_api_key: bool = False,
    ) -> NewUser:
        """Creates a user.

        Args:
            email: E-mail address; kept in lower case.
            name: Name to show, at most 255 characters.
            role: Id of the user's first role; None for "member".
            workspace: Id of the workspace that the role holds in; None for all.
            with_api_key: Create a first API key, too.

        Returns:
            The user, with the key if one was asked for.

        Raises:
            Conflict: A user has this address.
            NotFound: No such role or workspace.
            NotSignedIn: The role permits more than the caller may do.
        """
        request = pb.CreateUserRequest(
            email=email,
            display_name=name,
            role=role_name(role),
            workspace=workspace_name(workspace),
            with_api_key=with_api_key,
        )
        answer = self._calls.unary("AccessService/CreateUser", request, pb.CreateUserResponse)
        return NewUser(
            user=_convert_user(answer.user),
            api_key=answer.api_key,
            api_key_expires=to_optional_time(answer, "api_key_expire_time"),
        )

    def list(self) -> Iterator[User]:
        """Lists users by e-mail address.

        Returns:
            The users, fetched page by page.
        """
        request = pb.ListUsersRequest(page_size=PAGE)
        for page in self._calls.pages("AccessService/ListUsers", request, pb.ListUsersResponse):
            yield from map(_convert_user, page.users)

    def delete(self, user: str) -> None:
        """Deletes a user with their keys, logins and roles.

        Args:
            user: E-mail address or resource name.

        Raises:
            NotFound: No user has this address.
            Conflict: The tenant would have no owner left.
        """
        request = pb.DeleteUserRequest(name=principal_name(user))
        self._calls.unary("AccessService/DeleteUser", request, pb.DeleteUserResponse)


class ServiceAccounts(Subject):
    """Creates, lists and deletes service accounts.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(
        self,
        id_: str,
        *,
        name: str = "",
        role: str | None = None,
        workspace: str | None = None,
    ) -> ServiceAccount:
        """Creates a service account.

        Args:
            id_: Id of the new service account: 1 to 63 of a-z, 0-9 and -.
            name: Name to show, at most 255 characters.
            role: Id of its first role; None for none.
            workspace: Id of the workspace that the role holds in; None for all.

        Returns:
            The service account as created.

        Raises:
            Conflict: A service account has this id.
            NotFound: No such role or workspace.
            NotSignedIn: The role permits more than the caller may do.
        """
        request = pb.CreateServiceAccountRequest(
            service_account_id=id_,
            display_name=name,
            role=role_name(role),
            workspace=workspace_name(workspace),
        )
        answer = self._calls.unary(
            "AccessService/CreateServiceAccount", request, pb.CreateServiceAccountResponse
        )
        return _convert_service_account(answer.service_account)

    def list(self) -> Iterator[ServiceAccount]:
        """Lists service accounts by id.

        Returns:
            The service accounts, fetched page by page.
        """
        request = pb.ListServiceAccountsRequest(page_size=PAGE)
        for page in self._calls.pages(
            "AccessService/ListServiceAccounts", request, pb.ListServiceAccountsResponse
        ):
            yield from map(_convert_service_account, page.service_accounts)

    def delete(self, account: str) -> None:
        """Deletes a service account with its keys and roles.

        Args:
            account: Id or resource name.

        Raises:
            NotFound: No service account has this id.
        """
        request = pb.DeleteServiceAccountRequest(name=principal_name(account))
        self._calls.unary(
            "AccessService/DeleteServiceAccount", request, pb.DeleteServiceAccountResponse
        )


def _convert_user(message: pb.User) -> User:
    return User(
        email=last_segment(message.name),
        uid=message.uid,
        name=message.display_name,
        created=to_time(message.create_time),
    )


def _convert_service_account(message: pb.ServiceAccount) -> ServiceAccount:
    return ServiceAccount(
        id=last_segment(message.name),
        uid=message.uid,
        name=message.display_name,
        created=to_time(message.create_time),
    )
