"""Verifies tokens of other issuers that a tenant trusts, as strictly as their forms allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from towpath_auth._compact import (
    json_list,
    json_object,
    signed_content,
    token_parts,
    unverified_claims,
)
from towpath_auth._errors import CredentialRefused
from towpath_auth._foreign import ToServiceAccount, Trust, claim_names
from towpath_auth._validity import LEEWAY_SECONDS, check_validity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_auth._foreign_keys import ForeignKey

MAX_TOKEN_BYTES: Final = 8192
"""Longest foreign token. They come in a request's body, and carry more claims than own tokens."""

MAX_KID_CHARACTERS: Final = 256
_HEADER: Final = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
_LEGACY_KUBERNETES: Final = "kubernetes.io/serviceaccount/"
_LATEST_SECONDS: Final = 253_402_300_799
EMAIL: Final = "email"


class KeySource(Protocol):
    """Finds the public keys of issuers."""

    def key(self, trust: Trust, kid: str, now: float) -> ForeignKey:
        """Finds the issuer's key of an id.

        Args:
            trust: The trust that names the issuer.
            kid: The id.
            now: The time, in seconds since the Unix epoch.

        Raises:
            CredentialRefused: The issuer has no such key.
            TrustRefused: The issuer's keys can't be read.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignIdentity:
    """The caller that a foreign token names.

    Attributes:
        issuer: The issuer that names it.
        subject: The token's `sub`, unique within the issuer.
        service_account: The service account that it stands for; None for a user.
        user: The user's name with the issuer; None for a service account.
        default_role: The role of a user seen for the first time.
        issued_at: `iat`, seconds since the Unix epoch.
        expires_at: `exp`, seconds since the Unix epoch; no token made in exchange may live longer.
    """

    issuer: str
    subject: str
    service_account: str | None = None
    user: str | None = None
    default_role: str | None = None
    issued_at: int
    expires_at: int


def claimed_issuer(token: str) -> str:
    """Reads the issuer that a token claims to be of, without verifying anything.

    Args:
        token: The token in its compact form.

    Raises:
        CredentialRefused: The text has not the form of a token.
    """
    issuer: object = unverified_claims(token, max_bytes=MAX_TOKEN_BYTES).get("iss")
    if not isinstance(issuer, str):
        raise CredentialRefused
    return issuer


class ForeignVerifier:
    """Verifies tokens against the trust that a tenant has in their issuer."""

    def __init__(self, keys: KeySource) -> None:
        """Makes a verifier.

        Args:
            keys: Finds the public keys of issuers.
        """
        self._keys = keys

    def verify(self, token: str, trust: Trust, now: float) -> ForeignIdentity:
        """Verifies a token and returns the caller that it names.

        Args:
            token: The token in its compact form.
            trust: The trust in its issuer.
            now: The time, in seconds since the Unix epoch.

        Raises:
            CredentialRefused: CREDENTIAL_EXPIRED, or CREDENTIAL_INVALID for everything else.
        """
        header, content = token_parts(token, max_bytes=MAX_TOKEN_BYTES)
        algorithm, kid = _checked_header(header, trust)
        # A key is looked for only where the token could be good: looking may mean fetching.
        identity = _identity(json_object(content), trust, now)
        try:
            key = self._keys.key(trust, kid, now)
        except ValueError as error:  # TrustRefused is one.
            raise CredentialRefused from error
        _check_signature(token, algorithm, key)
        if now >= identity.expires_at + LEEWAY_SECONDS:
            raise CredentialRefused("CREDENTIAL_EXPIRED")
        return identity


def _checked_header(header: Mapping[str, Any], trust: Trust) -> tuple[str, str]:
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not header.keys() <= _HEADER or not isinstance(algorithm, str):
        raise CredentialRefused
    # The service's own tokens are `at+jwt`: none of them may pass for another issuer's.
    if algorithm not in trust.algorithms or not isinstance(kind, str) or kind.upper() != "JWT":
        raise CredentialRefused
    if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID_CHARACTERS:
        raise CredentialRefused
    return algorithm, kid


def _check_signature(token: str, algorithm: str, key: ForeignKey) -> None:
    if key.algorithm not in {None, algorithm} or algorithm not in key.algorithms:
        raise CredentialRefused
    signed_content(token, key.key, algorithm)


def _identity(claims: Mapping[str, Any], trust: Trust, now: float) -> ForeignIdentity:
    _check_addressing(claims, trust)
    issued_at, expires_at = _check_times(claims, trust, now)
    for rule in trust.rules:
        if _text_at(claims, rule.path) != rule.value:
            raise CredentialRefused
    subject, maps_to = _text_at(claims, "sub"), trust.maps_to
    if isinstance(maps_to, ToServiceAccount):
        return ForeignIdentity(
            issuer=trust.issuer,
            subject=subject,
            service_account=maps_to.name,
            issued_at=issued_at,
            expires_at=expires_at,
        )
    # An address that the issuer hasn't verified may be any text that its user has typed.
    if maps_to.claim == EMAIL and claims.get("email_verified") is not True:
        raise CredentialRefused
    return ForeignIdentity(
        issuer=trust.issuer,
        subject=subject,
        user=_text_at(claims, maps_to.claim),
        default_role=maps_to.default_role,
        issued_at=issued_at,
        expires_at=expires_at,
    )


def _check_addressing(claims: Mapping[str, Any], trust: Trust) -> None:
    if claims.get("iss") != trust.issuer:
        raise CredentialRefused
    if any(name.startswith(_LEGACY_KUBERNETES) for name in claims):
        raise CredentialRefused
    found: object = claims.get("aud")
    listed = json_list(found)
    audiences = [found] if listed is None else listed
    # Any other audience of a token could present it here.
    if not audiences or not all(each in trust.audiences for each in audiences):
        raise CredentialRefused


def _check_times(claims: Mapping[str, Any], trust: Trust, now: float) -> tuple[int, int]:
    issued_at, expires_at = _seconds(claims, "iat"), _seconds(claims, "exp")
    valid_from = _seconds(claims, "nbf") if "nbf" in claims else issued_at
    check_validity(
        issued_at=issued_at,
        valid_from=valid_from,
        expires_at=expires_at,
        longest_seconds=trust.max_life_seconds,
        now=now,
    )
    return issued_at, expires_at


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    found = claims.get(name)
    if type(found) is not int or not 0 < found <= _LATEST_SECONDS:
        raise CredentialRefused
    return found


def _text_at(claims: Mapping[str, Any], path: str) -> str:
    found: Any = claims
    for name in claim_names(path):
        if not isinstance(found, dict):
            raise CredentialRefused
        found = cast("dict[str, Any]", found).get(name)
    if not isinstance(found, str) or not found:
        raise CredentialRefused
    return found
