"""Why a credential, or a trust in an issuer, is refused.

    CredentialRefused     reason: CREDENTIAL_MISSING, _INVALID, _EXPIRED, _REVOKED or _NOT_EXCHANGED
    TrustRefused          an issuer described in a way that can't be trusted
    AddressBlocked        a URL that leads where no call may be made

Texts of the first say nothing of what was found: whoever presents a forged credential learns only
that it is none.
"""

from __future__ import annotations

from typing import Final, Literal

Reason = Literal[
    "CREDENTIAL_MISSING",
    "CREDENTIAL_INVALID",
    "CREDENTIAL_EXPIRED",
    "CREDENTIAL_REVOKED",
    "CREDENTIAL_NOT_EXCHANGED",
]

_TEXTS: Final[dict[Reason, str]] = {
    "CREDENTIAL_MISSING": (
        "this server asks who calls: set TOWPATH_API_KEY, or sign in with `towpath login`"
    ),
    "CREDENTIAL_INVALID": (
        "invalid credentials: check TOWPATH_API_KEY, or sign in again with `towpath login`"
    ),
    "CREDENTIAL_EXPIRED": "the access token has expired: get a new one and call again",
    "CREDENTIAL_REVOKED": (
        "the credential no longer holds: it was revoked, or has expired. Ask for another, or sign"
        " in again with `towpath login`"
    ),
    "CREDENTIAL_NOT_EXCHANGED": (
        "an API key is no access token: exchange it by AuthService.ExchangeToken, as the SDK does"
    ),
}


class CredentialRefused(Exception):
    """A credential that doesn't tell who calls.

    Attributes:
        reason: Name of the contract's ErrorReason, without its prefix.
    """

    def __init__(self, reason: Reason = "CREDENTIAL_INVALID") -> None:
        super().__init__(_TEXTS[reason])
        self.reason: Reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason,)


class TrustRefused(ValueError):
    """An issuer or its keys can't be trusted as described; the text says what to change."""


class AddressBlocked(Exception):
    """A URL that leads where no call may be made; its text says what to change."""
