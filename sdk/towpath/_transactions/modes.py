"""When transactions commit, and what has become of them."""

from __future__ import annotations

from enum import StrEnum


class CommitMode(StrEnum):
    """When a transaction commits."""

    EAGER = "EAGER"
    """At the end of its block, also within another transaction."""
    LAZY = "LAZY"
    """With the outermost transaction around it; at the end of its block without one."""
    OFF = "OFF"
    """When its `commit` is called, or with the transaction around it; else it is rolled back."""


class TransactionState(StrEnum):
    """What has become of a transaction."""

    PENDING = "PENDING"
    """Its block hasn't begun."""
    ACTIVE = "ACTIVE"
    """Its block has begun."""
    STAGED = "STAGED"
    """It has a value, which is kept when it commits."""
    COMMITTED = "COMMITTED"
    """It can't be rolled back any more, or was committed by an earlier run with its key."""
    ROLLED_BACK = "ROLLED_BACK"
    """Its rollback hooks have been called."""
