"""Flows: functions whose runs, and whose tasks' runs, are tracked."""

from __future__ import annotations

import functools
import inspect
import re
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from towpath._options import delays_of, hooks_of, named
from towpath.task_runners import TaskRunner, ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from towpath.states import State

P = ParamSpec("P")
R = TypeVar("R")
FinalState = Literal["strict", "return_value"]

__all__ = ["Flow", "flow"]


class Flow(Generic[P, R]):
    """A function whose runs are tracked."""

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        tags: Iterable[str] = (),
        flow_run_name: str | Callable[[], str] | None = None,
        retries: int = 0,
        retry_delay_seconds: float | Sequence[float] = 0,
        timeout_seconds: float | None = None,
        log_prints: bool = False,
        task_runner: TaskRunner | None = None,
        validate_parameters: bool = True,
        final_state: FinalState = "strict",
        **hooks: Any,
    ) -> None:
        """Wraps a function; see `flow`."""
        # The policy's module is part of the engine, which loads with the first flow.
        from towpath._engine.attempts import Policy  # noqa: PLC0415 - see above

        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name = name or fn.__name__
        self.flow_id = _slug(self.name)
        self.description = description or inspect.getdoc(fn) or ""
        self.version = version
        self.tags = frozenset(tags)
        self.is_async = inspect.iscoroutinefunction(fn)
        self.log_prints = log_prints
        self.task_runner: TaskRunner = task_runner or ThreadPoolTaskRunner()
        self.validate_parameters = validate_parameters
        self.final_state = final_state
        self.policy = Policy(
            retries=retries,
            delays=delays_of(retries, retry_delay_seconds),
            timeout_seconds=timeout_seconds,
            hooks=hooks_of("flow", hooks),
        )
        self._template = flow_run_name
        self._options: dict[str, Any] = {
            "name": name,
            "description": description,
            "version": version,
            "tags": tags,
            "flow_run_name": flow_run_name,
            "retries": retries,
            "retry_delay_seconds": retry_delay_seconds,
            "timeout_seconds": timeout_seconds,
            "log_prints": log_prints,
            "task_runner": task_runner,
            "validate_parameters": validate_parameters,
            "final_state": final_state,
            **hooks,
        }

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return Flow(MethodType(self.fn, instance), **{**self._options, "name": self.name})

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the flow and returns its result.

        Raises:
            ParameterError: The arguments don't fit; nothing has run.
            FlowRunFailed: A task failed and the flow's code didn't deal with it.
        """
        from towpath._engine import flow_runs  # noqa: PLC0415 - loads with the first call

        return_state = bool(kwargs.pop("return_state", False))
        if self.is_async:
            return _awaited(flow_runs.run_async(self, args, kwargs), return_state)  # type: ignore[return-value]
        return cast("R", _outcome(flow_runs.run(self, args, kwargs), return_state))

    def with_options(self, **options: Any) -> Flow[P, R]:
        """The same flow with other options."""
        return Flow(self.fn, **{**self._options, **options})

    def on_completion(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorates a function to be called when a run completes."""
        return self._add_hook("on_completion", hook)

    def on_failure(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Decorates a function to be called when a run fails."""
        return self._add_hook("on_failure", hook)

    def run_name(self, parameters: dict[str, Any]) -> str:
        """The name of a run."""
        return named(self._template, parameters) or self.name

    def _add_hook(self, event: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        self.policy.hooks.setdefault(event, []).append(hook)
        return hook


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
    return slug or "flow"


def _outcome(state: State[Any], return_state: bool) -> Any:
    from towpath.context import current_run  # noqa: PLC0415 - loads with the first call

    parent = current_run.get()
    if parent is not None:
        child = next(child for child in parent.children if child.state is state)
        if return_state or not state.is_completed():
            child.handle()
    return state if return_state else state.result()


async def _awaited(running: Any, return_state: bool) -> Any:
    return _outcome(await running, return_state)


@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...


@overload
def flow(
    *,
    name: str | None = ...,
    description: str | None = ...,
    version: str | None = ...,
    tags: Iterable[str] = ...,
    flow_run_name: str | Callable[[], str] | None = ...,
    retries: int = ...,
    retry_delay_seconds: float | Sequence[float] = ...,
    timeout_seconds: float | None = ...,
    log_prints: bool = ...,
    task_runner: TaskRunner | None = ...,
    validate_parameters: bool = ...,
    final_state: FinalState = ...,
    on_completion: Sequence[Callable[..., Any]] = ...,
    on_failure: Sequence[Callable[..., Any]] = ...,
    on_cancellation: Sequence[Callable[..., Any]] = ...,
    on_running: Sequence[Callable[..., Any]] = ...,
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...


def flow(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a function a flow.

    Args:
        fn: The function; sync or async.
        **options: `name`, `description`, `version`, `tags`, `flow_run_name`, `retries`,
            `retry_delay_seconds`, `timeout_seconds`, `log_prints`, `task_runner`,
            `validate_parameters`, `final_state` ("strict": a task's failure that the flow's code
            didn't deal with fails the flow; "return_value": only what it returns or raises
            counts), and hooks.

    Raises:
        DefinitionError: There is no such option.
    """
    if fn is not None:
        return Flow(fn, **options)
    return lambda function: Flow(function, **options)
