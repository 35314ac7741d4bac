"""Fixtures of the definitions' tests."""

from __future__ import annotations

from tests.unit.sdk.engine.conftest import runner

__all__ = ["runner"]
