"""Encryption of records under a shared data key.

Many records share a data key, so that another key-encryption key re-encrypts the data key alone. A
record is text: version, ids of the key-encryption key and of the data key, and in base64 the nonce
with the ciphertext of AES-256-GCM. The place that the record belongs to, such as
"tenant|table|row|column|version", and the text before the nonce are authenticated with it.
"""

from __future__ import annotations

import base64
import os
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from towpath_auth._envelope import KEY_BYTES, SealBroken, decrypt, encrypt

_VERSION: Final = "1"


def new_data_key() -> bytes:
    """Makes a data key: 32 random bytes."""
    return os.urandom(KEY_BYTES)


class DataKey:
    """A data key that is open in this process."""

    def __init__(self, key_id: str, kek_id: str, content: bytes) -> None:
        """Prepares the key.

        Args:
            key_id: The id of the key in records: letters, digits and `-`.
            kek_id: The id of the key-encryption key that opened it, for records made from now on.
            content: The 32 bytes of the key.
        """
        self._cipher = AESGCM(content)
        self._kek_id = kek_id
        self.key_id = key_id

    def __repr__(self) -> str:
        return f"DataKey({self.key_id})"

    def seal(self, content: bytes, place: str) -> str:
        """Encrypts content for a place.

        Args:
            content: The secret.
            place: Where the record is to be kept; it opens for the same place only.

        Returns:
            The record.
        """
        head = f"{_VERSION}.{self._kek_id}.{self.key_id}."
        sealed = encrypt(self._cipher, content, (head + place).encode())
        return head + base64.urlsafe_b64encode(sealed).decode()

    def open(self, record: str, place: str) -> bytes:
        """Decrypts a record.

        Args:
            record: The record.
            place: The place that it was sealed for.

        Raises:
            SealBroken: The record is of another key or another place, or was changed.
        """
        head, dot, text = record.rpartition(".")
        try:
            version, _, key_id = head.split(".")
            sealed = base64.b64decode(text, b"-_", validate=True)
        except ValueError:
            raise SealBroken from None
        if (version, key_id) != (_VERSION, self.key_id):
            raise SealBroken
        return decrypt(self._cipher, sealed, (head + dot + place).encode())
