"""The storage that a tenant uses, and its limit; used by ingestion and quotas."""

from __future__ import annotations

from typing import NamedTuple


class Stored(NamedTuple):
    """The bytes that a tenant stores, and its limit in bytes."""

    used: int
    limit: int

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return self.used >= self.limit
