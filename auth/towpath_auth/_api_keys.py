"""API keys: texts that name a credential and prove that the caller holds it.

    twps_fT5lekGzAEdxCusw_fa8GmurwnMZUN02zE3lrDw1EDkWfmIOV0fJAFXtIhYq0pP1DJ
    kind | public id      | secret, 43 characters: 256 bits            | CRC-32

The id is public: logs, audit and revocation name a key by it. The checksum finds typing errors, and
texts that a scanner took for a key, without a look at the database; it is no security. The service
keeps an HMAC of the key under a versioned pepper: against 256 random bits a slow hash has no use,
a reader of the database can confirm no guess, and a writer can plant no key.

The secret of a login's refresh token is 21 random characters and 22 characters of an HMAC of them
under a pepper. So the service recognises every token that it made for the login, without a list.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from towpath_auth._errors import CredentialRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

KeyKind = Literal["user", "service_account", "refresh", "device"]

KEY_PATTERN: Final = re.compile(r"twp[usrd]_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}")
"""The pattern that scanners search texts for; `parse_api_key` then tells keys from lookalikes."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH: Final = 16
_SECRET_LENGTH: Final = 43
_NONCE_LENGTH: Final = 21
_MAC_LENGTH: Final = 22
_CHECKSUM_LENGTH: Final = 6
_PREFIXES: Final[dict[KeyKind, str]] = {
    "user": "twpu",
    "service_account": "twps",
    "refresh": "twpr",
    "device": "twpd",
}
_KINDS: Final[dict[str, KeyKind]] = {prefix: kind for kind, prefix in _PREFIXES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key in plain text."""

    kind: KeyKind
    key_id: str
    """The public id: 16 characters."""
    text: str = field(repr=False)
    """The whole key; secret."""


def new_api_key(kind: KeyKind, key_id: str = "") -> ApiKey:
    """Makes a key with 256 random bits.

    Args:
        kind: The kind of principal or login that it is for.
        key_id: Its public id; empty for a new id.
    """
    return _key(kind, key_id or new_key_id(), _random(_SECRET_LENGTH))


def new_key_id() -> str:
    """Makes a random public id of 16 characters."""
    return _random(_ID_LENGTH)


def parse_api_key(text: str) -> ApiKey:
    """Reads a key, and checks its checksum.

    Args:
        text: The whole key.

    Raises:
        CredentialRefused: CREDENTIAL_INVALID, the text is no key or has a typing error.
    """
    if KEY_PATTERN.fullmatch(text) is None:
        raise CredentialRefused
    body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    if not hmac.compare_digest(_checksum(body), checksum):
        raise CredentialRefused
    prefix, key_id, _ = text.split("_")
    return ApiKey(kind=_KINDS[prefix], key_id=key_id, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peppers:
    """The secrets under which the service hashes keys, by version."""

    by_version: Mapping[int, bytes] = field(repr=False)
    current: int
    """The version that hashes new keys. Others are older, or not known to every replica yet."""

    def hash(self, key: ApiKey) -> tuple[int, str]:
        """Hashes a key.

        Returns:
            The current version, and the key's digest under it in hexadecimal.
        """
        return self.current, self._digest(key, self.current)

    def matches(self, key: ApiKey, version: int, digest: str) -> bool:
        """Whether a digest was made of a key.

        Args:
            key: The key that a caller presents.
            version: The version of the pepper that made the digest.
            digest: The digest, in hexadecimal.
        """
        if version not in self.by_version:
            return False
        return hmac.compare_digest(self._digest(key, version), digest)

    def key_ids_for(self, text: str) -> list[str]:
        """Derives public ids from a text, so that the text can be used only once.

        Args:
            text: The text, such as the signed part of a foreign token.

        Returns:
            The id under the current pepper; then the ids under the others, by which the text may
            have been used before.
        """
        others = sorted(self.by_version.keys() - {self.current})
        return [self._characters(version, text, _ID_LENGTH) for version in (self.current, *others)]

    def new_refresh_token(self, login_id: str) -> ApiKey:
        """Makes a refresh token that `has_made` recognises later.

        Args:
            login_id: The id of the login.
        """
        nonce = _random(_NONCE_LENGTH)
        return _key("refresh", login_id, nonce + self._mac(self.current, login_id, nonce))

    def has_made(self, token: ApiKey) -> bool:
        """Whether the service made a refresh token for its login, however long ago.

        Args:
            token: The refresh token that a caller presents.
        """
        secret = token.text.split("_")[2]
        nonce, mac = secret[:_NONCE_LENGTH], secret[_NONCE_LENGTH:-_CHECKSUM_LENGTH]
        return any(
            hmac.compare_digest(self._mac(version, token.key_id, nonce), mac)
            for version in self.by_version
        )

    def _mac(self, version: int, login_id: str, nonce: str) -> str:
        return self._characters(version, f"refresh {login_id} {nonce}", _MAC_LENGTH)

    def _characters(self, version: int, text: str, length: int) -> str:
        digest = hmac.new(self.by_version[version], text.encode(), hashlib.sha256)
        rest, characters = int.from_bytes(digest.digest()), ""
        for _ in range(length):
            rest, digit = divmod(rest, len(_ALPHABET))
            characters += _ALPHABET[digit]
        return characters

    def _digest(self, key: ApiKey, version: int) -> str:
        return hmac.new(self.by_version[version], key.text.encode(), hashlib.sha256).hexdigest()


def new_pepper() -> bytes:
    """Makes a pepper: 256 random bits."""
    return secrets.token_bytes(32)


def _key(kind: KeyKind, key_id: str, secret: str) -> ApiKey:
    body = f"{_PREFIXES[kind]}_{key_id}_{secret}"
    return ApiKey(kind=kind, key_id=key_id, text=body + _checksum(body))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
