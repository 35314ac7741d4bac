"""The current run, and the tags that new runs get."""

from __future__ import annotations

from towpath._runs.context import RunContext, get_run_context, tags

__all__ = ["RunContext", "get_run_context", "tags"]
