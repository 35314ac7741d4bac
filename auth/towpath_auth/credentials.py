"""The credentials of callers: API keys, refresh tokens, access tokens and user codes."""

from towpath_auth._api_keys import (
    KEY_PATTERN,
    ApiKey,
    KeyKind,
    Peppers,
    new_api_key,
    new_key_id,
    new_pepper,
    parse_api_key,
)
from towpath_auth._claims import MAX_LIFE_SECONDS, AccessClaims
from towpath_auth._signing import (
    PublicKey,
    SigningKey,
    load_signing_key,
    new_signing_key,
)
from towpath_auth._user_codes import new_user_code, read_user_code, shown_user_code
from towpath_auth._validity import LEEWAY_SECONDS
from towpath_auth._verifier import MAX_TOKEN_BYTES, Verifier, bearer_token

__all__ = [
    "KEY_PATTERN",
    "LEEWAY_SECONDS",
    "MAX_LIFE_SECONDS",
    "MAX_TOKEN_BYTES",
    "AccessClaims",
    "ApiKey",
    "KeyKind",
    "Peppers",
    "PublicKey",
    "SigningKey",
    "Verifier",
    "bearer_token",
    "load_signing_key",
    "new_api_key",
    "new_key_id",
    "new_pepper",
    "new_signing_key",
    "new_user_code",
    "parse_api_key",
    "read_user_code",
    "shown_user_code",
]
