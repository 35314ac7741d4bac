"""The current runs, and the tags that new runs get."""

from __future__ import annotations

from towpath._runs.context import (
    FlowRunContext,
    RunContext,
    TaskRunContext,
    get_run_context,
    tags,
)

__all__ = ["FlowRunContext", "RunContext", "TaskRunContext", "get_run_context", "tags"]
