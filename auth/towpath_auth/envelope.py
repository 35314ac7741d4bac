"""Envelope encryption of secrets at rest."""

from towpath_auth._envelope import (
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
    "VARIABLE",
    "Envelope",
    "KeyEncryptionKey",
    "KeyFileUnusable",
    "LocalKey",
    "SealBroken",
    "key_file",
    "key_text",
]
