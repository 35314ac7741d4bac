"""Locks between the processes of a machine."""

from __future__ import annotations

from towpath._results.locks.files import FileSystemLockManager

__all__ = ["FileSystemLockManager"]
