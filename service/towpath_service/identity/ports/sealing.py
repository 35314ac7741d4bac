"""What keeps secrets sealed where they are stored: the service's own, and keys of tenants'."""

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
    """Seals and opens; what is sealed for one place opens for that place only."""

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place, such as "server_key/signing/{id}"."""
        ...

    def open(self, sealed: str, place: str) -> bytes:
        """Opens what was sealed for a place.

        Raises:
            ServiceError: KEY_UNUSABLE: it was sealed with another key, or has been tampered with;
                KEY_UNREACHABLE: the key is far away, and can't be asked now.
        """
        ...

    def new_data_key(self, place: str) -> str:
        """Makes a data key, and seals it for a place."""
        ...

    def data_key(self, sealed: str, place: str, key_id: str) -> RecordSealer:
        """A data key, by what `new_data_key` made; raises KEY_UNUSABLE as `open`."""
        ...


class Sealing(Protocol):
    """Gets hold of the key that all others are sealed with, when it is first needed."""

    def __call__(self, *, make: bool) -> Sealer:
        """What seals.

        Args:
            make: Whether a key may be made where there is none: nothing was ever sealed.

        Raises:
            ServiceError: FEATURE_DISABLED when there is no key, and none may be made; KEY_UNUSABLE
                when there is one that can't be used.
        """
        ...


class Resealer(Protocol):
    """Seals anew all that one subject has sealed with the key-encryption key."""

    def __call__(self, transaction: Transaction, anew: Callable[[str, str], str], /) -> int:
        """Works on the transaction in which the service's own keys are sealed anew.

        Args:
            transaction: One of the whole installation.
            anew: Takes what is sealed and its place; gives it sealed with the other key.

        Returns:
            How many were sealed anew.
        """
        ...
