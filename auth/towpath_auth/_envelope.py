"""Envelope encryption: every secret under a key of its own, and that under one kept elsewhere.

A record is text: version, id of the key-encryption key, and in base64 the wrapped data key and what
it encrypts, by AES-256-GCM. The place that a record belongs to is authenticated with it: moved to
another row, or another purpose, it doesn't open.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

KEY_BYTES: Final = 32
VARIABLE: Final = "TOWPATH_SERVER_KEY_ENCRYPTION_KEY"
_VERSION: Final = "1"
_NONCE_BYTES: Final = 12


class SealBroken(Exception):
    """A record can't be opened: its key isn't here, it is another place's, or it was changed."""


class KeyFileUnusable(Exception):
    """A file or variable holds no key-encryption key that may be used; says what to do."""


class KeyEncryptionKey(Protocol):
    """What wraps data keys: a key in this process, or one in a key management service."""

    @property
    def key_id(self) -> str:
        """Names the key in records; letters, digits and `-`."""
        ...

    def wrap(self, data_key: bytes, place: bytes) -> bytes:
        """Encrypts a data key for a place."""
        ...

    def unwrap(self, wrapped: bytes, place: bytes) -> bytes:
        """Decrypts a data key; raises SealBroken when it isn't of this key and place."""
        ...


class LocalKey:
    """A key-encryption key in this process."""

    def __init__(self, key: bytes) -> None:
        """Holds 32 random bytes."""
        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"towpath key id" + key).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"LocalKey({self.key_id})"

    def wrap(self, data_key: bytes, place: bytes) -> bytes:
        """Encrypts a data key for a place."""
        return encrypt(self._cipher, data_key, place)

    def unwrap(self, wrapped: bytes, place: bytes) -> bytes:
        """Decrypts a data key; raises SealBroken when it isn't of this key and place."""
        return decrypt(self._cipher, wrapped, place)


class Envelope:
    """Seals under the first of some keys, and opens under any of them."""

    def __init__(self, keys: Sequence[KeyEncryptionKey]) -> None:
        """Takes the keys, the one that seals first."""
        self._sealing = keys[0]
        self._keys: Mapping[str, KeyEncryptionKey] = {key.key_id: key for key in keys}

    @property
    def key_id(self) -> str:
        """Names the key that seals."""
        return self._sealing.key_id

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place."""
        data_key, where = os.urandom(KEY_BYTES), place.encode()
        wrapped = self._sealing.wrap(data_key, where)
        sealed = encrypt(AESGCM(data_key), content, where)
        parts = (base64.urlsafe_b64encode(part).decode() for part in (wrapped, sealed))
        return ".".join((_VERSION, self._sealing.key_id, *parts))

    def open(self, record: str, place: str) -> bytes:
        """Opens what was sealed for a place.

        Raises:
            SealBroken: Its key isn't here, it is another place's, or it was changed.
        """
        try:
            version, key_id, *parts = record.split(".")
            wrapped, sealed = (base64.b64decode(part, b"-_", validate=True) for part in parts)
        except ValueError:
            raise SealBroken from None
        key = self._keys.get(key_id)
        if version != _VERSION or key is None:
            raise SealBroken
        where = place.encode()
        return decrypt(AESGCM(key.unwrap(wrapped, where)), sealed, where)


def key_file(path: Path, *, make: bool) -> LocalKey:
    """The key in a file that its owner alone can read.

    Args:
        path: The file: 32 bytes in base64.
        make: Whether to make it when there is none.

    Raises:
        KeyFileUnusable: There is none, others can read it, or it holds no key.
    """
    if make:
        _make(path)
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "it is no text"
        raise KeyFileUnusable(
            f"{path}: {cause}. The service's secrets are sealed with the key in it: bring it back,"
            " or name it with --key-file"
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileUnusable(f"{path} is open to others: `chmod 600 {path}`")
    return key_text(text, str(path))


def key_text(text: str, origin: str) -> LocalKey:
    """The key that a text holds in base64.

    Raises:
        KeyFileUnusable: It holds none; names where it comes from.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileUnusable(
            f"{origin} must hold 32 random bytes in base64: `openssl rand -base64 32`"
        )
    return LocalKey(key)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(descriptor)
    # What is sealed with the key outlasts a power cut: so does the key, and that the file is there.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def encrypt(cipher: AESGCM, content: bytes, place: bytes) -> bytes:
    """Encrypts content for a place: a random nonce, and the ciphertext."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, content, place)


def decrypt(cipher: AESGCM, content: bytes, place: bytes) -> bytes:
    """Decrypts what `encrypt` made; raises SealBroken when it isn't of this key and place."""
    try:
        return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], place)
    except (InvalidTag, ValueError):
        raise SealBroken from None
