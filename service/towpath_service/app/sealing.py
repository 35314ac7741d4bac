"""Which key the service's secrets are sealed with."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from towpath_auth.envelope import (
    VARIABLE,
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

from towpath_service.domain.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from towpath_service.ports.sealing import RecordSealer

KEY_FILE: Final = "server.key"
"""Name of the file in the Towpath home, where no other is named."""

HOOK: Final = "towpath.key_encryption_key"
"""Entry points of this group make a key-encryption key, one in a key management service."""


class EnvelopeSealer:
    """Seals by envelope encryption."""

    def __init__(self, keys: Sequence[KeyEncryptionKey]) -> None:
        """Takes the keys, the one that seals first."""
        self._envelope = Envelope(keys)

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place."""
        return self._envelope.seal(content, place)

    def open(self, sealed: str, place: str) -> bytes:
        """Opens what was sealed for a place; raises KEY_UNUSABLE."""
        try:
            return self._envelope.open(sealed, place)
        except SealBroken as error:
            raise _broken(place) from error

    def new_data_key(self, place: str) -> str:
        """Makes a data key, and seals it for a place."""
        return self.seal(new_data_key(), place)

    def data_key(self, sealed: str, place: str, key_id: str) -> RecordSealer:
        """A data key, by what `new_data_key` made; raises KEY_UNUSABLE as `open`."""
        return DataKeySealer(DataKey(key_id, self._envelope.key_id, self.open(sealed, place)))


class DataKeySealer:
    """Seals records with a data key."""

    def __init__(self, key: DataKey) -> None:
        """Takes the key."""
        self._key = key

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place."""
        return self._key.seal(content, place)

    def open(self, sealed: str, place: str) -> bytes:
        """Opens what was sealed for a place; raises KEY_UNUSABLE."""
        try:
            return self._key.open(sealed, place)
        except SealBroken as error:
            raise _broken(place) from error


def in_memory() -> EnvelopeSealer:
    """What seals for a database that ends with its process."""
    return EnvelopeSealer([LocalKey(new_data_key())])


def sealer(home: Path, named: Path | None, *, make: bool) -> EnvelopeSealer:
    """What seals the secrets of a service: a hook, the environment, or a file, whichever is first.

    Args:
        home: The Towpath home.
        named: A file that was named.
        make: Whether to make the file when there is none.

    Raises:
        ServiceError: KEY_UNUSABLE, saying what to do.
    """
    return EnvelopeSealer([key_encryption_key(home, named, make=make)])


def key_encryption_key(home: Path, named: Path | None, *, make: bool) -> KeyEncryptionKey:
    """The key that `sealer` uses; raises as it does."""
    try:
        if named is not None:
            return key_file(named, make=make)
        for hook in entry_points(group=HOOK):
            key: KeyEncryptionKey = hook.load()()
            return key
        text = os.environ.get(VARIABLE)
        return key_text(text, VARIABLE) if text else key_file(home / KEY_FILE, make=make)
    except KeyFileUnusable as error:
        raise ServiceError(reason="KEY_UNUSABLE", message=str(error)) from error


def _broken(place: str) -> ServiceError:
    return ServiceError(
        reason="KEY_UNUSABLE",
        message=(
            f"the secret {place} doesn't open: the key-encryption key is another one than"
            f" it was sealed with, or the database was tampered with. Bring {KEY_FILE},"
            f" {VARIABLE} or --key-file back"
        ),
    )
