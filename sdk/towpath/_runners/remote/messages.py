"""Messages between the flow's process and a worker, for pipes and for Dask."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import cloudpickle

from towpath._runs.failures import RemoteTrace, headline, keep_trace, restore_trace
from towpath.exceptions import ResultError, RunError

if TYPE_CHECKING:
    from towpath.states import State

_Pickler: Any = cast("Any", cloudpickle).Pickler


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The data of a run that a worker needs."""

    run_id: str
    name: str
    flow_id: str
    flow_name: str
    root_run_id: str
    parent_run_id: str
    tags: frozenset[str]
    inner_tags: frozenset[str]
    attempt: int
    log_prints: bool
    persist_result: bool
    flow_run: dict[str, Any] | None
    """Id, name, parameters and tags of the flow run around it."""
    traceparent: str = ""
    """The span of its attempt."""
    secrets: frozenset[str | bytes] = field(default=frozenset(), repr=False)
    """Sensitive values of the root run, in plain text."""
    deadline: float | None = None
    """When the time of the runs around it ends, seconds since the Unix epoch; None without a limit.

    It is a time of day, since a call may wait for a worker; a pause that begins later doesn't move
    it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report: a method of the Reporter, and its arguments."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunRun:
    """A run that didn't complete, of those that the function began."""

    name: str
    state: State[Any]
    handled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a call ended."""

    value: bytes | None
    """The pickled result, unless something was raised."""
    error: bytes | None = None
    trace: RemoteTrace | None = None
    failed_runs: list[BegunRun] = field(default_factory=list["BegunRun"])
    secrets: frozenset[str | bytes] = field(default=frozenset(), repr=False)
    """Sensitive values of the root run that the worker knows."""
    last: bool = False
    """Whether the worker takes no further calls."""


def dump(value: Any) -> bytes:
    """Pickles a message, with functions and classes of scripts by value."""
    data: bytes = cast("Any", cloudpickle).dumps(value)
    return data


def dump_result(value: Any) -> bytes:
    """Pickles a result.

    Raises:
        ResultError: The result can't be pickled.
    """
    try:
        return dump(value)
    except Exception as error:
        raise ResultError(
            f"the result, a {type(value).__qualname__}, can't be sent from its process:"
            f" {headline(error)}. Return plain values, or run the task in threads"
        ) from error


def dump_error(error: BaseException) -> bytes:
    """Pickles an exception; one that can't be pickled becomes a RunError with its text."""
    with contextlib.suppress(Exception):
        buffer = io.BytesIO()
        _PlainPickler(buffer).dump(error)
        cloudpickle.loads(buffer.getvalue())
        return buffer.getvalue()
    return dump(RunError(headline(error)))


class _PlainPickler(_Pickler):  # type: ignore[misc] # It is untyped.
    """Pickles exceptions as Python does.

    Dask has all exceptions pickled with their tracebacks, which takes more depth than Python has
    for code of a few hundred frames. Tracebacks are sent as text (`keep_trace`).
    """

    @property
    def dispatch_table(self) -> dict[Any, Any]:
        """How objects are pickled, by class; Python looks at it once."""
        return {
            kind: reducer
            for kind, reducer in _Pickler.dispatch_table.items()
            if not (isinstance(kind, type) and issubclass(kind, BaseException))
        }


def load_error(ended: Ended) -> BaseException:
    """Returns the exception that ended a call."""
    assert ended.error is not None
    try:
        error: BaseException = cloudpickle.loads(ended.error)
    except Exception as problem:  # noqa: BLE001 - an exception's class may do anything
        error = RunError(f"the task raised an exception that can't be read: {headline(problem)}")
    if ended.trace is not None:
        restore_trace(error, ended.trace)
    return error


def raised(
    error: BaseException, failed_runs: list[BegunRun], secrets: frozenset[str | bytes]
) -> Ended:
    """Makes the message for a call that raised."""
    return Ended(
        value=None,
        error=dump_error(error),
        trace=keep_trace(error),
        failed_runs=failed_runs,
        secrets=secrets,
    )
