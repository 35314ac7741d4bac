"""The decorator that makes a function a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from towpath._definitions.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta

    from towpath._definitions.options import Delay, NameOption, Seconds
    from towpath._results.cache_policies import CachePolicy
    from towpath._results.policy import Serializer, Storage
    from towpath._runs.context import RunContext

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["task"]


@overload
def task(fn: Callable[P, R], /, **options: Any) -> Task[P, R]: ...
@overload
def task(
    *,
    name: str | None = ...,
    description: str | None = ...,
    version: str | None = ...,
    tags: Iterable[str] = ...,
    task_run_name: NameOption = ...,
    retries: int | None = ...,
    retry_delay_seconds: Delay = ...,
    retry_jitter_factor: float | None = ...,
    retry_condition_fn: Callable[..., bool] | None = ...,
    timeout_seconds: Seconds | None = ...,
    log_prints: bool | None = ...,
    persist_result: bool | None = ...,
    result_serializer: Serializer | None = ...,
    result_storage: Storage | None = ...,
    result_storage_key: str | None = ...,
    cache_result_in_memory: bool | None = ...,
    cache_policy: CachePolicy | None = ...,
    cache_key_fn: Callable[[RunContext, dict[str, Any]], str | None] | None = ...,
    cache_expiration: timedelta | None = ...,
    refresh_cache: bool | None = ...,
    viz_return_value: Any = ...,
    on_completion: Sequence[Callable[..., Any]] = ...,
    on_failure: Sequence[Callable[..., Any]] = ...,
    on_cancellation: Sequence[Callable[..., Any]] = ...,
    on_crashed: Sequence[Callable[..., Any]] = ...,
    on_running: Sequence[Callable[..., Any]] = ...,
    on_commit: Sequence[Callable[..., Any]] = ...,
    on_rollback: Sequence[Callable[..., Any]] = ...,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a function a task.

    Args:
        fn: The function; sync, async, or a generator of either kind.
        **options: `name`, `description`, `version`, `tags`, `task_run_name` (a template over the
            parameters, or a callable), `retries`, `retry_delay_seconds` (seconds: one number, one
            for each retry, or a callable of the number of retries), `retry_jitter_factor`,
            `retry_condition_fn`, `timeout_seconds`, `log_prints` (None: as the run around it),
            `persist_result`, `result_serializer` ("json", "pickle", either after "compressed/", or
            an object of `towpath.serializers`), `result_storage` (a folder, an
            address, or an object of `towpath.filesystems`), `result_storage_key`
            (a template), `cache_result_in_memory` (False: once a submitted run's result is kept,
            it is read back when it is asked for), `cache_policy` (see
            `towpath.cache_policies`), `cache_key_fn`, `cache_expiration`, `refresh_cache`,
            `viz_return_value` (an example of the result, for `Flow.visualize`), and hooks:
            `on_completion`, `on_failure`, `on_cancellation`, `on_crashed`, `on_running`, and
            for transactions `on_commit`, `on_rollback`.

    Returns:
        The task; without a function, a decorator that makes it.

    Raises:
        DefinitionError: An option is unknown or has an invalid value.
    """
    if fn is not None:
        return Task(fn, **options)

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        return Task(function, **options)

    return decorate
