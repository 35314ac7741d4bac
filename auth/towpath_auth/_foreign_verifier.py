"""Verifies tokens of issuers a tenant trusts, as strictly as our own where that is possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import jwt

from towpath_auth._compact import COMPACT, decoded, json_list, json_object
from towpath_auth._errors import CredentialRefused
from towpath_auth._foreign import ToServiceAccount, Trust, claim_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_auth._foreign_keys import ForeignKey

MAX_TOKEN_BYTES: Final = 8192
"""Foreign tokens come in a request's body, and carry more claims than ours."""

LEEWAY_SECONDS: Final = 60
MAX_KID_CHARACTERS: Final = 256
_HEADER: Final = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
_LEGACY_KUBERNETES: Final = "kubernetes.io/serviceaccount/"
_LATEST_SECONDS: Final = 253_402_300_799
EMAIL: Final = "email"


class KeySource(Protocol):
    """Finds the keys of an issuer."""

    def key(self, trust: Trust, kid: str, now: float) -> ForeignKey:
        """The issuer's key of this id.

        Raises:
            CredentialRefused: For a key the issuer doesn't have.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a foreign token says is calling.

    Attributes:
        issuer: Whose word it is.
        subject: The token's `sub`, unique within the issuer.
        service_account: The name of ours it stands for; or None for a user.
        user: The user's name by the issuer; or None for a service account.
        default_role: Of a user seen for the first time.
        issued_at: Seconds since the Unix epoch.
        expires_at: Seconds since the Unix epoch; nothing issued for it may live longer.
    """

    issuer: str
    subject: str
    service_account: str | None = None
    user: str | None = None
    default_role: str | None = None
    issued_at: int
    expires_at: int


def claimed_issuer(token: str) -> str:
    """Whose token this claims to be; nothing of it is verified.

    Raises:
        CredentialRefused: For what has not the form of a token.
    """
    if len(token) > MAX_TOKEN_BYTES or COMPACT.fullmatch(token) is None:
        raise CredentialRefused
    try:
        issuer: object = json_object(decoded(token.split(".")[1])).get("iss")
    except (ValueError, RecursionError) as error:
        raise CredentialRefused from error
    if not isinstance(issuer, str):
        raise CredentialRefused
    return issuer


class ForeignVerifier:
    """Verifies tokens against a trust."""

    def __init__(self, keys: KeySource) -> None:
        """Takes keys from the source."""
        self._keys = keys

    def verify(self, token: str, trust: Trust, now: float) -> Identity:
        """Who the token says is calling.

        Args:
            token: In its compact form.
            trust: Whose tokens are accepted, for whom and as whom.
            now: Seconds since the Unix epoch.

        Raises:
            CredentialRefused: CREDENTIAL_EXPIRED, or CREDENTIAL_INVALID for all else.
        """
        if len(token) > MAX_TOKEN_BYTES or COMPACT.fullmatch(token) is None:
            raise CredentialRefused
        try:
            header, content, _ = (decoded(part) for part in token.split("."))
            algorithm, kid = _checked_header(json_object(header), trust)
            claims = json_object(content)
            # A key is looked for only where the token could be good: looking may mean fetching.
            identity = _identity(claims, trust, now)
            _check_signature(token, algorithm, self._keys.key(trust, kid, now))
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise CredentialRefused from error
        if now >= identity.expires_at + LEEWAY_SECONDS:
            raise CredentialRefused("CREDENTIAL_EXPIRED")
        return identity


def _checked_header(header: Mapping[str, Any], trust: Trust) -> tuple[str, str]:
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not header.keys() <= _HEADER or not isinstance(algorithm, str):
        raise CredentialRefused
    # Our own tokens are `at+jwt`: one of them must never pass for another issuer's.
    if algorithm not in trust.algorithms or not isinstance(kind, str) or kind.upper() != "JWT":
        raise CredentialRefused
    if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID_CHARACTERS:
        raise CredentialRefused
    return algorithm, kid


def _check_signature(token: str, algorithm: str, key: ForeignKey) -> None:
    if key.algorithm not in {None, algorithm} or algorithm not in key.algorithms:
        raise CredentialRefused
    jws: Any = jwt.PyJWS(algorithms=[algorithm])
    jws.decode(token, key.key, algorithms=[algorithm])


def _identity(claims: Mapping[str, Any], trust: Trust, now: float) -> Identity:
    _check_addressing(claims, trust)
    issued_at, expires_at = _check_times(claims, trust, now)
    for rule in trust.rules:
        if _text_at(claims, rule.path) != rule.value:
            raise CredentialRefused
    subject, maps_to = _text_at(claims, "sub"), trust.maps_to
    if isinstance(maps_to, ToServiceAccount):
        return Identity(
            issuer=trust.issuer,
            subject=subject,
            service_account=maps_to.name,
            issued_at=issued_at,
            expires_at=expires_at,
        )
    # An address that the issuer hasn't verified is whatever its user has typed.
    if maps_to.claim == EMAIL and claims.get("email_verified") is not True:
        raise CredentialRefused
    return Identity(
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
    # Whoever else a token is meant for could present it here.
    if not audiences or not all(each in trust.audiences for each in audiences):
        raise CredentialRefused


def _check_times(claims: Mapping[str, Any], trust: Trust, now: float) -> tuple[int, int]:
    issued_at, expires_at = _seconds(claims, "iat"), _seconds(claims, "exp")
    valid_from = _seconds(claims, "nbf") if "nbf" in claims else issued_at
    if not 0 < expires_at - issued_at <= trust.max_life_seconds:
        raise CredentialRefused
    if max(issued_at, valid_from) > now + LEEWAY_SECONDS:
        raise CredentialRefused
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
