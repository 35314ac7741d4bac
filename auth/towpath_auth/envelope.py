"""Envelope encryption of secrets at rest, for the service and for hooks that bring a key."""

from towpath_auth._data_key import DataKey, new_data_key
from towpath_auth._envelope import (
    KEY_BYTES,
    Envelope,
    KeyEncryptionKey,
    KeyFileUnusable,
    LocalKey,
    SealBroken,
    key_file,
    key_text,
)

__all__ = [
    "KEY_BYTES",
    "DataKey",
    "Envelope",
    "KeyEncryptionKey",
    "KeyFileUnusable",
    "LocalKey",
    "SealBroken",
    "key_file",
    "key_text",
    "new_data_key",
]
