"""Logging within runs, under the name that Prefect has for its module."""

from __future__ import annotations

from towpath._engine.run_logging import get_run_logger

__all__ = ["get_run_logger"]
