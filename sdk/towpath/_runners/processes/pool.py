"""The workers of one flow run, which are started as needed, reused, and replaced when they die."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from towpath._delivery.reports import StateReport
from towpath._engine.time_limit import timed_out
from towpath._runners.processes.wire import Call, Ended, Report, RunFacts, dump, load_error
from towpath._runs.children import Child
from towpath._runs.context import current_tags
from towpath._runs.failures import headline
from towpath._state_type import StateType
from towpath.exceptions import ParameterError, RunCancelled, RunCrashed

if TYPE_CHECKING:
    from towpath._engine.definitions import TaskDefinition
    from towpath._runs.context import RunContext

_LOOK_SECONDS: Final = 0.5
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 3.0
_MOST_PARAMETER_BYTES: Final = 16 * 1024
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1));"
    " from towpath._runners.processes.worker import main;"
    " main(int(sys.argv.pop(1)), int(sys.argv.pop(1)))"
)


class WorkerPool:
    """A pool of workers that are started as needed; safe to call from any thread."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._tasks: dict[int, tuple[TaskDefinition, bytes]] = {}
        self._interrupted = False
        self._flow_run: dict[str, Any] | None = None

    def call(self, task: TaskDefinition, run: RunContext, parameters: dict[str, Any]) -> Any:
        """Calls a task's function in a worker.

        Raises:
            ParameterError: An argument, or the task itself, can't be sent to another process.
            RunTimedOut: It took longer than the task's timeout; its process was killed.
            RunCrashed: Its process ended.
            RunCancelled: The flow was interrupted.
        """
        pickled = self._pickled(task)
        work = self._pickled_work(task, run, parameters)
        worker = self._take()
        try:
            return worker.call(task, pickled, work, run)
        except (RunCrashed, EOFError, OSError):
            if self._interrupted:
                raise RunCancelled("stopped, since the flow was interrupted") from None
            raise
        finally:
            self._give_back(worker)

    def interrupt(self) -> None:
        """Kills all workers; calls under way raise RunCancelled."""
        with self._lock:
            self._interrupted = True
            for worker in self._all:
                worker.kill()

    def close(self) -> None:
        """Ends all workers."""
        with self._lock:
            workers, self._all, self._idle = self._all, set(), []
        for worker in workers:
            worker.close()

    def _take(self) -> _Worker:
        with self._lock:
            if self._interrupted:
                raise RunCancelled("not begun, since the flow was interrupted")
            while self._idle:
                worker = self._idle.pop()
                if worker.lives():
                    return worker
                self._all.discard(worker)
                worker.close()
            worker = _Worker()
            self._all.add(worker)
            return worker

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            if worker in self._all and worker.lives():
                self._idle.append(worker)
            elif worker in self._all:
                self._all.discard(worker)
                worker.close()

    def _pickled(self, task: TaskDefinition) -> bytes:
        with self._lock:
            if id(task) not in self._tasks:
                try:
                    self._tasks[id(task)] = (task, dump(task))
                except Exception as error:
                    raise ParameterError(
                        f"task {task.name!r} can't be sent to another process:"
                        f" {headline(error)}. Keep what can't be pickled out of what its function"
                        " refers to, or run it in threads"
                    ) from error
            return self._tasks[id(task)][1]

    def _pickled_work(
        self, task: TaskDefinition, run: RunContext, parameters: dict[str, Any]
    ) -> bytes:
        if self._flow_run is None:
            self._flow_run = _flow_facts(run)
        facts = _facts(run, self._flow_run)
        try:
            return dump((facts, parameters))
        except Exception as error:
            raise _unsendable(task, parameters) or error from error


class _Worker:
    """One process and the pipes to it; used by one thread at a time."""

    def __init__(self) -> None:
        their_in, our_out = os.pipe()
        our_in, their_out = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own code
                [sys.executable, "-c", _START, json.dumps(sys.path), str(their_in), str(their_out)],
                pass_fds=(their_in, their_out),
                stdin=subprocess.DEVNULL,
            )
        finally:
            os.close(their_in)
            os.close(their_out)
        self._out = Connection(our_out, readable=False)
        self._in = Connection(our_in, writable=False)
        self._known: set[int] = set()
        self._ready = False
        self._killed = False

    def lives(self) -> bool:
        return not self._killed and self._process.poll() is None

    def call(self, task: TaskDefinition, pickled: bytes, work: bytes, run: RunContext) -> Any:
        self._wait_ready()
        number = id(task)
        first = number not in self._known
        self._known.add(number)
        call = Call(task_number=number, task=pickled if first else None, work=work)
        with contextlib.suppress(BrokenPipeError):
            self._out.send_bytes(dump(call))
        seconds = task.policy.timeout_seconds
        deadline = None if seconds is None else time.monotonic() + seconds
        begun: dict[str, int] = {}
        try:
            ended = self._follow(run, begun, deadline)
        except (RunCrashed, TimeoutError) as error:
            self.kill()
            _close_begun(run, begun)
            if isinstance(error, TimeoutError):
                raise timed_out(seconds) from None
            raise
        run.secrets.add_texts(ended.secrets)
        for failed in ended.failed_runs:
            child = Child(failed.name, state=failed.state, handled=failed.handled)
            run.children.settle(child)
        if ended.value is None:
            raise load_error(ended)
        return cloudpickle.loads(ended.value)

    def kill(self) -> None:
        self._killed = True
        self._process.kill()

    def close(self) -> None:
        """Ends the process: it leaves as soon as its pipe closes."""
        for connection in (self._out, self._in):
            connection.close()
        try:
            self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _follow(self, run: RunContext, begun: dict[str, int], deadline: float | None) -> Ended:
        """Passes reports on until the call has ended."""
        while True:
            message = cloudpickle.loads(self._receive(deadline))
            if isinstance(message, Ended):
                return message
            assert isinstance(message, Report)
            getattr(run.reporter, message.method)(*message.arguments)
            _note_begun(message, begun)

    def _receive(self, deadline: float | None) -> bytes:
        """The next message.

        Raises:
            TimeoutError: It is past the deadline.
            RunCrashed: The process has ended.
        """
        while True:
            left = _LOOK_SECONDS if deadline is None else deadline - time.monotonic()
            try:
                if self._in.poll(max(0.0, min(_LOOK_SECONDS, left))):
                    return self._in.recv_bytes()
            except (EOFError, OSError):
                self._process.wait()
                raise self._crash() from None
            if deadline is not None and left <= 0:
                raise TimeoutError
            # A child of the worker may hold the pipe open, so the process is polled, too.
            if self._process.poll() is not None and not self._in.poll(0):
                raise self._crash()

    def _wait_ready(self) -> None:
        if not self._ready:
            try:
                self._receive(time.monotonic() + _START_SECONDS)
            except TimeoutError:
                self.kill()
                raise RunCrashed(
                    f"a process for the task did not start within {_START_SECONDS:g} s"
                ) from None
            self._ready = True

    def _crash(self) -> RunCrashed:
        code = self._process.returncode
        if code is None or code >= 0:
            return RunCrashed(
                f"its process ended with exit code {code}: look for os._exit or a failing import",
                reason="PROCESS_EXIT",
            )
        name = signal.Signals(-code).name
        hint = "; out of memory?" if name == "SIGKILL" else ""
        return RunCrashed(f"its process was killed by {name}{hint}")


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


def _note_begun(message: Report, begun: dict[str, int]) -> None:
    if message.method == "create":
        (report,) = message.arguments
        if not report.state.state.terminal:
            begun[report.run_id] = report.state.attempt
    elif message.method == "transition":
        run_id, state = message.arguments
        if state.state.terminal:
            begun.pop(run_id, None)
        else:
            begun[run_id] = state.attempt


def _close_begun(run: RunContext, begun: dict[str, int]) -> None:
    """Ends the runs that the function had begun in the process that ended."""
    for run_id, attempt in begun.items():
        run.reporter.transition(
            run_id,
            StateReport(
                state=StateType.CRASHED,
                time=run.clock.time(),
                attempt=attempt,
                reason="PROCESS_DIED",
                message=f"the process of {run.name}, which had begun it, is gone",
            ),
        )
