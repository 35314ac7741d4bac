"""Envelope encryption of secrets at rest."""

from towpath_auth._data_key import DataKey, new_data_key
from towpath_auth._envelope import (
    KEY_BYTES,
    VARIABLE,
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
    "VARIABLE",
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
