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
from functools import cached_property
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from towpath._engine.time_limit import timed_out
from towpath._runners.processes.wire import Call
from towpath._runners.remote.messages import Ended, Report, dump
from towpath._runners.remote.sending import Pickler
from towpath._runners.remote.taking import BegunRuns, value_of
from towpath._runs.failures import headline
from towpath.exceptions import ParameterError, RunCancelled, RunCrashed

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._engine.definitions import TaskDefinition
    from towpath._runs.context import RunContext

_LOOK_SECONDS: Final = 0.5
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 3.0
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1));"
    " from towpath._runners.processes.worker import main;"
    " main(int(sys.argv.pop(1)), int(sys.argv.pop(1)))"
)


class WorkerPool:
    """A pool of workers that are started as needed; safe to call from any thread."""

    def __init__(self, setup: tuple[Callable[..., object], tuple[Any, ...]] | None = None) -> None:
        """Starts nothing.

        Args:
            setup: A function, and its arguments, that each worker calls before its first task.
        """
        self._setup = setup
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._pickler = Pickler()
        self._interrupted = False

    def call(self, task: TaskDefinition, run: RunContext, parameters: dict[str, Any]) -> Any:
        """Calls a task's function in a worker.

        Raises:
            ParameterError: An argument, the task itself or the initializer of the processes can't
                be sent to another process.
            RunTimedOut: It took longer than the task's timeout; its process was killed.
            RunCrashed: Its process ended.
            RunCancelled: The flow was interrupted.
        """
        pickled = self._pickler.task(task)
        work = self._pickler.work(task, run, parameters)
        setup = self._pickled_setup
        worker = self._take()
        try:
            return worker.call(task, pickled, work, run, setup)
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

    @cached_property
    def _pickled_setup(self) -> bytes | None:
        if self._setup is None:
            return None
        try:
            return dump(self._setup)
        except Exception as error:
            raise ParameterError(
                f"the initializer of the processes can't be sent to them: {headline(error)}"
            ) from error

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
        self._is_set_up = False
        self._killed = False

    def lives(self) -> bool:
        return not self._killed and self._process.poll() is None

    def call(
        self,
        task: TaskDefinition,
        pickled: bytes,
        work: bytes,
        run: RunContext,
        setup: bytes | None,
    ) -> Any:
        self._wait_ready()
        number = id(task)
        first = number not in self._known
        self._known.add(number)
        setup, self._is_set_up = None if self._is_set_up else setup, True
        call = Call(task_number=number, task=pickled if first else None, work=work, setup=setup)
        with contextlib.suppress(BrokenPipeError):
            self._out.send_bytes(dump(call))
        seconds = task.policy.timeout_seconds
        deadline = None if seconds is None else time.monotonic() + seconds
        begun = BegunRuns(run)
        try:
            ended = self._follow(begun, deadline)
        except (RunCrashed, TimeoutError) as error:
            self.kill()
            begun.close()
            if isinstance(error, TimeoutError):
                raise timed_out(seconds) from None
            raise
        if ended.last:
            self.kill()
        return value_of(run, ended)

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

    def _follow(self, begun: BegunRuns, deadline: float | None) -> Ended:
        """Passes reports on until the call has ended."""
        while True:
            message = cloudpickle.loads(self._receive(deadline))
            if isinstance(message, Ended):
                return message
            assert isinstance(message, Report)
            begun.report(message)

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
