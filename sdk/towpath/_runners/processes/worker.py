"""The process that runs tasks: reads calls from a pipe, answers on another."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import cloudpickle

from towpath._engine import run_logging
from towpath._forks import in_child
from towpath._runners.remote.bodies import answer
from towpath._runners.remote.messages import Ended, Report, dump
from towpath._runners.remote.reporter import ForwardingReporter
from towpath._runs.failures import headline
from towpath._runs.loops import Loops
from towpath._settings.current import leave_problems_to_parent
from towpath._telemetry.switch import end_of_process
from towpath.exceptions import RunCrashed

if TYPE_CHECKING:
    from towpath._engine.definitions import TaskDefinition
    from towpath._runners.processes.wire import Call

READY = b"ready"


class _Pipe:
    """The way to the flow's process; any thread may send on it."""

    def __init__(self, out: Connection) -> None:
        self._out = out
        self._lock = threading.Lock()

    def send(self, message: Report | Ended) -> None:
        """Sends a whole message."""
        data = dump(message)
        with self._lock:
            self._out.send_bytes(data)


class Worker:
    """Runs one call at a time."""

    def __init__(self, pipe: _Pipe) -> None:
        self._reporter = ForwardingReporter(pipe.send)
        self._tasks: dict[int, TaskDefinition] = {}
        self._broken = False
        self._loops = Loops()
        """Of all calls: clients that stay in the process's memory belong to a loop."""

    def answer(self, data: bytes) -> Ended:
        """Runs a call to its end; an exception of the function is part of the answer."""
        ended = answer(lambda: self._load(data), self._reporter, self._loops)
        return replace(ended, last=True) if self._broken else ended

    def _load(self, data: bytes) -> tuple[TaskDefinition, bytes]:
        call: Call = cloudpickle.loads(data)
        if call.setup is not None:
            self._set_up(call.setup)
        if call.task is not None:
            self._tasks[call.task_number] = cloudpickle.loads(call.task)
        return self._tasks[call.task_number], call.work

    def _set_up(self, setup: bytes) -> None:
        """Calls the initializer.

        Raises:
            RunCrashed: It failed; the process isn't fit for calls.
        """
        try:
            initializer, arguments = cloudpickle.loads(setup)
            initializer(*arguments)
        except Exception as error:
            self._broken = True
            raise RunCrashed(
                f"the initializer of its process failed: {headline(error)}", reason="PROCESS_EXIT"
            ) from error


def main(receive: int, send: int) -> None:
    """Serves calls until the flow's process closes its end, or ends.

    Args:
        receive: Descriptor to read calls from.
        send: Descriptor to write answers to.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for descriptor in (receive, send):
        os.set_inheritable(descriptor, False)
    out = Connection(send, readable=False)
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    incoming = Connection(receive, writable=False)
    threading.Thread(target=_read, args=(incoming, calls), daemon=True).start()
    leave_problems_to_parent()
    run_logging.set_up()
    out.send_bytes(READY)
    in_child(out.close)  # A child's messages would break those of the worker.
    in_child(incoming.close)
    pipe = _Pipe(out)
    worker = Worker(pipe)
    while True:
        pipe.send(worker.answer(calls.get()))
        sys.stdout.flush()


def _read(incoming: Connection, calls: queue.SimpleQueue[bytes]) -> None:
    """Reads calls into a queue, and exits once the flow's process has ended."""
    try:
        while True:
            calls.put(incoming.recv_bytes())
    except (EOFError, OSError):
        end_of_process()
        os._exit(0)
