"""API keys: texts that name a credential and prove that one holds it.

    twps_fT5lekGzAEdxCusw_fa8GmurwnMZUN02zE3lrDw1EDkWfmIOV0fJAFXtIhYq0pP1DJ
    kind | public id      | secret, 43 characters: 256 bits            | CRC-32

The id is public: logs, audit and revocation name a key by it. The checksum tells a typing slip, or
what a scanner took for a key, from a key, without asking the database; it is no security. The
service keeps an HMAC under a versioned pepper: against 256 random bits a slow hash buys nothing,
and whoever reads the database can confirm no guess, whoever writes it can plant no key.

The secret of a login's refresh token is 21 random characters and 22 of an HMAC of them under a
pepper: any that was ever made for the login is recognised as such, without a list of them.
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
"""What a scanner looks for, whatever stands around it; `parse_api_key` then tells whether it is a
key."""

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
    """A key, in plain."""

    kind: KeyKind
    key_id: str
    """Public: 16 characters."""
    text: str = field(repr=False)
    """The whole of it; secret."""


def new_api_key(kind: KeyKind, key_id: str = "") -> ApiKey:
    """Makes a key that nobody can guess.

    Args:
        kind: What it is for.
        key_id: Its public id; empty for a new one.
    """
    return _key(kind, key_id or new_key_id(), _random(_SECRET_LENGTH))


def new_key_id() -> str:
    """Makes a public id: 16 characters."""
    return _random(_ID_LENGTH)


def parse_api_key(text: str) -> ApiKey:
    """Reads a key, and checks its sum.

    Raises:
        CredentialRefused: CREDENTIAL_INVALID: it isn't one, or has a slip in it.
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
    """Secrets that the service adds to what it hashes, by version."""

    by_version: Mapping[int, bytes] = field(repr=False)
    in_force: int
    """The version that hashes what is new: others may be older, or not known everywhere yet."""

    def hash(self, key: ApiKey) -> tuple[int, str]:
        """The version of the pepper in force, and the key's digest under it, hexadecimal."""
        return self.in_force, self._digest(key, self.in_force)

    def matches(self, key: ApiKey, version: int, digest: str) -> bool:
        """Whether a key is the one that a digest was made of."""
        if version not in self.by_version:
            return False
        return hmac.compare_digest(self._digest(key, version), digest)

    def key_ids_for(self, text: str) -> list[str]:
        """Public ids that follow from a text, so that it can be made use of once.

        Returns:
            The id to take first; then those that it may have been taken by under other peppers.
        """
        others = sorted(self.by_version.keys() - {self.in_force})
        return [self._characters(version, text, _ID_LENGTH) for version in (self.in_force, *others)]

    def new_refresh_token(self, login_id: str) -> ApiKey:
        """Makes a refresh token that nobody can guess, and that is recognised later."""
        nonce = _random(_NONCE_LENGTH)
        return _key("refresh", login_id, nonce + self._mac(self.in_force, login_id, nonce))

    def has_made(self, token: ApiKey) -> bool:
        """Whether a refresh token was made here for its login, however long ago."""
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
