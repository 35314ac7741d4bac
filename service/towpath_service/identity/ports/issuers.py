"""What identity needs of issuers that are not this service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_auth.foreign import ForeignIdentity, Trust


class IssuerTokens(Protocol):
    """Verifies tokens of other issuers, whose keys it finds."""

    async def verify(
        self, token: str, trust: Trust, now: float, *, tenant_id: str
    ) -> ForeignIdentity:
        """Who a token says is calling.

        Args:
            token: In its compact form.
            trust: Whose tokens are accepted, for whom and as whom.
            now: Seconds since the Unix epoch.
            tenant_id: Whose trust it is.

        Raises:
            CredentialRefused: It isn't one that the trust accepts.
            ServiceError: OVERLOADED: the issuer's keys can't be had now.
        """
        ...
