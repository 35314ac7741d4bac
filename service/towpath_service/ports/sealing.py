"""What keeps secrets of the service sealed where they are stored."""

from __future__ import annotations

from typing import Protocol


class Sealer(Protocol):
    """Seals and opens; what is sealed for one place opens for that place only."""

    def seal(self, content: bytes, place: str) -> str:
        """Seals content for a place, such as "server_key/signing/{id}"."""
        ...

    def open(self, sealed: str, place: str) -> bytes:
        """Opens what was sealed for a place.

        Raises:
            ServiceError: KEY_UNUSABLE: it was sealed with another key, or has been tampered with.
        """
        ...
