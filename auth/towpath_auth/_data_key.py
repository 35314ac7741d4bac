"""Records under a data key: for what there is much of, so that its key can be changed cheaply.

A record is text: version, ids of the key-encryption key and of the data key, and in base64 the
nonce and what AES-256-GCM makes of the content. The place that it belongs to, such as
"tenant|table|row|column|version", and all that stands before the nonce are authenticated with it.
"""

from __future__ import annotations

import base64
import os
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from towpath_auth._envelope import KEY_BYTES, SealBroken, decrypt, encrypt

_VERSION: Final = "1"


def new_data_key() -> bytes:
    """Random bytes for a data key."""
    return os.urandom(KEY_BYTES)


class DataKey:
    """A data key in this process."""

    def __init__(self, key_id: str, kek_id: str, content: bytes) -> None:
        """Takes the key.

        Args:
            key_id: Names it in records; letters, digits and `-`.
            kek_id: Names the key-encryption key that it was opened with, in records made now.
            content: Its 32 bytes.
        """
        self._cipher = AESGCM(content)
        self._kek_id = kek_id
        self.key_id = key_id

    def __repr__(self) -> str:
        return f"DataKey({self.key_id})"

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place."""
        head = f"{_VERSION}.{self._kek_id}.{self.key_id}."
        sealed = encrypt(self._cipher, content, (head + place).encode())
        return head + base64.urlsafe_b64encode(sealed).decode()

    def open(self, record: str, place: str) -> bytes:
        """Opens what was sealed for a place.

        Raises:
            SealBroken: It is another key's or another place's, or was changed.
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
