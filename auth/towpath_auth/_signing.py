"""The keys that sign access tokens, and their public halves as JSON Web Keys.

Signatures are EdDSA over Ed25519. They are deterministic, so that no bad nonce reveals a key; not
malleable, so that a token has one spelling; and a verifier's key can't make tokens.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from towpath_auth._claims import AccessClaims, to_json

ALGORITHM: Final = "EdDSA"
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - a media type


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The public half of a signing key: it verifies tokens."""

    kid: str
    """Thumbprint of the key (RFC 7638)."""
    key: Ed25519PublicKey = field(compare=False)

    @property
    def jwk(self) -> dict[str, str]:
        """The key as a JSON Web Key (RFC 8037)."""
        return {
            "kid": self.kid,
            "kty": "OKP",
            "crv": "Ed25519",
            "x": _encoded(_raw(self.key)),
            "alg": ALGORITHM,
            "use": "sig",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that signs tokens."""

    public: PublicKey
    private: Ed25519PrivateKey = field(repr=False, compare=False)

    @property
    def kid(self) -> str:
        """Thumbprint of the key."""
        return self.public.kid

    @property
    def private_bytes(self) -> bytes:
        """The secret half, 32 bytes; it must be sealed before it is stored."""
        return self.private.private_bytes_raw()

    def sign(self, claims: AccessClaims, *, issuer: str, audience: str) -> str:
        """Makes a token.

        Args:
            claims: The claims of the token.
            issuer: `iss`.
            audience: `aud`.

        Returns:
            The token in its compact form.
        """
        content = to_json(claims, issuer=issuer, audience=audience)
        headers = {"typ": TOKEN_TYPE, "kid": self.kid}
        return jwt.encode(content, self.private, algorithm=ALGORITHM, headers=headers)


def new_signing_key() -> SigningKey:
    """Makes a random signing key."""
    return _signing_key(Ed25519PrivateKey.generate())


def load_signing_key(private_bytes: bytes) -> SigningKey:
    """Makes the signing key of its stored secret half.

    Args:
        private_bytes: The `private_bytes` of the key.

    Raises:
        ValueError: The argument isn't 32 bytes.
    """
    return _signing_key(Ed25519PrivateKey.from_private_bytes(private_bytes))


def _signing_key(private: Ed25519PrivateKey) -> SigningKey:
    return SigningKey(public=_public_key(private.public_key()), private=private)


def _public_key(key: Ed25519PublicKey) -> PublicKey:
    members = {"crv": "Ed25519", "kty": "OKP", "x": _encoded(_raw(key))}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return PublicKey(kid=_encoded(hashlib.sha256(canonical.encode()).digest()), key=key)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
