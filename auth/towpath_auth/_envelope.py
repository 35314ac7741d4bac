"""Envelope encryption: a data key for each secret, wrapped by a key-encryption key kept elsewhere.

A record is text: version, id of the key-encryption key, and in base64 the wrapped data key and the
ciphertext of AES-256-GCM. The place that a record belongs to is authenticated with it: moved to
another row, or another purpose, the record doesn't open.
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
"""Length of every key."""

_VERSION: Final = "1"
_NONCE_BYTES: Final = 12


class SealBroken(Exception):
    """A record doesn't open: its key isn't here, it is of another place, or it was changed."""


class KeyFileUnusable(Exception):
    """A file or variable holds no usable key-encryption key; the text says what to do."""


class KeyEncryptionKey(Protocol):
    """A key that wraps data keys: in this process, or in a key management service."""

    @property
    def key_id(self) -> str:
        """The id of the key in records: letters, digits and `-`."""
        ...

    def wrap(self, data_key: bytes, place: bytes) -> bytes:
        """Encrypts a data key.

        Args:
            data_key: The 32 bytes of the data key.
            place: Where the record is to be kept; it is authenticated with the data key.
        """
        ...

    def unwrap(self, wrapped: bytes, place: bytes) -> bytes:
        """Decrypts a data key.

        Args:
            wrapped: The result of `wrap`.
            place: The place that it was wrapped for.

        Raises:
            SealBroken: The data key is of another key or another place, or was changed.
        """
        ...


class LocalKey:
    """A key-encryption key in this process."""

    def __init__(self, key: bytes) -> None:
        """Prepares the key.

        Args:
            key: 32 random bytes.
        """
        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"towpath key id" + key).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"LocalKey({self.key_id})"

    def wrap(self, data_key: bytes, place: bytes) -> bytes:
        """Encrypts a data key for a place, as `KeyEncryptionKey.wrap`."""
        return encrypt(self._cipher, data_key, place)

    def unwrap(self, wrapped: bytes, place: bytes) -> bytes:
        """Decrypts a data key, as `KeyEncryptionKey.unwrap`."""
        return decrypt(self._cipher, wrapped, place)


class Envelope:
    """Seals under the first of some keys, and opens under any of them."""

    def __init__(self, keys: Sequence[KeyEncryptionKey]) -> None:
        """Prepares the envelope.

        Args:
            keys: The keys that open; the first one also seals.
        """
        self._sealing = keys[0]
        self._keys: Mapping[str, KeyEncryptionKey] = {key.key_id: key for key in keys}

    @property
    def key_id(self) -> str:
        """The id of the key that seals."""
        return self._sealing.key_id

    def seal(self, content: bytes, place: str) -> str:
        """Encrypts content for a place.

        Args:
            content: The secret.
            place: Where the record is to be kept; it opens for the same place only.

        Returns:
            The record.
        """
        data_key, where = os.urandom(KEY_BYTES), place.encode()
        wrapped = self._sealing.wrap(data_key, where)
        sealed = encrypt(AESGCM(data_key), content, where)
        parts = (base64.urlsafe_b64encode(part).decode() for part in (wrapped, sealed))
        return ".".join((_VERSION, self._sealing.key_id, *parts))

    def open(self, record: str, place: str) -> bytes:
        """Decrypts a record.

        Args:
            record: The record.
            place: The place that it was sealed for.

        Raises:
            SealBroken: The record's key isn't here, it is of another place, or it was changed.
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
    """Reads the key in a file that only its owner can read.

    A file of root may be readable by its group, as secrets are that a container gets mounted.

    Args:
        path: The file, which holds 32 bytes in base64.
        make: Whether to make the file when there is none.

    Raises:
        KeyFileUnusable: There is no such file, others can read it, or it holds no key.
    """
    if make:
        _make(path)
    try:
        found = path.stat()
        text = path.read_text("ascii")
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "it is no text"
        raise KeyFileUnusable(
            f"{path}: {cause}. The service's secrets are sealed with the key in it: bring it back,"
            " or name it with --key-file"
        ) from None
    spared = stat.S_IRGRP if found.st_uid == 0 else 0
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~spared:
        raise KeyFileUnusable(f"{path} is open to others: `chmod 600 {path}`")
    return key_text(text, str(path))


def key_text(text: str, origin: str) -> LocalKey:
    """Reads the key that a text holds.

    Args:
        text: 32 bytes in base64.
        origin: The file or variable that the text comes from, for messages.

    Raises:
        KeyFileUnusable: The text holds no key.
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
    # Sealed records outlast a power cut: so must the key, and the entry of its file in the folder.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def encrypt(cipher: AESGCM, content: bytes, place: bytes) -> bytes:
    """Encrypts content for a place; returns a random nonce with the ciphertext."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, content, place)


def decrypt(cipher: AESGCM, content: bytes, place: bytes) -> bytes:
    """Decrypts the result of `encrypt`; raises SealBroken for another key or place."""
    try:
        return cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], place)
    except (InvalidTag, ValueError):
        raise SealBroken from None
