"""How much a tenant stores, and may."""

from __future__ import annotations

from typing import NamedTuple


class Stored(NamedTuple):
    """What a tenant stores, and what it may: bytes."""

    used: int
    limit: int

    @property
    def is_full(self) -> bool:
        """Whether it may store no more."""
        return self.used >= self.limit
