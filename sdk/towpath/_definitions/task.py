"""Tasks: functions whose calls are tracked; `task` of `task_decorator` makes them."""

from __future__ import annotations

from dataclasses import replace
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    TypeVar,
    cast,
    overload,
)

from towpath._definitions.options import (
    TASK_HOOKS,
    Definition,
    name_option,
    named,
    options_given,
    outcome_of,
    policy_of,
    tags_of,
)
from towpath._definitions.parameters import bind
from towpath._definitions.sketch import awaited_later, current_sketch
from towpath._definitions.transactional import Transactional
from towpath._engine.coroutines import loop_runs, whole
from towpath._prefect_names.refusals import AbsentMethod
from towpath._redaction.clean import clean
from towpath._redaction.marking import shown_parameters
from towpath._results.cache_policies import DEFAULT, NO_CACHE
from towpath._results.policy import policy_of_results
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Callable,
        Coroutine,
        Generator,
        Iterable,
    )
    from datetime import timedelta

    from towpath._definitions.options import Delay, NameOption, Seconds
    from towpath._results.cache_policies import CachePolicy
    from towpath._results.policy import Serializer, Storage
    from towpath._runs.context import RunContext
    from towpath._runs.futures import Future, FutureList
    from towpath.states import State

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")
T = TypeVar("T")

__all__ = ["Task"]


class Task(Transactional, Definition, Generic[P, R_co]):
    """A function whose calls are tracked, retried, timed and, if asked for, cached."""

    fn: Callable[P, R_co]

    def __init__(  # noqa: PLR0913 - Prefect's options
        self,
        fn: Callable[P, R_co],
        *,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        tags: Iterable[str] = (),
        task_run_name: NameOption = None,
        retries: int | None = None,
        retry_delay_seconds: Delay = None,
        retry_jitter_factor: float | None = None,
        retry_condition_fn: Callable[..., bool] | None = None,
        timeout_seconds: Seconds | None = None,
        log_prints: bool | None = None,
        persist_result: bool | None = None,
        result_serializer: Serializer | None = None,
        result_storage: Storage | None = None,
        result_storage_key: str | None = None,
        cache_result_in_memory: bool | None = None,
        cache_policy: CachePolicy | None = None,
        cache_key_fn: Callable[[RunContext, dict[str, Any]], str | None] | None = None,
        cache_expiration: timedelta | None = None,
        refresh_cache: bool | None = None,
        viz_return_value: Any = None,
        **hooks: Any,
    ) -> None:
        """Wraps a function; see `task`."""
        self._options = options_given(locals())
        super().__init__(fn, kind="task")
        self.name = clean(name or self.__name__)
        self.description = description or self.__doc__ or ""
        self.version = None if version is None else clean(version)
        self.tags = tags_of("task", tags)
        self.task_key = clean(f"{self.__module__}.{self.__qualname__}")
        self.awaited: bool = self.is_async or self.is_async_generator
        """Whether `body` returns a coroutine."""
        self.log_prints = log_prints
        self.viz_return_value = viz_return_value
        self.cache_key_fn = cache_key_fn
        self.cache_expiration = cache_expiration
        self.refresh_cache = refresh_cache
        self.result_serializer = result_serializer
        self.result_storage = result_storage
        self.result_storage_key = result_storage_key
        self.cache_result_in_memory = cache_result_in_memory
        self.policy = policy_of(
            "task",
            retries=retries,
            delay=retry_delay_seconds,
            jitter=retry_jitter_factor,
            condition=retry_condition_fn,
            timeout_seconds=timeout_seconds,
            hooks=hooks,
        )
        self.result_policy = policy_of_results(
            f"task {self.name!r}",
            persist_result=persist_result,
            serializer=result_serializer,
            storage=result_storage,
            storage_key=result_storage_key,
            in_memory=cache_result_in_memory,
            cache_policy=cache_policy,
            cache_key_fn=cache_key_fn,
            expiration=cache_expiration,
            refresh=refresh_cache,
        )
        self.task_run_name = name_option("task", "task_run_name", task_run_name)
        self.names_runs = self.task_run_name is not None
        """Whether runs have names of their own."""

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Task[P, R_co]: ...
    @overload
    def __get__(
        self: Task[Concatenate[S, Q], R_co], instance: S, owner: type | None = None
    ) -> Task[Q, R_co]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        bound = self._bound(instance, owner)
        return self if bound is None else self._of(bound, {"name": self.name})

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Any = (),
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State[T]]: ...
    @overload
    def __call__(
        self,
        *args: Any,
        return_state: Literal[True],
        wait_for: Any = (),
        **kwargs: Any,
    ) -> State[R_co]: ...
    @overload
    def __call__(self, *args: Any, wait_for: Any, **kwargs: Any) -> R_co: ...
    def __call__(  # type: ignore[misc] # a task has no parameters of these names: see RESERVED
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> Any:
        """Runs the task in this thread, and returns its result.

        Args:
            *args: Positional arguments of the function; futures in them are waited for.
            return_state: Return the final state instead of the result, and never raise.
            wait_for: A future, or a list of futures, states and other values: runs to wait for,
                besides those in the arguments.
            **kwargs: Keyword arguments of the function; futures in them are waited for.

        Returns:
            The function's result, or the final state; of an async function, an awaitable of it.

        Raises:
            UpstreamFailed: A run that this one waits for did not complete; nothing has run.
            BaseException: The exception that ended the run.
        """
        from towpath._engine.task_runs import call  # noqa: PLC0415 - loads with the first call

        if current_sketch.get() is not None:
            drawn = self._drawn([args, kwargs, wait_for])
            return awaited_later(drawn) if self.is_async else drawn
        if self.is_generator or self.is_async_generator:
            if return_state:
                raise DefinitionError(
                    f"{self.name} gives items one by one, so there is no state to return yet:"
                    " use .submit(return_state=True)"
                )
            from towpath._engine.task_runs import stream, stream_async  # noqa: PLC0415 - with a call

            begin = stream if self.is_generator else stream_async
            return begin(self, args, kwargs, wait_for)
        if self.is_async or (self.wraps_async and loop_runs()):
            from towpath._engine.task_runs import call_async  # noqa: PLC0415 - with a call

            return outcome_of(call_async(self, args, kwargs, wait_for), return_state)
        return call(self, args, kwargs, wait_for).outcome(return_state=return_state)

    @overload
    def submit(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> Future[T]: ...
    @overload
    def submit(
        self: Task[..., Generator[T, Any, Any]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> Future[list[T]]: ...
    @overload
    def submit(
        self: Task[..., AsyncGenerator[T, Any]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> Future[list[T]]: ...
    @overload
    def submit(
        self,
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> Future[R_co]: ...
    @overload
    def submit(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Any = (),
        **kwargs: Any,
    ) -> State[T]: ...
    @overload
    def submit(
        self,
        *args: Any,
        return_state: Literal[True],
        wait_for: Any = (),
        **kwargs: Any,
    ) -> State[R_co]: ...
    def submit(
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> Any:
        """Submits a call to the flow's task runner; futures may stand anywhere in arguments.

        Args:
            *args: Positional arguments of the function.
            return_state: Wait for the run and return its final state; no failure is raised.
            wait_for: A future, or a list of futures, states and other values: runs to wait for,
                besides those in the arguments.
            **kwargs: Keyword arguments of the function.

        Returns:
            The run's future, or its final state.

        Raises:
            MissingContextError: The call is outside of a flow.
            ParameterError: The arguments don't fit the function.
        """
        from towpath._engine.submissions import submit  # noqa: PLC0415 - loads with the first one

        if current_sketch.get() is not None:
            return self._drawn([args, kwargs, wait_for])
        future = submit(self, self.bind(args, kwargs), wait_for=wait_for)
        return future.final_state() if return_state else future

    @overload
    def map(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> FutureList[T]: ...
    @overload
    def map(
        self: Task[..., Generator[T, Any, Any]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> FutureList[list[T]]: ...
    @overload
    def map(
        self: Task[..., AsyncGenerator[T, Any]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> FutureList[list[T]]: ...
    @overload
    def map(
        self, *args: Any, return_state: Literal[False] = False, wait_for: Any = (), **kwargs: Any
    ) -> FutureList[R_co]: ...
    @overload
    def map(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Any = (),
        **kwargs: Any,
    ) -> list[State[T]]: ...
    @overload
    def map(
        self, *args: Any, return_state: Literal[True], wait_for: Any = (), **kwargs: Any
    ) -> list[State[R_co]]: ...
    def map(self, *args: Any, return_state: bool = False, wait_for: Any = (), **kwargs: Any) -> Any:
        """Submits a call for each item; arguments in `unmapped`, and strings, go to every call.

        So do dicts, models, classes and data frames. Defaults are never mapped over.

        Args:
            *args: Positional arguments of the function: iterables of one length, futures of such,
                or whole values.
            return_state: Wait for the runs and return their final states; no failure is raised.
            wait_for: Futures that each call waits for, besides those in its arguments.
            **kwargs: Keyword arguments of the function, of the same kinds.

        Returns:
            The futures of the calls, in the order of the items; or their final states.

        Raises:
            MissingContextError: The call is outside of a flow.
            ParameterError: No argument can be mapped over, or lengths differ.
            BaseException: What ended the run whose result was to be mapped over.
        """
        from towpath._engine import submissions  # noqa: PLC0415 - loads with the first map

        if current_sketch.get() is not None:
            return self._drawn([args, kwargs, wait_for])
        owner = f"task {self.name!r}"
        given = bind(self.fn, args, kwargs, owner=owner, defaults=False)
        futures = submissions.submit_each(self, given, wait_for=wait_for)
        return [future.final_state() for future in futures] if return_state else futures

    def with_options(self, **options: Any) -> Task[P, R_co]:
        """Returns a copy of the task with other options.

        Args:
            **options: Options of `task` to replace; the others stay.

        Raises:
            DefinitionError: An option is unknown or has an invalid value.
        """
        return cast("Task[P, R_co]", self._of(self._original, options))

    if not TYPE_CHECKING:
        delay, apply_async, serve, create_run = (AbsentMethod() for _ in range(4))

    @property
    def cache_policy(self) -> CachePolicy:
        """The policy that makes cache keys of runs whose results are kept."""
        return NO_CACHE if self.persist_result is False else self.result_policy.cache or DEFAULT

    def run_name(self, parameters: dict[str, Any]) -> str | None:
        """Returns the name of a run with these parameters; None without `task_run_name`."""
        return named(self.task_run_name, self.fn, shown_parameters(self.fn, parameters))

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Returns the arguments of a call by parameter, defaults included.

        Raises:
            ParameterError: They don't fit the function.
        """
        return bind(self.fn, args, kwargs, owner=f"task {self.name!r}")

    def body(self, parameters: dict[str, Any]) -> Any:
        """Calls the function and returns its whole result: of a generator, the list of items."""
        outcome = self.invoke(parameters)
        # What a plain function returns is its result, also a generator.
        if self.is_generator:
            return list(cast("Generator[Any, Any, Any]", outcome))
        if self.is_async_generator:
            return _collected(outcome)
        return outcome if self.is_async else whole(outcome)

    def _drawn(self, arguments: Any) -> Any:
        """What stands for the result of a call that is sketched."""
        sketch = current_sketch.get()
        assert sketch is not None
        return sketch.called(self.name, arguments, self.viz_return_value)

    def without_hooks(self) -> Task[..., Any]:
        """Returns the task as another process needs it, which calls no hooks or conditions of it.

        A task that is found by its name there is sent as it is.
        """
        if self._has_name() and self.__module__ != "__main__":
            return self
        sent: Task[..., Any] = object.__new__(type(self))
        sent.__dict__.update(self.__dict__)
        sent.policy = replace(self.policy, hooks={}, condition=None)
        sent._options = {**self._options, "retry_condition_fn": None}
        return sent

    def _of(self, fn: Any, options: dict[str, Any]) -> Task[..., Any]:
        hooks: dict[str, Any] = {
            name: self.policy.hooks[name] for name in TASK_HOOKS if name in self.policy.hooks
        }
        chosen: dict[str, Any] = {**self._options, **hooks, **options}
        return Task(fn, **chosen)


async def _collected(items: AsyncGenerator[Any, Any]) -> list[Any]:
    return [item async for item in items]
