"""The current runs, and the tags that new runs get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._prefect_names.refusals import refusing
from towpath._runs.context import (
    FlowRunContext,
    RunContext,
    TaskRunContext,
    get_run_context,
    tags,
)

__all__ = ["FlowRunContext", "RunContext", "TaskRunContext", "get_run_context", "tags"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
