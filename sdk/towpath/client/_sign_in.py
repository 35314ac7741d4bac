"""Logins: of people by an issuer, and of devices by a code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towpath.api.v1 import auth_service_pb2 as pb
from towpath.client._calls import Subject
from towpath.client._convert import to_time

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInOptions:
    """Where the people of a tenant sign in."""

    issuer: str
    """URL of the OpenID Connect issuer; empty for none."""
    client_id: str
    """Id of the public client that the command line is to the issuer."""
    scopes: tuple[str, ...]
    """Scopes to ask the issuer for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSignIn:
    """A login that a device has begun, and that waits for approval."""

    device_code: str = field(repr=False)
    """Secret that the device exchanges for tokens."""
    user_code: str
    """Code that a person types elsewhere."""
    expires_in_seconds: int
    """Time until both codes are void."""
    interval_seconds: int
    """Shortest pause between two exchanges of the device code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSignIn:
    """A login that waits for approval, as the person who approves sees it."""

    client_name: str
    """What the device calls itself."""
    client_address: str
    """Address that the login was begun from."""
    created: datetime
    """When the login was begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login that has succeeded."""

    principal: str
    """The principal that is signed in."""
    refresh_token: str = field(repr=False)
    """Secret that makes further access tokens, each once."""
    access_token: str = field(repr=False)
    """Token to call the service with."""
    expires_in_seconds: float
    """Time until the access token expires."""


class SignIns(Subject):
    """Signs people in, by an issuer or by a device.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def options(self, tenant: str = "") -> SignInOptions:
        """Returns where the people of a tenant sign in.

        Args:
            tenant: Id of the tenant; empty for the first one.

        Returns:
            The options; without an issuer for a tenant that has none, or that doesn't exist.
        """
        answer = self._calls.unary(
            "AuthService/GetSignInOptions",
            pb.GetSignInOptionsRequest(tenant=tenant),
            pb.GetSignInOptionsResponse,
        )
        return SignInOptions(
            issuer=answer.issuer, client_id=answer.client_id, scopes=tuple(answer.scopes)
        )

    def exchange_id_token(self, id_token: str, *, tenant: str = "") -> Login:
        """Signs in with a token of the tenant's issuer.

        Args:
            id_token: The token, at most 5 minutes old.
            tenant: Id of the tenant that trusts the issuer; empty for the first one.

        Returns:
            The login.

        Raises:
            NotSignedIn: The tenant doesn't admit the token.
        """
        return self._exchange(pb.ExchangeTokenRequest(id_token=id_token, tenant=tenant))

    def start_device(self, client_name: str) -> DeviceSignIn:
        """Begins a login on a device without a browser.

        Args:
            client_name: What to show to the person who approves, at most 100 characters.

        Returns:
            The codes of the login.
        """
        answer = self._calls.unary(
            "AuthService/StartDeviceSignIn",
            pb.StartDeviceSignInRequest(client_name=client_name),
            pb.StartDeviceSignInResponse,
        )
        return DeviceSignIn(
            device_code=answer.device_code,
            user_code=answer.user_code,
            expires_in_seconds=answer.expires_in.seconds,
            interval_seconds=answer.interval.seconds,
        )

    def exchange_device_code(self, device_code: str) -> Login:
        """Signs a device in once a person has approved its login.

        Args:
            device_code: Of `start_device`.

        Returns:
            The login.

        Raises:
            Conflict: The login waits for approval (`reason` is SIGN_IN_PENDING), or has expired.
        """
        return self._exchange(pb.ExchangeTokenRequest(device_code=device_code))

    def waiting_device(self, user_code: str) -> WaitingSignIn:
        """Returns where a login that waits for approval was begun.

        Args:
            user_code: The code that the device shows; case and dashes don't matter.

        Raises:
            NotFound: No login waits for this code.
        """
        answer = self._calls.unary(
            "AuthService/GetDeviceSignIn",
            pb.GetDeviceSignInRequest(user_code=user_code),
            pb.GetDeviceSignInResponse,
        )
        return WaitingSignIn(
            client_name=answer.client_name,
            client_address=answer.client_address,
            created=to_time(answer.create_time),
        )

    def approve_device(self, user_code: str) -> str:
        """Signs a device in as the caller.

        Args:
            user_code: The code that the device shows; case and dashes don't matter.

        Returns:
            What the device calls itself.

        Raises:
            NotFound: No login waits for this code.
        """
        answer = self._calls.unary(
            "AuthService/ApproveDeviceSignIn",
            pb.ApproveDeviceSignInRequest(user_code=user_code),
            pb.ApproveDeviceSignInResponse,
        )
        return answer.client_name

    def sign_out(self) -> None:
        """Ends the login that the caller's access token was made from.

        Raises:
            NotFound: The caller called by something else than a login.
        """
        self._calls.unary("AuthService/SignOut", pb.SignOutRequest(), pb.SignOutResponse)

    def _exchange(self, request: pb.ExchangeTokenRequest) -> Login:
        answer = self._calls.unary("AuthService/ExchangeToken", request, pb.ExchangeTokenResponse)
        return Login(
            principal=answer.actor.principal,
            refresh_token=answer.refresh_token,
            access_token=answer.access_token,
            expires_in_seconds=answer.expires_in.ToMicroseconds() / 1e6,
        )
