"""Lock managers, for `lock_manager` of cache policies, stores of results and transactions.

cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE", lock_manager=MemoryLockManager())
"""

from __future__ import annotations

from towpath._results.locks.protocol import LockManager

__all__ = ["LockManager"]
