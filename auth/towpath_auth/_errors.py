"""The errors of the package.

    CredentialRefused     reason: CREDENTIAL_MISSING, _INVALID, _EXPIRED, _REVOKED or _NOT_EXCHANGED
    TrustRefused          a trust in an issuer that can't be accepted as described
    AddressBlocked        a URL that leads to an address that may not be called

The texts of the first don't say what was found, so that a forger learns nothing but the refusal.
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
    """A credential that doesn't prove who calls.

    Attributes:
        reason: Name of the contract's ErrorReason, without its prefix.
    """

    def __init__(self, reason: Reason = "CREDENTIAL_INVALID") -> None:
        super().__init__(_TEXTS[reason])
        self.reason: Reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason,)


class TrustRefused(ValueError):
    """A trust that can't be accepted as described; the text says what to change."""


class AddressBlocked(Exception):
    """A URL that leads to an address that may not be called; the text says what to change."""
