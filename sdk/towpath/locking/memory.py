"""Locks between the threads and coroutines of one process."""

from __future__ import annotations

from towpath._results.locks.memory import MemoryLockManager

__all__ = ["MemoryLockManager"]
