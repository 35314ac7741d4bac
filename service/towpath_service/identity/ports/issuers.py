"""The port through which identity verifies tokens of other issuers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_auth.foreign import ForeignIdentity, Trust


class IssuerTokens(Protocol):
    """Verifies tokens of other issuers, and fetches the issuers' keys."""

    async def verify(
        self, token: str, trust: Trust, now: float, *, tenant_id: str
    ) -> ForeignIdentity:
        """Verifies a token and returns the identity that it states.

        Args:
            token: A JWT in compact form.
            trust: The issuer, the audience, and the conditions of acceptance.
            now: Seconds since the Unix epoch.
            tenant_id: The tenant that has the trust.

        Raises:
            CredentialRefused: The trust doesn't accept the token.
            ServiceError: OVERLOADED: the issuer's keys can't be fetched now.
        """
        ...
