"""Establishes who calls from the access token that a call brings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from towpath_auth import ANONYMOUS, Caller, CredentialRefused
from towpath_auth.credentials import bearer_token

from towpath_service.application.authority import Authority, refused
from towpath_service.rpc.endpoints import PEER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from towpath_service.domain.errors import ServiceError


class TokenAuthenticator:
    """Asks an authority whose token it is."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def authenticate(self, metadata: Mapping[str, Sequence[str]]) -> Caller:
        """Whose token a call brings.

        Raises:
            ServiceError: CREDENTIAL_MISSING, and as `Authority.caller`.
        """
        try:
            token = bearer_token(metadata)
        except CredentialRefused as error:
            raise refused(error) from error
        return await self._authority.caller(token, address_of(metadata))

    def anonymous(self, metadata: Mapping[str, Sequence[str]]) -> Caller:
        """Nobody, with an address."""
        return replace(ANONYMOUS, address=address_of(metadata))

    def follow(
        self,
        caller: Caller,
        check: Callable[[Caller], None],
        end: Callable[[ServiceError], None],
    ) -> AbstractContextManager[None]:
        """Ends a stream when its caller may no longer have it."""
        return self._authority.follow(caller, check, end)


def address_of(metadata: Mapping[str, Sequence[str]]) -> str:
    """Where a call comes from, as its transport tells; empty when it doesn't."""
    return metadata.get(PEER, ("",))[0]
