"""The ports that encrypt stored secrets: the service's own, and the data keys of tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.transactions import Transaction


class RecordSealer(Protocol):
    """Seals and opens records with a data key."""

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place."""
        ...

    def open(self, sealed: str, place: str) -> bytes:
        """Opens what was sealed for a place; raises KEY_UNUSABLE as `Sealer.open`."""
        ...


class Sealer(Protocol):
    """Seals and opens content; content sealed for one place opens for that place only."""

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place, such as "server_key/signing/{id}"."""
        ...

    def open(self, sealed: str, place: str) -> bytes:
        """Opens what was sealed for a place.

        Raises:
            ServiceError: KEY_UNUSABLE: it was sealed with another key, or has been tampered with;
                KEY_UNREACHABLE: the key is remote, and can't be reached now.
        """
        ...

    def new_data_key(self, place: str) -> str:
        """Makes a data key, and seals it for a place."""
        ...

    def data_key(self, sealed: str, place: str, key_id: str) -> RecordSealer:
        """Opens a data key that `new_data_key` made; raises as `open`."""
        ...


class Sealing(Protocol):
    """Opens the key-encryption key when it is first needed."""

    def __call__(self, *, make: bool) -> Sealer:
        """Returns the sealer.

        Args:
            make: Whether to make a key if there is none, as nothing was ever sealed.

        Raises:
            ServiceError: FEATURE_DISABLED when there is no key, and none may be made; KEY_UNUSABLE
                when there is one that can't be used.
        """
        ...


class Resealer(Protocol):
    """Seals anew all keys that one subject has sealed with the key-encryption key."""

    def __call__(self, transaction: Transaction, anew: Callable[[str, str], str], /) -> int:
        """Works on the transaction in which the service's own keys are sealed anew.

        Args:
            transaction: A transaction of the whole installation.
            anew: Takes a sealed key and its place; returns it sealed with the other key.

        Returns:
            The number of keys that were sealed anew.
        """
        ...
