"""Logging within runs, under the name that Prefect has for its module."""

from __future__ import annotations

from towpath._engine.run_logging import disable_run_logger, get_logger, get_run_logger

__all__ = ["disable_run_logger", "get_logger", "get_run_logger"]
