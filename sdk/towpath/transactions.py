"""How far runs with one key are kept apart, for cache policies and stores of results."""

from __future__ import annotations

from towpath._results.isolation import IsolationLevel

__all__ = ["IsolationLevel"]
