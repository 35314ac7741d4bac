"""Verifies the service's own access tokens as strictly as RFC 8725 asks, cheapest checks first.

Nothing in a token chooses how it is verified: the algorithm is fixed, the key is found by its id in
the service's key ring, and a header with other members is refused. A token has one spelling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath_auth._api_keys import KEY_PATTERN
from towpath_auth._claims import AccessClaims, from_json
from towpath_auth._compact import json_object, signed_content, token_parts
from towpath_auth._errors import CredentialRefused
from towpath_auth._signing import ALGORITHM, TOKEN_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_auth._signing import PublicKey

MAX_TOKEN_BYTES: Final = 4096
"""Longest access token. gRPC refuses long metadata, at first at random: tokens stay far below."""

_SCHEME: Final = "Bearer "
_HEADER: Final = ["alg", "kid", "typ"]


def bearer_token(metadata: Mapping[str, Sequence[str]]) -> str:
    """Finds the access token in a call's metadata.

    Args:
        metadata: All values of each key, by the key in lower case. Of two tokens none is taken.

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
        """Makes a verifier without keys.

        Args:
            issuer: The `iss` that tokens must have.
            audience: The `aud` that tokens must have.
        """
        self.issuer = issuer
        self.audience = audience
        self._keys: Mapping[str, PublicKey] = {}

    @property
    def keys(self) -> Mapping[str, PublicKey]:
        """The key ring: the keys whose tokens are accepted, by id."""
        return self._keys

    def use(self, keys: Sequence[PublicKey]) -> None:
        """Replaces the key ring."""
        self._keys = {key.kid: key for key in keys}

    def verify(self, token: str, now: float) -> AccessClaims:
        """Verifies a token, and reads its claims.

        Args:
            token: The token in its compact form.
            now: The time, in seconds since the Unix epoch.

        Raises:
            CredentialRefused: CREDENTIAL_EXPIRED, or CREDENTIAL_INVALID for everything else.
        """
        header, _ = token_parts(token, max_bytes=MAX_TOKEN_BYTES)
        content = json_object(signed_content(token, self._key(header).key, ALGORITHM))
        return from_json(content, issuer=self.issuer, audience=self.audience, now=now)

    def _key(self, header: Mapping[str, Any]) -> PublicKey:
        if sorted(header) != _HEADER or (header["alg"], header["typ"]) != (ALGORITHM, TOKEN_TYPE):
            raise CredentialRefused
        kid = header["kid"]
        if not isinstance(kid, str) or kid not in self._keys:
            raise CredentialRefused
        return self._keys[kid]
