"""The run that code is in, and the tags in force."""

from __future__ import annotations

from towpath._runs.context import RunContext, get_run_context, tags

__all__ = ["RunContext", "get_run_context", "tags"]
