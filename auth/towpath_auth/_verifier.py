"""Verifies access tokens as strictly as RFC 8725 asks, cheapest checks first.

Nothing in a token chooses how it is verified: the algorithm is pinned, the key is found by its id
in a ring of ours, and a header with anything else in it is refused. A token has one spelling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jwt

from towpath_auth._api_keys import KEY_PATTERN
from towpath_auth._claims import AccessClaims, from_json
from towpath_auth._compact import COMPACT, decoded, json_object
from towpath_auth._errors import CredentialRefused
from towpath_auth._signing import ALGORITHM, TOKEN_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_auth._signing import PublicKey

MAX_TOKEN_BYTES: Final = 4096
"""gRPC refuses long metadata, at first at random: tokens stay far below."""

_SCHEME: Final = "Bearer "
_HEADER: Final = ["alg", "kid", "typ"]
_JWS: Final = jwt.PyJWS(algorithms=[ALGORITHM])


def bearer_token(metadata: Mapping[str, Sequence[str]]) -> str:
    """The access token in a call's metadata.

    Args:
        metadata: All values of each key, in lower case: of two, one could hide.

    Raises:
        CredentialRefused: CREDENTIAL_MISSING, CREDENTIAL_NOT_EXCHANGED for an API key, or
            CREDENTIAL_INVALID.
    """
    values = metadata.get("authorization", ())
    if not values:
        raise CredentialRefused("CREDENTIAL_MISSING")
    if len(values) > 1 or not values[0].startswith(_SCHEME):
        raise CredentialRefused
    token = values[0].removeprefix(_SCHEME)
    if KEY_PATTERN.fullmatch(token):
        raise CredentialRefused("CREDENTIAL_NOT_EXCHANGED")
    return token


class Verifier:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, *, issuer: str, audience: str) -> None:
        """Knows no key yet."""
        self.issuer = issuer
        self.audience = audience
        self._keys: Mapping[str, PublicKey] = {}

    @property
    def keys(self) -> Mapping[str, PublicKey]:
        """The ring: keys whose tokens are accepted, by id."""
        return self._keys

    def use(self, keys: Sequence[PublicKey]) -> None:
        """Replaces the ring."""
        self._keys = {key.kid: key for key in keys}

    def verify(self, token: str, now: float) -> AccessClaims:
        """What a token says.

        Args:
            token: In its compact form.
            now: Seconds since the Unix epoch.

        Raises:
            CredentialRefused: CREDENTIAL_EXPIRED, or CREDENTIAL_INVALID for all else.
        """
        if len(token) > MAX_TOKEN_BYTES or COMPACT.fullmatch(token) is None:
            raise CredentialRefused
        try:
            header, _, _ = (decoded(part) for part in token.split("."))
            key = self._key(json_object(header))
            content = json_object(_signed_content(token, key))
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise CredentialRefused from error
        return from_json(content, issuer=self.issuer, audience=self.audience, now=now)

    def _key(self, header: Mapping[str, Any]) -> PublicKey:
        if sorted(header) != _HEADER or (header["alg"], header["typ"]) != (ALGORITHM, TOKEN_TYPE):
            raise CredentialRefused
        kid = header["kid"]
        if not isinstance(kid, str) or kid not in self._keys:
            raise CredentialRefused
        return self._keys[kid]


def _signed_content(token: str, key: PublicKey) -> bytes:
    jws: Any = _JWS
    content: bytes = jws.decode(token, key.key, algorithms=[ALGORITHM])
    return content
