"""Tasks: functions whose calls are tracked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from towpath._options import delays_of, hooks_of, named
from towpath.annotations import unmapped
from towpath.exceptions import ParameterError

if TYPE_CHECKING:
    from towpath.futures import Future, FutureList
    from towpath.states import State

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["Task", "task"]


class Task(Generic[P, R]):
    """A function whose calls are tracked, retried and timed."""

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        tags: Iterable[str] = (),
        task_run_name: str | Callable[[], str] | None = None,
        retries: int = 0,
        retry_delay_seconds: float | Sequence[float] | Callable[[int], Sequence[float]] = 0,
        retry_jitter_factor: float = 0.0,
        retry_condition_fn: Callable[..., bool] | None = None,
        timeout_seconds: float | None = None,
        log_prints: bool = False,
        **hooks: Any,
    ) -> None:
        """Wraps a function; see `task`."""
        # The policy's module is part of the engine, which loads with the first task.
        from towpath._engine.attempts import Policy  # noqa: PLC0415 - see above

        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name = name or fn.__name__
        self.description = description or inspect.getdoc(fn) or ""
        self.version = version
        self.tags = frozenset(tags)
        self.task_key = f"{fn.__module__}.{fn.__qualname__}"
        self.is_async = inspect.iscoroutinefunction(fn)
        self.log_prints = log_prints
        self.policy = Policy(
            retries=retries,
            delays=delays_of(retries, retry_delay_seconds),
            jitter=retry_jitter_factor,
            condition=retry_condition_fn,
            timeout_seconds=timeout_seconds,
            hooks=hooks_of("task", hooks),
        )
        self._template = task_run_name
        self._options: dict[str, Any] = {
            "name": name,
            "description": description,
            "version": version,
            "tags": tags,
            "task_run_name": task_run_name,
            "retries": retries,
            "retry_delay_seconds": retry_delay_seconds,
            "retry_jitter_factor": retry_jitter_factor,
            "retry_condition_fn": retry_condition_fn,
            "timeout_seconds": timeout_seconds,
            "log_prints": log_prints,
            **hooks,
        }

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return self.with_fn(MethodType(self.fn, instance))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the task here and now, and returns its result."""
        from towpath._engine import task_runs  # noqa: PLC0415 - loads with the first call

        return_state = bool(kwargs.pop("return_state", False))
        if self.is_async:
            return _awaited(task_runs.call_async(self, args, kwargs), return_state)  # type: ignore[return-value]
        child = task_runs.call(self, args, kwargs)
        return cast("R", _outcome(child, return_state))

    def submit(
        self,
        *args: Any,
        wait_for: Iterable[Future[Any]] = (),
        **kwargs: Any,
    ) -> Future[R]:
        """Submits a call to the flow's task runner; futures may stand anywhere in arguments."""
        from towpath._engine import task_runs  # noqa: PLC0415 - loads with the first call
        from towpath._parameters import bind  # noqa: PLC0415 - see above

        parameters = bind(self.fn, args, kwargs, owner=f"task {self.name!r}")
        return task_runs.submit(self, parameters, wait_for=list(wait_for))

    def map(
        self,
        *args: Any,
        wait_for: Iterable[Future[Any]] = (),
        **kwargs: Any,
    ) -> FutureList[R]:
        """Submits a call for each item; arguments in `unmapped`, and strings, go to every call.

        Raises:
            ParameterError: Nothing can be mapped over, or lengths differ.
        """
        from towpath._engine import task_runs  # noqa: PLC0415 - loads with the first call
        from towpath._parameters import bind  # noqa: PLC0415 - see above
        from towpath.futures import FutureList  # noqa: PLC0415 - see above

        parameters = bind(self.fn, args, kwargs, owner=f"task {self.name!r}")
        mapped = {name: list(value) for name, value in parameters.items() if _mappable(value)}
        lengths = {name: len(items) for name, items in mapped.items()}
        if not lengths:
            raise ParameterError(f"{self.name}.map: no argument is a list to map over")
        if len(set(lengths.values())) > 1:
            raise ParameterError(f"{self.name}.map: lengths differ: {lengths}")
        waits = list(wait_for)
        return FutureList(
            task_runs.submit(
                self,
                {**parameters, **{name: items[index] for name, items in mapped.items()}},
                wait_for=waits,
                mapped=True,
            )
            for index in range(next(iter(lengths.values())))
        )

    def with_options(self, **options: Any) -> Task[P, R]:
        """The same task with other options."""
        return Task(self.fn, **{**self._options, **options})

    def with_fn(self, fn: Any) -> Task[..., R]:
        """The same task of another function, for methods."""
        bound: Task[..., R] = Task(fn, **{**self._options, "name": self.name})
        return bound

    def on_completion(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorates a function to be called when a run completes."""
        return self._add_hook("on_completion", hook)

    def on_failure(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorates a function to be called when a run fails."""
        return self._add_hook("on_failure", hook)

    def run_name(self, parameters: dict[str, Any]) -> str | None:
        """The name of a run, if it is to have one of its own."""
        return named(self._template, parameters)

    def invoke(self, parameters: dict[str, Any]) -> Any:
        """Calls the function."""
        if not parameters:
            return self.fn()  # type: ignore[call-arg]
        from towpath._parameters import signature_of  # noqa: PLC0415 - see __call__

        arguments = inspect.BoundArguments(signature_of(self.fn), parameters)
        return self.fn(*arguments.args, **arguments.kwargs)

    def _add_hook(self, event: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        self.policy.hooks.setdefault(event, []).append(hook)
        return hook


def _outcome(child: Any, return_state: bool) -> Any:
    state: State[Any] = child.state
    if return_state:
        child.handle()
        return state
    if not state.is_completed():
        child.handle()
    return state.result()


async def _awaited(calling: Any, return_state: bool) -> Any:
    return _outcome(await calling, return_state)


def _mappable(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | dict | unmapped)


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(
    *,
    name: str | None = ...,
    description: str | None = ...,
    version: str | None = ...,
    tags: Iterable[str] = ...,
    task_run_name: str | Callable[[], str] | None = ...,
    retries: int = ...,
    retry_delay_seconds: float | Sequence[float] | Callable[[int], Sequence[float]] = ...,
    retry_jitter_factor: float = ...,
    retry_condition_fn: Callable[..., bool] | None = ...,
    timeout_seconds: float | None = ...,
    log_prints: bool = ...,
    on_completion: Sequence[Callable[..., Any]] = ...,
    on_failure: Sequence[Callable[..., Any]] = ...,
    on_cancellation: Sequence[Callable[..., Any]] = ...,
    on_running: Sequence[Callable[..., Any]] = ...,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a function a task.

    Args:
        fn: The function; sync or async.
        **options: `name`, `description`, `version`, `tags`, `task_run_name` (a template over the
            parameters, or a callable), `retries`, `retry_delay_seconds` (seconds: one number, one
            for each retry, or a callable of the number of retries), `retry_jitter_factor`,
            `retry_condition_fn`, `timeout_seconds`, `log_prints`, and hooks.

    Raises:
        DefinitionError: There is no such option.
    """
    if fn is not None:
        return Task(fn, **options)
    return lambda function: Task(function, **options)
