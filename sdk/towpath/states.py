"""States of runs, as user code gets them, and functions that make them.

A flow or task may return a state that it made, which then is the state of its run:

    return Failed(message="3 of 5 files are damaged")
"""

from __future__ import annotations

import datetime as dt
import re
import time as clock
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, cast

from towpath._frames import called_by_coroutine
from towpath._prefect_names.refusals import refusing
from towpath._state_type import StateType
from towpath.exceptions import FailedRun, RunCancelled, RunCrashed, RunError, UnfinishedRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

R = TypeVar("R")

__all__ = [
    "AwaitingRetry",
    "Cancelled",
    "Cancelling",
    "Completed",
    "Crashed",
    "Failed",
    "Paused",
    "Pending",
    "Retrying",
    "Running",
    "Scheduled",
    "State",
    "StateDetails",
    "StateType",
    "get_state_exception",
    "is_state",
    "is_state_iterable",
    "raise_state_exception",
]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)

_NAMES: Final = {each: each.title().replace("_", "") for each in StateType}
_NAMES_OF_REASONS: Final = {"CACHED": "Cached"}
_FAILED: Final = frozenset({StateType.FAILED, StateType.TIMED_OUT})
_LONGEST_REASON: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDetails:
    """Details of a state.

    Attributes:
        flow_run_id: Id of the flow run whose state it is; None for none, and in a state made by
            hand.
        task_run_id: Id of the task run whose state it is; the same.
        scheduled_time: Planned start of a scheduled run, or of its next attempt.
    """

    flow_run_id: str | None = None
    task_run_id: str | None = None
    scheduled_time: dt.datetime | None = None


class State(Generic[R]):
    """The state of a run, with its result or the exception that ended it.

    Attributes:
        type: The kind of state.
        name: The state for people, "Completed", "Cached" or "TimedOut".
        reason: Why the run is in this state, "CACHED"; empty without a reason of its own.
        message: An explanation for people; may be empty.
        value: The result of a completed run.
        exception: The exception that ended the run; None if there is none.
    """

    __slots__ = (
        "_details",
        "_load",
        "exception",
        "message",
        "name",
        "reason",
        "run_id",
        "run_kind",
        "run_name",
        "time",
        "type",
        "value",
    )

    type: StateType
    name: str
    reason: str
    message: str
    value: R | None
    exception: BaseException | None

    def __init__(
        self,
        type: StateType | str,  # noqa: A002 - Prefect's name
        name: str | None = None,
        *,
        message: str | None = None,
        data: Any = None,
        reason: str = "",
        value: R | None = None,
        exception: BaseException | None = None,
        state_details: StateDetails | None = None,
        timestamp: dt.datetime | float | None = None,
    ) -> None:
        """Makes a state by hand.

        Args:
            type: The kind of state.
            name: The state for people; None for the usual name of its kind.
            message: An explanation for people.
            data: The result, or the exception that ended the run.
            reason: Why, "CACHED"; empty for one that follows from a name of its own.
            value: The result.
            exception: The exception that ended the run.
            state_details: Details.
            timestamp: When the run came into the state; None for now.
        """
        kind = type if isinstance(type, StateType) else StateType(type)
        self.type = kind
        usual = _NAMES_OF_REASONS.get(reason, _NAMES[kind]) if reason else _NAMES[kind]
        self.name = usual if name is None else name
        self.reason = reason or ("" if name is None or name == usual else _reason_of(name))
        self.message = message or ""
        failed = kind is not StateType.COMPLETED and isinstance(data, BaseException)
        given: Any = data  # A result, or an exception.
        self.value = value if failed or data is None else given
        self.exception = given if failed else exception
        self._details = state_details
        self.time = (
            timestamp.timestamp()
            if isinstance(timestamp, dt.datetime)
            else (clock.time() if timestamp is None else timestamp)
        )
        self.run_id = self.run_kind = self.run_name = ""

    def leave_to(self, load: Callable[[], R]) -> None:
        """Lets the result go from memory.

        Args:
            load: Reads it back, each time that it is asked for.
        """
        self._load = load
        del self.value

    def __getattr__(self, name: str) -> Any:
        # Only what is not there comes here: a value that was let go.
        if name == "value":
            return object.__getattribute__(self, "_load")()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        names = [name for name in self.__slots__ if name != "_load" and hasattr(self, name)]
        return None, {name: getattr(self, name) for name in names}

    def of_run(self, kind: str, run_id: str, name: str) -> Self:
        """Notes the run whose state it is.

        Args:
            kind: "flow" or "task".
            run_id: Id of the run.
            name: Name of the run.
        """
        self.run_kind, self.run_id, self.run_name = kind, run_id, name
        return self

    @property
    def state_details(self) -> StateDetails:
        """The run whose state it is, and its planned start."""
        given = self._details or _NO_DETAILS
        if not self.run_id:
            return given
        if self.run_kind == "flow":
            return replace(given, flow_run_id=self.run_id)
        return replace(given, task_run_id=self.run_id)

    @property
    def data(self) -> Any:
        """The result of a completed run, or what a run that ended otherwise has in its place."""
        return self.exception if self.value is None else self.value

    @property
    def timestamp(self) -> dt.datetime:
        """When the run came into the state."""
        return dt.datetime.fromtimestamp(self.time, dt.UTC)

    def is_scheduled(self) -> bool:
        """Whether the run, or its next attempt, is planned for later."""
        return self.type in {StateType.SCHEDULED, StateType.RETRYING}

    def is_pending(self) -> bool:
        """Whether the run waits to begin."""
        return self.type is StateType.PENDING

    def is_running(self) -> bool:
        """Whether the run executes."""
        return self.type is StateType.RUNNING

    def is_completed(self) -> bool:
        """Whether the run ended as intended."""
        return self.type is StateType.COMPLETED

    def is_failed(self) -> bool:
        """Whether user code raised, a flow's tasks failed, or an attempt took too long."""
        return self.type in _FAILED

    def is_crashed(self) -> bool:
        """Whether the process that executed the run ended."""
        return self.type is StateType.CRASHED

    def is_cancelled(self) -> bool:
        """Whether the run was stopped before its end."""
        return self.type is StateType.CANCELLED

    def is_cancelling(self) -> bool:
        """Whether the run is to be stopped."""
        return self.type is StateType.CANCELLING

    def is_paused(self) -> bool:
        """Whether the run is paused."""
        return self.type is StateType.PAUSED

    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self.type.terminal

    def result(self, raise_on_failure: bool = True, *, retry_result_failure: bool = True) -> Any:
        """Returns the run's result; within an `async def`, an awaitable of it.

        Args:
            raise_on_failure: Raise the exception that ended the run; otherwise return it.
            retry_result_failure: Ignored; a result is never waited for.

        Returns:
            The result of a completed run; of another, with `raise_on_failure=False`, the exception.

        Raises:
            RunError: The run has not completed, and has no exception of its own.
            BaseException: The exception that ended the run.
        """
        del retry_result_failure
        if called_by_coroutine():
            return self.aresult(raise_on_failure)
        return result_of(self, raise_on_failure=raise_on_failure)

    async def aresult(
        self, raise_on_failure: bool = True, *, retry_result_failure: bool = True
    ) -> Any:
        """Returns the run's result, in async code; for the arguments see `result`."""
        del retry_result_failure
        return result_of(self, raise_on_failure=raise_on_failure)

    def __eq__(self, other: object) -> bool:
        theirs: Any = other
        if theirs.__class__ is not State:
            return NotImplemented
        return bool(self._parts() == theirs._parts())

    def __hash__(self) -> int:
        return hash((self.type, self.reason, self.message))

    def __repr__(self) -> str:
        # Without the result, which may be sensitive: representations end up in logs.
        return f"{self.name}(message={self.message!r}, type={self.type.value})"

    def __str__(self) -> str:
        shown = [repr(self.message)] if self.message else []
        if self.name != _NAMES[self.type]:
            shown.append(f"type={self.type.value}")
        return f"{self.name}({', '.join(shown)})"

    def _parts(self) -> tuple[Any, ...]:
        kind = (self.type, self.name, self.reason, self.message)
        return (*kind, self.value, self.exception, self.run_id, self._details)


_NO_DETAILS: Final = StateDetails()


def _reason_of(name: str) -> str:
    """A name of a state as a reason of the contract; empty where it can't be one."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).strip("_").upper()
    return words[:_LONGEST_REASON].rstrip("_") if re.match(r"[A-Z].", words) else ""


def result_of(state: State[Any], *, raise_on_failure: bool = True) -> Any:
    """Returns the result in a state, in code of every kind.

    Args:
        state: The state.
        raise_on_failure: Raise the exception that ended the run; otherwise return it.

    Raises:
        RunError: The run has not completed, and has no exception of its own.
        BaseException: The exception that ended the run.
    """
    if state.type is StateType.COMPLETED:
        return state.value
    exception = _exception_of(state)
    if raise_on_failure:
        raise exception
    return exception


def _exception_of(state: State[Any]) -> BaseException:
    """The exception in a state of a run that didn't complete."""
    if state.exception is not None:
        return state.exception
    held: Any = state.value
    if held.__class__ is State:
        return _exception_of(held)
    if is_state_iterable(held):
        wrong = [each for each in held if not each.is_completed()]
        return _exception_of(wrong[0]) if wrong else RunError(str(state))
    text: str = held if isinstance(held, str) else state.message
    if state.type is StateType.CRASHED:
        return RunCrashed(text or "Run crashed.")
    if state.type is StateType.CANCELLED:
        return RunCancelled(text or "Run cancelled.")
    if state.is_failed():
        return FailedRun(text or "Run failed.")
    if not state.is_final():
        return UnfinishedRun(f"the run is {state.type.value}, so its result is not available")
    return RunError(f"the run is {state.type.value}: {text}")


def get_state_exception(state: State[Any]) -> BaseException:
    """Returns the exception in the state of a run that failed, crashed or was cancelled.

    Args:
        state: The state; one that holds states has the exception of the first that failed.

    Raises:
        ValueError: The run has not ended that way.
    """
    if not (state.is_failed() or state.is_crashed() or state.is_cancelled()):
        raise ValueError(f"a state of a run that didn't complete is expected, not {state!r}")
    return _exception_of(state)


def raise_state_exception(state: State[Any]) -> None:
    """Raises the exception in the state of a run that failed, crashed or was cancelled.

    Args:
        state: The state; nothing is raised for one of another kind.
    """
    if state.is_failed() or state.is_crashed() or state.is_cancelled():
        raise _exception_of(state)


def is_state(value: object) -> bool:
    """Whether a value is a state."""
    return isinstance(value, State)


def is_state_iterable(value: object) -> bool:
    """Whether a value is a list, tuple or set of states, and not empty."""
    if not isinstance(value, list | tuple | set) or not value:
        return False
    return all(isinstance(each, State) for each in cast("Iterable[Any]", value))


def Scheduled(  # noqa: N802 - Prefect's name
    *, scheduled_time: dt.datetime | None = None, **options: Any
) -> State[Any]:
    """Makes a SCHEDULED state.

    Args:
        scheduled_time: Planned start; None for now.
        **options: `name`, `message` and `data`; see `State`.
    """
    when = dt.datetime.now(dt.UTC) if scheduled_time is None else scheduled_time
    options.setdefault("state_details", StateDetails(scheduled_time=when))
    return State(StateType.SCHEDULED, **options)


def AwaitingRetry(  # noqa: N802 - Prefect's name
    *, scheduled_time: dt.datetime | None = None, **options: Any
) -> State[Any]:
    """Makes the state of a run whose next attempt is planned; for the arguments see `Scheduled`."""
    options.setdefault("name", "AwaitingRetry")
    return Scheduled(scheduled_time=scheduled_time, **options)


def Pending(**options: Any) -> State[Any]:  # noqa: N802 - Prefect's name
    """Makes a PENDING state; `name`, `message` and `data` are options."""
    return State(StateType.PENDING, **options)


def Running(**options: Any) -> State[Any]:  # noqa: N802 - Prefect's name
    """Makes a RUNNING state; `name`, `message` and `data` are options."""
    return State(StateType.RUNNING, **options)


def Retrying(**options: Any) -> State[Any]:  # noqa: N802 - Prefect's name
    """Makes the RUNNING state of a further attempt; `name`, `message` and `data` are options."""
    options.setdefault("name", "Retrying")
    return State(StateType.RUNNING, **options)


def Paused(**options: Any) -> State[Any]:  # noqa: N802 - Prefect's name
    """Makes a PAUSED state; `name`, `message` and `data` are options."""
    return State(StateType.PAUSED, **options)


def Completed(**options: Any) -> State[Any]:  # noqa: N802 - Prefect's name
    """Makes a COMPLETED state; `name`, `message` and `data`, the result, are options."""
    return State(StateType.COMPLETED, **options)


def Failed(**options: Any) -> State[Any]:  # noqa: N802 - Prefect's name
    """Makes a FAILED state; `name`, `message` and `data`, an exception or text, are options."""
    return State(StateType.FAILED, **options)


def Crashed(**options: Any) -> State[Any]:  # noqa: N802 - Prefect's name
    """Makes a CRASHED state; `name`, `message` and `data`, an exception or text, are options."""
    return State(StateType.CRASHED, **options)


def Cancelling(**options: Any) -> State[Any]:  # noqa: N802 - Prefect's name
    """Makes a CANCELLING state; `name`, `message` and `data` are options."""
    return State(StateType.CANCELLING, **options)


def Cancelled(**options: Any) -> State[Any]:  # noqa: N802 - Prefect's name
    """Makes a CANCELLED state; `name`, `message` and `data`, an exception or text, are options."""
    return State(StateType.CANCELLED, **options)
