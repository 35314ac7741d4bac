"""Logging within runs, under the name that Prefect has for its module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._engine.run_logging import disable_run_logger, get_logger, get_run_logger
from towpath._prefect_names.refusals import refusing

__all__ = ["disable_run_logger", "get_logger", "get_run_logger"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
