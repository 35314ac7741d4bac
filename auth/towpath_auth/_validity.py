"""When a token is valid, as far as tokens of every issuer agree."""

from __future__ import annotations

from typing import Final

from towpath_auth._errors import CredentialRefused

LEEWAY_SECONDS: Final = 60
"""How far clocks may be apart."""


def check_validity(
    *, issued_at: int, valid_from: int, expires_at: int, longest_seconds: int, now: float
) -> None:
    """Checks how long a token lives, and that it is valid already.

    Whether it has expired is for its verifier, which says so in its own way.

    Args:
        issued_at: `iat`, seconds since the Unix epoch.
        valid_from: `nbf`, the same.
        expires_at: `exp`, the same.
        longest_seconds: The longest life that is accepted.
        now: The time, in seconds since the Unix epoch.

    Raises:
        CredentialRefused: The token lives too long, or is of the future.
    """
    if not 0 < expires_at - issued_at <= longest_seconds:
        raise CredentialRefused
    if max(issued_at, valid_from) > now + LEEWAY_SECONDS:
        raise CredentialRefused
