"""Fixtures of the suites that run on each database."""

from __future__ import annotations

from tests.in_process.fixtures import clock, edge, either, place, small

__all__ = ["clock", "edge", "either", "place", "small"]
