"""What the flow's process sends to one of its worker processes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function to be called."""

    task_number: int
    task: bytes | None
    """The pickled task; None when this worker has had it."""
    work: bytes
    """Pickled (RunFacts, parameters)."""
    setup: bytes | None = None
    """Pickled (initializer, its arguments), for the first call of a worker."""
