"""What lock managers have in common."""

from __future__ import annotations

from towpath._results.locks.protocol import LockManager

__all__ = ["LockManager"]
