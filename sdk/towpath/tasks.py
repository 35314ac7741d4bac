"""Tasks, under the name that Prefect has for their module, and what their options take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._definitions.task import Task
from towpath._definitions.task_decorator import task
from towpath._engine.policy import exponential_backoff
from towpath._prefect_names.refusals import refusing
from towpath._results.cache_policies import task_input_hash

__all__ = ["Task", "exponential_backoff", "task", "task_input_hash"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
