"""Seals secrets by envelope encryption, with the key-encryption key of the installation.

It brings cryptography; `secret_keys` loads it when the first secret is sealed or opened.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from towpath_auth.envelope import (
    DataKey,
    Envelope,
    KeyEncryptionKey,
    KeyFileUnusable,
    LocalKey,
    SealBroken,
    key_file,
    key_text,
    new_data_key,
)

from towpath_service.app.identity.key_hooks import HOOK, hook_key, hook_names
from towpath_service.app.identity.key_sources import KEY_VARIABLE, KeySource
from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.identity.ports.sealing import RecordSealer

KEY_FILE: Final = "server.key"
"""Name of the key's file in the Towpath home."""


class EnvelopeSealer:
    """Seals by envelope encryption."""

    def __init__(self, keys: Sequence[KeyEncryptionKey]) -> None:
        """Makes a sealer.

        Args:
            keys: The keys that open; the first one also seals.
        """
        self._envelope = Envelope(keys)

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place; see `Sealer.seal`."""
        return self._envelope.seal(content, place)

    def open(self, sealed: str, place: str) -> bytes:
        """Opens content that was sealed for a place; see `Sealer.open`."""
        try:
            return self._envelope.open(sealed, place)
        except SealBroken as error:
            raise _broken(place) from error

    def new_data_key(self, place: str) -> str:
        """Makes a data key, and seals it for a place; see `Sealer.new_data_key`."""
        return self.seal(new_data_key(), place)

    def data_key(self, sealed: str, place: str, key_id: str) -> RecordSealer:
        """Opens a sealed data key; see `Sealer.data_key`."""
        return DataKeySealer(DataKey(key_id, self._envelope.key_id, self.open(sealed, place)))


class DataKeySealer:
    """Seals records with a data key."""

    def __init__(self, key: DataKey) -> None:
        """Makes a sealer of an open data key."""
        self._key = key

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place; see `RecordSealer.seal`."""
        return self._key.seal(content, place)

    def open(self, sealed: str, place: str) -> bytes:
        """Opens content that was sealed for a place; see `RecordSealer.open`."""
        try:
            return self._key.open(sealed, place)
        except SealBroken as error:
            raise _broken(place) from error


def in_memory() -> EnvelopeSealer:
    """Makes a sealer with a new key, for a database that ends with its process."""
    return EnvelopeSealer([LocalKey(new_data_key())])


def sealer(home: Path, named: KeySource | None, *, make: bool) -> EnvelopeSealer:
    """Makes the sealer of an installation.

    Args:
        home: The Towpath home.
        named: The source of its key; None for the first of a hook, the environment variable, and
            the file in the home.
        make: Whether to make the key's file when there is none.

    Raises:
        ServiceError: KEY_UNUSABLE or KEY_UNREACHABLE; the message says what to do.
    """
    return EnvelopeSealer([key_encryption_key(named or _usual(home), make=make)])


def key_encryption_key(source: KeySource, *, make: bool) -> KeyEncryptionKey:
    """Loads the key of a source; raises as `sealer`."""
    try:
        if source.kind == "hook":
            return hook_key(source.name)
        if source.kind == "env":
            return key_text(os.environ.get(source.name, ""), source.name)
        return key_file(Path(source.name), make=make)
    except KeyFileUnusable as error:
        raise ServiceError(reason="KEY_UNUSABLE", message=str(error)) from error


def _usual(home: Path) -> KeySource:
    hooks = hook_names()
    if len(hooks) > 1:
        raise ServiceError(
            reason="KEY_UNUSABLE",
            message=(
                f"there are the hooks {' and '.join(hooks)} in the group {HOOK}, and only one can"
                " have the key: uninstall the packages of the others"
            ),
        )
    if hooks:
        return KeySource("hook", hooks[0])
    if os.environ.get(KEY_VARIABLE):
        return KeySource("env", KEY_VARIABLE)
    return KeySource("file", str(home / KEY_FILE))


def _broken(place: str) -> ServiceError:
    return ServiceError(
        reason="KEY_UNUSABLE",
        message=(
            f"the secret {place} doesn't open: the key-encryption key is another one than"
            f" it was sealed with, or the database was tampered with. Bring {KEY_FILE},"
            f" {KEY_VARIABLE}, --key-file or the hook of {HOOK} back"
        ),
    )
