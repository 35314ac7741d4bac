"""Fixtures of the tests of `towpath_service` that need no database server."""

from __future__ import annotations

from tests.in_process.fixtures import clock, small

__all__ = ["clock", "small"]
