"""Tokens of an issuer that isn't ours, good and made to deceive."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from towpath_auth.foreign import ClaimRule, ToServiceAccount, Trust, keys_of

if TYPE_CHECKING:
    from towpath_auth.foreign import ForeignKey

ISSUER = "https://issuer.example"
NOW = 1_800_000_000
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
SIGNERS: dict[str, Any] = {"RS256": RSA_KEY, "PS256": RSA_KEY, "ES256": EC_KEY, "EdDSA": ED_KEY}
KIDS = {"RS256": "rsa", "PS256": "rsa", "ES256": "ec", "EdDSA": "ed"}
RSA_JWK: dict[str, Any] = {
    **RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True),
    "kid": "rsa",
}
EC_JWK: dict[str, Any] = {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "ec"}
ED_JWK: dict[str, Any] = {**OKPAlgorithm.to_jwk(ED_KEY.public_key(), as_dict=True), "kid": "ed"}
JWKS = json.dumps({"keys": [RSA_JWK, EC_JWK, ED_JWK]})
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": ["towpath"],
    "sub": "repo:acme/etl",
    "iat": NOW - 10,
    "exp": NOW + 600,
}
TRUST = Trust(
    issuer=ISSUER,
    maps_to=ToServiceAccount(name="ci"),
    audiences=("towpath", "towpath-two"),
    rules=(ClaimRule(path="sub", value="repo:acme/etl"),),
    algorithms=frozenset(SIGNERS),
    jwks=JWKS,
)


@dataclass
class CountedKeys:
    """Counts how often a key was asked for."""

    asked: list[str] = field(default_factory=list[str])

    def key(self, trust: Trust, kid: str, now: float) -> ForeignKey:
        del now
        self.asked.append(kid)
        return keys_of((trust.jwks or "").encode())[kid]


def part(value: Any) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(content: Any = None, *, algorithm: str = "RS256", **header: Any) -> str:
    """A token whose signature is good, whatever it says."""
    members = {"alg": algorithm, "typ": "JWT", "kid": KIDS[algorithm]} | header
    return signed_parts(part(members), part(CLAIMS if content is None else content), algorithm)


def signed_parts(header: str, content: str, algorithm: str = "RS256") -> str:
    made = jwt.get_algorithm_by_name(algorithm).sign(
        f"{header}.{content}".encode(), SIGNERS[algorithm]
    )
    return f"{header}.{content}.{part(made)}"


def saying(**claims: Any) -> str:
    """A good token but for these claims; None leaves one out."""
    return signed({key: value for key, value in (CLAIMS | claims).items() if value is not None})
