"""The current run, and the tags that new runs get."""

from __future__ import annotations

from contextlib import ContextDecorator, contextmanager, suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, Self, cast

from towpath._callables import whole_call
from towpath._clock import Clock, system_clock
from towpath._forks import generation, in_child
from towpath._redaction.clean import clean
from towpath._redaction.live import LiveSecrets
from towpath._redaction.marking import sensitive_parameters
from towpath.exceptions import MissingContextError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Generator, Iterable
    from types import TracebackType

    from towpath._delivery.directives import Directive
    from towpath._delivery.reports import Reporter
    from towpath._runs.budget import Budget
    from towpath._runs.cancellation import Cancellation
    from towpath._runs.children import Children
    from towpath._runs.interruption import Interruption
    from towpath._runs.loops import Loops, SharedLoop
    from towpath._runs.replay import Replay
    from towpath._runs.trace import Trace
    from towpath._settings.declared import Settings
    from towpath.states import State

RUN_LOGGER: Final = "towpath.runs"
"""Name of the logger that `get_run_logger` gives."""


class Runner(Protocol):
    """What a run needs of the task runner around it."""

    remote: ClassVar[bool]
    """Whether functions run elsewhere than in the thread that drives the run: by `perform`."""
    in_steps: ClassVar[bool]
    """Whether no thread waits for such functions: it is a `StepRunner` of the engine."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

    def run(self, work: Callable[[], None]) -> None:
        """Runs work that waits for nothing, now or later."""
        ...

    def run_in_loop(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        loop: SharedLoop,
        ended: Callable[[], None],
    ) -> None:
        """Runs async work in a loop, now or later; calls `ended` even if it never begins."""
        ...

    def perform(self, task: Any, run: RunContext, parameters: dict[str, Any]) -> Any:
        """Calls a task's function where it is to run, and returns its result."""
        ...

    def interrupt(self) -> None:
        """Stops what can be stopped, since the flow was interrupted."""
        ...

    def duplicate(self) -> Runner:
        """A runner of the same kind, for another flow run."""
        ...


# Calls of `dict[str, int]` and the like take ten times as long as those of `dict`.
_no_counts: Final = cast("Callable[[], dict[str, count[int]]]", dict)
_no_runs: Final = cast("Callable[[], list[RunContext]]", list)


@dataclass(slots=True, kw_only=True, eq=False)
class RunContext:
    """A run, as its own code and its hooks and conditions see it."""

    run_id: str
    kind: Literal["flow", "task"]
    name: str
    flow_id: str
    flow_name: str
    root_run_id: str
    parent_run_id: str
    reporter: Reporter
    parameters: dict[str, Any] = field(repr=False)
    tags: frozenset[str]
    children: Children
    owner: Any = None
    """The Flow or Task that it is a run of."""
    parent: RunContext | None = field(default=None, repr=False)
    runner: Runner | None = None
    attempt: int = 1
    fence: int = 0
    """Fence of the lease that it executes under; 0 for a run that no worker was given."""
    level: int = 0
    """Number of runs around it."""
    index: int = 0
    """Number of the call of its task within its parent, from 0."""
    submitted: bool = False
    """Whether it was submitted to the runner, not called."""
    mapped: bool = False
    """Whether it is one of a map."""
    log_prints: bool = False
    settings: Settings | None = field(default=None, repr=False)
    """Settings as its root run began; None in a process that runs its tasks."""
    persist_result: bool = False
    """Whether results are kept of tasks that don't set `persist_result`."""
    clock: Clock = system_clock
    created: float = 0.0
    """Seconds since the Unix epoch."""
    interruption: Interruption | None = None
    """Of the flow run."""
    cancellation: Cancellation | None = None
    """Of a flow run: whether its own end is requested."""
    pause_asked: Directive | None = field(default=None, repr=False)
    """A request to pause it that its code hasn't followed yet."""
    paused_revision: int = 0
    """Revision of the last such request that was followed."""
    budget: Budget | None = field(default=None, repr=False)
    """The time limit of its attempt; None without one."""
    ends: float | None = None
    """When its process is stopped, by the monotonic clock; None for no such time."""
    replay: Replay | None = field(default=None, repr=False)
    """The tasks that a retry runs again; None for none."""
    replays: bool = False
    """Whether it runs again, and what its code begins: a retry says so."""
    abandoned: bool = False
    """Whether it has passed to another process, and is to report nothing more."""
    loop: SharedLoop | None = field(default=None, repr=False)
    """Of an async flow run: the loop that its code runs in."""
    loops: Loops | None = field(default=None, repr=False)
    """Of a flow run: the loops in threads of its root run."""
    loop_depth: int = 0
    """Of a flow run: which of these loops its submitted tasks may run in, at the least."""
    secrets: LiveSecrets = field(default_factory=LiveSecrets, repr=False)
    """The sensitive values of its root run."""
    trace: Trace | None = field(default=None, repr=False)
    """Where its spans belong, if it has any."""
    counts: dict[str, count[int]] = field(default_factory=_no_counts, repr=False)
    forks: int = field(default_factory=generation, repr=False)
    """How many forks lay behind the process that began it."""

    ended: bool = False
    """Whether its final state is reported."""
    told_state: State[Any] | None = field(default=None, repr=False)
    """The state that its hooks are called for just now."""
    broken_by: BaseException | None = field(default=None, repr=False)
    """What broke in as its end was to be reported."""
    unended: list[RunContext] = field(default_factory=_no_runs, repr=False)
    """Runs within it whose ends it reports before its own."""
    at_end: list[Callable[[State[Any]], object]] | None = field(default=None, repr=False)
    """Of a task run: what is called with its final state, once; None for nothing."""
    transaction: Any = field(default=None, repr=False)
    """Of a task run: its part in a transaction. Of a flow run: the transaction around it."""

    @property
    def submits_to(self) -> Runner | None:
        """The task runner for what its code submits now."""
        return _runner.get() or self.runner

    @property
    def inherited(self) -> bool:
        """Whether this process was forked within the run, which then belongs to the parent."""
        return self.forks != generation()

    @property
    def silent(self) -> bool:
        """Whether this process reports nothing of the run any more."""
        return self.abandoned or self.forks != generation()

    def hide(self, parameters: dict[str, Any]) -> None:
        """Keeps its sensitive arguments from being seen."""
        sensitive = sensitive_parameters(self.owner.fn)
        if sensitive:
            call = whole_call(self.owner.fn, parameters)
            for name in sensitive:
                self.secrets.add(call.get(name))

    @property
    def id(self) -> str:
        """The run's id, under the name that Prefect's hooks use."""
        return self.run_id

    @property
    def run_count(self) -> int:
        """Number of the current attempt, from 1."""
        return self.attempt

    @property
    def flow_run(self) -> RunContext | None:
        """The flow run that this is, or the nearest one around it."""
        run: RunContext | None = self
        while run is not None and run.kind != "flow":
            run = run.parent
        return run

    @property
    def task_run(self) -> RunContext | None:
        """The task run that this is; None for a flow run."""
        return self if self.kind == "task" else None

    @property
    def flow(self) -> Any:
        """The flow that it is a run of, or whose run is around it; None without one."""
        run = self.flow_run
        return None if run is None else run.owner

    @property
    def task(self) -> Any:
        """The task that it is a run of; None for a flow run."""
        return self.owner if self.kind == "task" else None

    @property
    def start_time(self) -> dt.datetime:
        """When the run began."""
        import datetime as dt  # noqa: PLC0415 - declarations need no times

        return dt.datetime.fromtimestamp(self.created, dt.UTC)

    @property
    def expected_start_time(self) -> dt.datetime:
        """When the run began, under the name that Prefect's runs use."""
        return self.start_time

    @property
    def task_runner(self) -> Runner | None:
        """The task runner of the flow run that this is, or of the one around it."""
        return self.runner

    @property
    def state(self) -> State[Any]:
        """The state that a hook is called for; elsewhere that of a run that executes."""
        told = self.told_state
        if told is not None:
            return told
        from towpath.states import State  # noqa: PLC0415 - declarations need no states

        state: State[Any] = State("RUNNING", timestamp=self.created)
        return state.of_run(self.kind, self.run_id, self.name)

    def call_at_end(self, function: Callable[[State[Any]], object]) -> None:
        """Has a function called with the final state of this task run."""
        if self.at_end is None:
            self.at_end = []
        self.at_end.append(function)

    def tell_end(self, state: State[Any]) -> None:
        """Calls what is to be called with the final state."""
        told, self.at_end = self.at_end or [], None
        for function in told:
            function(state)

    def next_index(self, task_key: str) -> int:
        """Returns the number of the next call of a task within this run, from 0."""
        # Each of the two steps is atomic, so that threads get different numbers without a lock.
        return next(self.counts.setdefault(task_key, count()))


class FlowRunContext(RunContext):
    """A flow run, as its own code sees it."""

    __slots__ = ()

    @classmethod
    def get(cls) -> RunContext | None:
        """Returns the current flow run, also in the code of a task; None outside of flows."""
        run = current_run.get()
        return None if run is None else run.flow_run


class TaskRunContext(RunContext):
    """A task run, as its own code sees it."""

    __slots__ = ()

    @classmethod
    def get(cls) -> RunContext | None:
        """Returns the current task run; None outside of tasks."""
        run = current_run.get()
        return None if run is None else run.task_run


current_run: ContextVar[RunContext | None] = ContextVar("towpath_run", default=None)


def leave_run(token: Token[RunContext | None]) -> None:
    """Makes the run current again that was current before `token`."""
    # Python closes a coroutine that is left for good in any context.
    with suppress(ValueError):
        current_run.reset(token)


def named_in(run: RunContext, name: Callable[[dict[str, Any]], str | None]) -> str | None:
    """Returns the name of a run, made by code that finds the run as the current one."""
    token = current_run.set(run)
    try:
        return name(run.parameters)
    finally:
        current_run.reset(token)


_runner: ContextVar[Runner | None] = ContextVar("towpath_runner", default=None)


@contextmanager
def using(runner: Runner) -> Generator[None]:
    """Has a task runner take what is submitted within the context."""
    token = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(token)


_tags: ContextVar[frozenset[str]] = ContextVar("towpath_tags", default=frozenset())


def _unlock_in_child() -> None:
    """Another thread may have held a lock of the run that the forked code is in."""
    run = current_run.get()
    while run is not None:
        run.secrets.unlock_in_child()
        if run.interruption is not None:
            run.interruption.unlock_in_child()
        if run.cancellation is not None:
            run.cancellation.unlock_in_child()
        run = run.parent


in_child(_unlock_in_child)


def get_run_context() -> RunContext:
    """Returns the current run.

    Raises:
        MissingContextError: The code runs outside of a flow or task.
    """
    run = current_run.get()
    if run is None:
        raise MissingContextError(
            "there is no run here: call get_run_context() within a function decorated with @flow"
            " or @task"
        )
    return run


class tags(ContextDecorator):  # noqa: N801 - reads as a statement
    """Adds tags to all runs that begin within the context."""

    # No generator: `contextlib` assigns to an exception that passes, which some exceptions refuse.

    def __init__(self, *names: str) -> None:
        self._names = clean_tags(names)
        self._tokens: list[Token[frozenset[str]]] = []

    def __enter__(self) -> frozenset[str]:
        both = _tags.get() | self._names
        self._tokens.append(_tags.set(both))
        return both

    def __exit__(self, *_: object) -> None:
        _tags.reset(self._tokens.pop())

    def _recreate_cm(self) -> Self:
        # A decorated function may run in several threads at a time.
        return type(self)(*self._names)


def clean_tags(names: Iterable[str]) -> frozenset[str]:
    """Tags as reports can carry them."""
    return frozenset(clean(name) for name in names)


def current_tags() -> frozenset[str]:
    """Returns the tags that new runs get here."""
    return _tags.get()
