"""What the flow's process sends to a worker: a task, what is known of its run, and arguments."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from towpath._runners.remote.messages import RunFacts, dump
from towpath._runs.context import current_tags
from towpath._runs.failures import headline
from towpath._runs.time_left import remaining_of
from towpath.exceptions import ParameterError

if TYPE_CHECKING:
    from towpath._engine.definitions import TaskDefinition
    from towpath._runs.context import RunContext

_MOST_PARAMETER_BYTES: Final = 16 * 1024


class Pickler:
    """Pickles the calls of one flow run; safe to use from any thread."""

    def __init__(self) -> None:
        self._tasks: dict[int, tuple[TaskDefinition, bytes]] = {}
        self._flow_run: dict[str, Any] | None = None
        self._lock = threading.Lock()

    def task(self, task: TaskDefinition) -> bytes:
        """A task, pickled once.

        Raises:
            ParameterError: It can't be pickled.
        """
        with self._lock:
            if id(task) not in self._tasks:
                try:
                    self._tasks[id(task)] = (task, dump(task.without_hooks()))
                except Exception as error:
                    raise ParameterError(
                        f"task {task.name!r} can't be sent to another process:"
                        f" {headline(error)}. Keep what can't be pickled out of what its function"
                        " refers to, or run it in threads"
                    ) from error
            return self._tasks[id(task)][1]

    def work(self, task: TaskDefinition, run: RunContext, parameters: dict[str, Any]) -> bytes:
        """The facts of a run and its arguments, pickled together.

        Raises:
            ParameterError: An argument can't be pickled.
        """
        if self._flow_run is None:
            self._flow_run = _flow_facts(run)
        facts = _facts(run, self._flow_run)
        try:
            return dump((facts, parameters))
        except Exception as error:
            raise _unsendable(task, parameters) or error from error


def _unsendable(task: TaskDefinition, parameters: dict[str, Any]) -> ParameterError | None:
    """The parameter that can't be pickled."""
    for name, value in parameters.items():
        try:
            dump(value)
        except Exception as error:  # noqa: BLE001 - pickling runs the value's own code
            return ParameterError(
                f"{task.name}: parameter {name!r}, a {type(value).__qualname__}, can't be sent to"
                f" another process: {headline(error)}. Open it within the task, or run the task in"
                " threads"
            )
    return None


def _facts(run: RunContext, flow_run: dict[str, Any]) -> RunFacts:
    left = remaining_of(run)
    return RunFacts(
        run_id=run.run_id,
        name=run.name,
        flow_id=run.flow_id,
        flow_name=run.flow_name,
        root_run_id=run.root_run_id,
        parent_run_id=run.parent_run_id,
        tags=run.tags,
        inner_tags=current_tags(),
        attempt=run.attempt,
        log_prints=run.log_prints,
        persist_result=run.persist_result,
        flow_run=flow_run or None,
        traceparent=run.trace.here if run.trace is not None else "",
        secrets=run.secrets.values,
        deadline=None if left is None else time.time() + left,
    )


def _flow_facts(run: RunContext) -> dict[str, Any]:
    """Returns a flow run's data for `towpath.runtime`, without large or unpicklable parameters."""
    flow_run = run.flow_run
    if flow_run is None:
        return {}
    parameters: dict[str, Any] = {}
    for name, value in flow_run.parameters.items():
        with contextlib.suppress(Exception):
            if len(dump(value)) <= _MOST_PARAMETER_BYTES:
                parameters[name] = value
    return {
        "run_id": flow_run.run_id,
        "name": flow_run.name,
        "parameters": parameters,
        "tags": flow_run.tags,
    }
