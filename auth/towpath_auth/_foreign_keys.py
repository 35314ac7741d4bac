"""Reads the public keys of another issuer from a JSON Web Key Set (RFC 7517)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import jwt
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from towpath_auth._compact import json_list, json_object
from towpath_auth._errors import CredentialRefused, TrustRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_auth._foreign import Trust

MAX_KEYS: Final = 32
MAX_KEY_SET_BYTES: Final = 262_144
MIN_RSA_BITS: Final = 2048
_SECRET_MEMBERS: Final = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A public key of another issuer.

    Attributes:
        kid: Its id within the issuer.
        key: The key as cryptography has it.
        algorithms: The algorithms that a key of this kind can verify.
        algorithm: The only algorithm that it is for; None where the issuer names none.
    """

    kid: str
    key: Any
    algorithms: frozenset[str]
    algorithm: str | None = None


def keys_of(content: bytes) -> Mapping[str, ForeignKey]:
    """Reads the keys of a set that can verify a signature.

    Keys of other kinds and purposes are left out: issuers publish them side by side.

    Args:
        content: The key set, as JSON.

    Returns:
        The keys by id.

    Raises:
        TrustRefused: The content is no key set, is too large, or has two keys of one id.
    """
    if len(content) > MAX_KEY_SET_BYTES:
        raise TrustRefused(f"Publish a key set of at most {MAX_KEY_SET_BYTES} bytes.")
    try:
        members: Any = json_object(content).get("keys")
    except CredentialRefused as error:
        raise TrustRefused("Give the key set as one JSON object with a list of keys.") from error
    listed = json_list(members)
    if listed is None or len(listed) > MAX_KEYS:
        raise TrustRefused(f"Give a key set whose member keys is a list of at most {MAX_KEYS}.")
    usable = [key for each in listed if (key := _key(each)) is not None]
    found = {key.kid: key for key in usable}
    if len(found) != len(usable):
        raise TrustRefused("Give each key of the set an id of its own.")
    return found


class UploadedKeys:
    """The keys that a tenant uploaded with its trusts; none is fetched."""

    def key(self, trust: Trust, kid: str, now: float) -> ForeignKey:
        """Finds the key of an id in the set of a trust.

        Args:
            trust: The trust, with its uploaded key set.
            kid: The id.
            now: The time, in seconds since the Unix epoch.

        Raises:
            CredentialRefused: The set has no such key.
            TrustRefused: The trust has no readable set.
        """
        del now  # Uploaded keys are good until they are replaced.
        keys = keys_of((trust.jwks or "").encode())
        if kid not in keys:
            raise CredentialRefused
        return keys[kid]


def _key(found: Any) -> ForeignKey | None:
    if not isinstance(found, dict):
        return None
    members = cast("dict[str, Any]", found)
    kid, algorithm = members.get("kid"), members.get("alg")
    if not isinstance(kid, str) or not kid or not (algorithm is None or isinstance(algorithm, str)):
        return None
    if members.keys() & _SECRET_MEMBERS or not _for_signatures(members):
        return None
    try:
        key, algorithms = _public_key(members)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return ForeignKey(kid=kid, key=key, algorithms=algorithms, algorithm=algorithm)


def _for_signatures(members: Mapping[str, Any]) -> bool:
    operations = json_list(members.get("key_ops", ["verify"]))
    return members.get("use", "sig") == "sig" and "verify" in (operations or [])


def _public_key(members: dict[str, Any]) -> tuple[Any, frozenset[str]]:
    match members.get("kty"), members.get("crv"):
        case "RSA", None:
            key: Any = RSAAlgorithm.from_jwk(members)
            if key.key_size < MIN_RSA_BITS:
                raise ValueError
            return key, frozenset({"RS256", "PS256"})
        case "EC", "P-256":
            return ECAlgorithm.from_jwk(members), frozenset({"ES256"})
        case "OKP", "Ed25519":
            return OKPAlgorithm.from_jwk(members), frozenset({"EdDSA"})
        case _:
            raise ValueError
