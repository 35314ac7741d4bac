"""Tasks, under the name that Prefect has for their module, and what their options take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath._definitions.task import Task, task
from towpath.cache_policies import INPUTS, TASK_SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath.context import RunContext

__all__ = ["Task", "exponential_backoff", "task", "task_input_hash"]


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """For `retry_delay_seconds`: 1, 2, 4, 8... times a number of seconds."""

    def delays(retries: int) -> list[float]:
        return [backoff_factor * max(0, 2**retry) for retry in range(min(retries, 50))]

    return delays


def task_input_hash(context: RunContext, arguments: dict[str, Any]) -> str | None:
    """For `cache_key_fn`: the same for the same task code and arguments.

    Raises:
        UnhashableInputError: An argument has no stable hash.
    """
    return (INPUTS + TASK_SOURCE).compute_key(context, arguments)
