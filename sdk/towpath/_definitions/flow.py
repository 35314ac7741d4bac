"""Flows: functions whose runs, and whose tasks' runs, are tracked."""

from __future__ import annotations

from importlib import import_module
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Generic,
    Literal,
    ParamSpec,
    TypeVar,
    cast,
    get_args,
    overload,
)

from towpath._class_cache import class_of
from towpath._definitions.deployable import Deployable
from towpath._definitions.flow_ids import flow_id_of
from towpath._definitions.options import (
    HOOKS,
    Definition,
    name_option,
    named,
    options_given,
    outcome_of,
    policy_of,
    tags_of,
)
from towpath._definitions.parameters import bind, validate
from towpath._definitions.sketch import Sketch, awaited_later, current_sketch
from towpath._engine.coroutines import loop_runs, whole
from towpath._redaction.clean import clean
from towpath._redaction.marking import shown_parameters
from towpath._results.cache_policies import NO_CACHE
from towpath._results.policy import policy_of_results
from towpath._runners.base import TaskRunner
from towpath._runners.named import runner_named
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from pathlib import Path

    from towpath._definitions.code_sources import CodeSource
    from towpath._definitions.options import Delay, NameOption, Seconds
    from towpath._results.policy import Serializer, Storage
    from towpath._runs.context import RunContext
    from towpath.states import State

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")
T = TypeVar("T")
FinalState = Literal["strict", "return_value"]

__all__ = ["Flow", "flow"]


class Flow(Deployable, Definition, Generic[P, R_co]):
    """A function whose runs are tracked."""

    fn: Callable[P, R_co]

    def __init__(  # noqa: PLR0913 - Prefect's options
        self,
        fn: Callable[P, R_co],
        *,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        tags: Iterable[str] = (),
        flow_run_name: NameOption = None,
        retries: int | None = None,
        retry_delay_seconds: Delay = None,
        retry_jitter_factor: float | None = None,
        retry_condition_fn: Callable[..., bool] | None = None,
        timeout_seconds: Seconds | None = None,
        log_prints: bool | None = None,
        persist_result: bool | None = None,
        result_serializer: Serializer | None = None,
        result_storage: Storage | None = None,
        cache_result_in_memory: bool | None = None,
        task_runner: TaskRunner | None = None,
        validate_parameters: bool = True,
        final_state: FinalState = "strict",
        **hooks: Any,
    ) -> None:
        """Wraps a function; see `flow`."""
        self._options = options_given(locals())
        super().__init__(fn, kind="flow")
        self.name = clean(name or self.__name__)
        # The exact name: two that differ in what is escaped are two flows.
        self.flow_id = flow_id_of(name or self.__name__)
        self.description = description or self.__doc__ or ""
        self._version = None if version is None else clean(version)
        self.tags = tags_of("flow", tags)
        self.log_prints = log_prints
        self.result_serializer = result_serializer
        self.result_storage = result_storage
        self.cache_result_in_memory = cache_result_in_memory
        self._task_runner = _runner(task_runner)
        self.should_validate_parameters = validate_parameters
        if final_state not in get_args(FinalState):
            raise DefinitionError(f"final_state is 'strict' or 'return_value', not {final_state!r}")
        self.final_state: FinalState = final_state
        self.policy = policy_of(
            "flow",
            retries=retries,
            delay=retry_delay_seconds,
            jitter=retry_jitter_factor,
            condition=retry_condition_fn,
            timeout_seconds=timeout_seconds,
            hooks=hooks,
        )
        self.result_policy = policy_of_results(
            f"flow {self.name!r}",
            persist_result=persist_result,
            serializer=result_serializer,
            storage=result_storage,
            cache_policy=NO_CACHE,
            in_memory=cache_result_in_memory,
        )
        self.flow_run_name = name_option("flow", "flow_run_name", flow_run_name)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Flow[P, R_co]: ...
    @overload
    def __get__(
        self: Flow[Concatenate[S, Q], R_co], instance: S, owner: type | None = None
    ) -> Flow[Q, R_co]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        bound = self._bound(instance, owner)
        return self if bound is None else self._of(bound, {"name": self.name})

    def roll_back_left(self, run: RunContext) -> None:
        """Rolls back what earlier attempts of a run have left within transactions."""
        from towpath._transactions.recovery import roll_back_left  # noqa: PLC0415 - for retries

        roll_back_left(run, run_id=run.run_id)

    def __repr__(self) -> str:
        return f"<flow {self.name!r}>"

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(
        self: Flow[..., Coroutine[Any, Any, T]],
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
    def __call__(  # type: ignore[misc] # a flow has no parameters of these names: see RESERVED
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Any = (),
        **kwargs: Any,
    ) -> Any:
        """Runs the flow and returns its result.

        Args:
            *args: Positional arguments of the function.
            return_state: Return the final state instead of the result, and raise no failure.
            wait_for: A future, or a list of futures, states and other values: runs that have to
                complete first.
            **kwargs: Keyword arguments of the function.

        Returns:
            The function's result, or the final state; of an async function, an awaitable of it.

        Raises:
            ParameterError: The arguments don't fit; nothing has run.
            FlowRunFailed: A task failed and the flow's code didn't handle the failure.
            BaseException: The exception that the function raised.
        """
        from towpath._engine import flow_calls  # noqa: PLC0415 - loads with the first call

        sketch = current_sketch.get()
        if sketch is not None:
            drawn = sketch.called(self.name, [args, kwargs, wait_for], None)
            return awaited_later(drawn) if self.is_async else drawn
        call = flow_calls.FlowCall(self, self._bound_arguments(args, kwargs), wait_for)
        if self.is_generator or self.is_async_generator:
            if return_state:
                raise DefinitionError(
                    f"{self.name} gives items one by one, so there is no state to return yet:"
                    " read its run with `towpath run inspect`"
                )
            return call.stream() if self.is_generator else call.stream_async()
        if self.is_async or (self.wraps_async and loop_runs()):
            return outcome_of(call.run_async(lenient=return_state), return_state)
        return call.run(lenient=return_state).outcome(return_state=return_state)

    def visualize(self, *args: Any, **kwargs: Any) -> str:
        """Returns the graph of the tasks that the flow calls, as a Mermaid flowchart.

        The flow's own code runs, no task does: placeholders stand for results, or the
        `viz_return_value` of tasks.

        Args:
            *args: Positional arguments of the function.
            **kwargs: Keyword arguments of the function.

        Raises:
            TowpathError: The flow's code needs a result for which nothing stands.
        """
        sketch = Sketch()
        token = current_sketch.set(sketch)
        try:
            outcome = self.invoke(self._bound_arguments(args, kwargs))
            if self.is_generator:
                list(outcome)
            else:
                whole(outcome)
        finally:
            current_sketch.reset(token)
        return sketch.mermaid()

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Returns arguments as JSON values; one that is no JSON becomes a text that names its type.

        Args:
            parameters: The arguments by parameter.
        """
        from pydantic_core import to_jsonable_python  # noqa: PLC0415 - few ask for it

        return {
            name: to_jsonable_python(each, fallback=_shown, serialize_unknown=False)
            for name, each in parameters.items()
        }

    @property
    def parameter_openapi_schema(self) -> dict[str, Any]:
        """The JSON Schema of the parameters.

        Raises:
            DefinitionError: A parameter can't be given by name, or an annotation can't be checked.
        """
        make: Any = import_module("towpath._deploy.schema").parameter_schema
        schema: dict[str, Any] = make(self)
        return schema

    def with_options(self, **options: Any) -> Flow[P, R_co]:
        """Returns a copy of the flow with other options.

        Args:
            **options: Options of `flow` to replace; the others stay.

        Raises:
            DefinitionError: An option is unknown or has an invalid value.
        """
        return cast("Flow[P, R_co]", self._of(self._original, options))

    @property
    def task_runner(self) -> TaskRunner:
        """The task runner; as the setting `task.runner` says where the option is not set."""
        if self._task_runner is not None:
            return self._task_runner
        from towpath._settings.current import settings_of_runs  # noqa: PLC0415 - declarations need no settings

        return runner_named(settings_of_runs().task_runner)

    def run_name(self, parameters: dict[str, Any]) -> str | None:
        """Returns the name of a run with these parameters; None without `flow_run_name`."""
        if self.flow_run_name is None:
            return None
        return named(self.flow_run_name, self.fn, shown_parameters(self.fn, parameters))

    @property
    def version(self) -> str | None:
        """The version of the flow, else a digest of its function's file; None without both."""
        return self.code_version or None

    @property
    def code_version(self) -> str:
        """Returns the flow's version, else a digest of its function's file; empty without both."""
        if self._version:
            return self._version
        from towpath._definitions.source import version_of  # noqa: PLC0415 - loads pathlib

        return version_of(self.fn)

    def validated(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Returns a call's arguments, converted as the annotations say, if the options say so.

        Args:
            parameters: The arguments by parameter.

        Raises:
            ParameterError: They don't fit.
        """
        if not self.should_validate_parameters:
            return parameters
        return self.validate_parameters(parameters)

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Returns arguments, converted as the annotations of the function say.

        Args:
            parameters: The arguments by parameter.

        Raises:
            ParameterError: They don't fit.
        """
        return validate(self.fn, parameters, owner=f"flow {self.name!r}")

    def _bound_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        return bind(self.fn, args, kwargs, owner=f"flow {self.name!r}")

    def _of(self, fn: Any, options: dict[str, Any]) -> Flow[..., Any]:
        hooks: dict[str, Any] = {
            name: self.policy.hooks[name] for name in HOOKS if name in self.policy.hooks
        }
        chosen: dict[str, Any] = {**self._options, **hooks, **options}
        made: Flow[..., Any] = Flow(fn, **chosen)
        made.code, made.entrypoint = self.code, self.entrypoint
        return made


def _shown(value: Any) -> str:
    """Stands for a value that is no JSON."""
    return f"<{class_of(value).__qualname__}>"


def _runner(runner: Any) -> TaskRunner | None:
    if runner is None:
        return None
    if isinstance(runner, type) and issubclass(runner, TaskRunner):
        return runner()
    if isinstance(runner, TaskRunner):
        return runner
    raise DefinitionError(
        f"task_runner is a runner of towpath.task_runners, such as ThreadPoolTaskRunner(), not"
        f" {runner!r}"
    )


class FlowDecorator:
    """The type of `flow`, which makes flows of functions, and loads flows from sources."""

    __slots__ = ()

    def __reduce__(self) -> str:
        """Pickles as the name of the only one."""
        return "flow"

    @overload
    def __call__(self, fn: Callable[P, R], /, **options: Any) -> Flow[P, R]: ...
    @overload
    def __call__(
        self,
        /,
        *,
        name: str | None = ...,
        description: str | None = ...,
        version: str | None = ...,
        tags: Iterable[str] = ...,
        flow_run_name: NameOption = ...,
        retries: int | None = ...,
        retry_delay_seconds: Delay = ...,
        retry_jitter_factor: float | None = ...,
        retry_condition_fn: Callable[..., bool] | None = ...,
        timeout_seconds: Seconds | None = ...,
        log_prints: bool | None = ...,
        persist_result: bool | None = ...,
        result_serializer: Serializer | None = ...,
        result_storage: Storage | None = ...,
        task_runner: TaskRunner | type[TaskRunner] | None = ...,
        validate_parameters: bool = ...,
        final_state: FinalState = ...,
        on_completion: Sequence[Callable[..., Any]] = ...,
        on_failure: Sequence[Callable[..., Any]] = ...,
        on_cancellation: Sequence[Callable[..., Any]] = ...,
        on_crashed: Sequence[Callable[..., Any]] = ...,
        on_running: Sequence[Callable[..., Any]] = ...,
    ) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
    def __call__(self, fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Makes a function a flow, or a decorator that does; `flow` lists the options."""
        if fn is not None:
            return Flow(fn, **options)

        def decorate(function: Callable[..., Any]) -> Flow[..., Any]:
            return Flow(function, **options)

        return decorate

    @staticmethod
    def from_source(source: str | Path | CodeSource, entrypoint: str) -> Flow[..., Any]:
        """Loads a flow from a repository or a folder, to be deployed or called.

        Args:
            source: Address of a git repository, a folder, or a source of `towpath.client`.
            entrypoint: Place of the flow in it, "path/file.py:flow".

        Returns:
            The flow. Workers load it from the same source.

        Raises:
            DefinitionError: It can't be loaded.
        """
        load: Any = Flow.from_source
        loaded: Flow[..., Any] = load(source, entrypoint)
        return loaded


flow: Final = FlowDecorator()
"""Makes a function a flow.

Args:
    fn: The function; sync, async, or a generator of either kind.
    **options: `name`, `description`, `version`, `tags`, `flow_run_name`, `retries`,
        `retry_delay_seconds`, `retry_jitter_factor`, `retry_condition_fn`,
        `timeout_seconds`, `log_prints` (None: as the run around it), `persist_result`
        (of the flow, and of its tasks unless they set it themselves), `result_serializer`
        (a name or an object of `towpath.serializers`), `result_storage` (a folder),
        `cache_result_in_memory` (without effect: the caller gets the result), `task_runner`,
        `validate_parameters`, `final_state` ("strict": a task's failure that the flow's code didn't
        handle fails the flow; "return_value": only its return value or exception counts), and
        hooks: `on_completion`, `on_failure`,
        `on_cancellation`, `on_crashed`, `on_running`.

Returns:
    The flow; without a function, a decorator that makes it.

Raises:
    DefinitionError: An option is unknown or has an invalid value.
"""
