"""Authenticates a call by its access token; used by the dispatcher."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from towpath_auth import ANONYMOUS, Caller, CredentialRefused
from towpath_auth.credentials import bearer_token

from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.authority import Authority, refused
from towpath_service.identity.domain.addresses import forwarded_for
from towpath_service.rpc.endpoints import PEER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from towpath_service.identity.application.address_limits import AddressLimits

FORWARDED_FOR: Final = "x-forwarded-for"
_UNPROVEN: Final = frozenset(
    {"CREDENTIAL_MISSING", "CREDENTIAL_INVALID", "CREDENTIAL_NOT_EXCHANGED"}
)


class TokenAuthenticator:
    """Authenticates calls by an authority, with limits per address."""

    def __init__(
        self, authority: Authority, address_limits: AddressLimits, *, behind_tls_proxy: bool = False
    ) -> None:
        """Takes the authority and the limits.

        Args:
            authority: Finds the caller of a token.
            address_limits: Counts calls without a valid token.
            behind_tls_proxy: Whether all calls come through a proxy, which sends the client's
                address in X-Forwarded-For.
        """
        self._authority = authority
        self._address_limits = address_limits
        self._behind_tls_proxy = behind_tls_proxy

    async def authenticate(self, metadata: Mapping[str, Sequence[str]]) -> Caller:
        """Returns the caller that the call's token belongs to.

        Raises:
            ServiceError: CREDENTIAL_MISSING; as `Authority.caller`; or QUOTA_EXCEEDED, when too
                many tokens came from the address that never were valid.
        """
        address = self._address(metadata)
        try:
            return await self._whose(metadata, address)
        except ServiceError as error:
            if error.reason in _UNPROVEN:
                self._address_limits.admit(address, "read")
            raise

    async def _whose(self, metadata: Mapping[str, Sequence[str]], address: str) -> Caller:
        try:
            token = bearer_token(metadata)
        except CredentialRefused as error:
            raise refused(error) from error
        return await self._authority.caller(token, address)

    def anonymous(self, metadata: Mapping[str, Sequence[str]]) -> Caller:
        """A caller without a principal, with the address of the call."""
        return replace(ANONYMOUS, address=self._address(metadata))

    def follow(
        self,
        caller: Caller,
        check: Callable[[Caller], None],
        end: Callable[[ServiceError], None],
    ) -> AbstractContextManager[None]:
        """Ends a stream when its caller loses the right to it."""
        return self._authority.follow(caller, check, end)

    def _address(self, metadata: Mapping[str, Sequence[str]]) -> str:
        """The address that a call comes from; empty when the transport doesn't report it."""
        peer = metadata.get(PEER, ("",))[0]
        if not self._behind_tls_proxy:
            return peer
        return forwarded_for(metadata.get(FORWARDED_FOR, ()), peer)
