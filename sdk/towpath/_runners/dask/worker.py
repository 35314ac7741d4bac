"""What runs on a Dask worker: calls a task's function, and sends its reports to the flow.

Several workers may live in one process, that of the flow among them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from towpath._engine import run_logging
from towpath._runners.dask.library import get_worker
from towpath._runners.dask.messages import Answer, Packet, Versions, packet, versions
from towpath._runners.remote.bodies import answer
from towpath._runners.remote.messages import Report, dump
from towpath._runners.remote.reporter import ForwardingReporter
from towpath._runs.interruption import Interruption
from towpath._runs.loops import Loops
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath._engine.definitions import TaskDefinition

_MOST_TASKS: Final = 256
_MOST_STOPPED: Final = 256


def perform_call(data: bytes) -> Answer:
    """Performs a call in one of a worker's threads."""
    call = packet(data)
    if not _tasks.has(call):
        return Answer(ended=None, reports=0)
    run_logging.set_up()
    channel = _Channel(get_worker(), call)
    reporter = ForwardingReporter(channel.send)
    with _flows.body_of(call.topic) as interruption:
        ended = answer(
            lambda: (_tasks.task_of(call, channel.address), call.work),
            reporter,
            _loops,
            interruption,
        )
    return Answer(ended=ended, reports=channel.sent)


def stop_flow(topic: str) -> None:
    """Stops a flow run's bodies in this process; what would begin later does not.

    Args:
        topic: Of the flow run's reports.
    """
    _flows.stop(topic)


class _Channel:
    """The way of a call's reports to the flow: events of the cluster, in order."""

    def __init__(self, worker: Any, call: Packet) -> None:
        self.address: str = worker.address
        self.sent = 0
        self._worker = worker
        self._call = call
        self._lock = threading.Lock()
        worker.log_event(call.topic, (call.key, self.address))

    def send(self, report: Report) -> None:
        data = dump(report)
        with self._lock:
            self._worker.log_event(self._call.topic, (self._call.key, data))
            self.sent += 1


class _Tasks:
    """The tasks that were sent to this process last, so that each is sent once."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[bytes, TaskDefinition] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, call: Packet) -> bool:
        with self._lock:
            return call.task is not None or call.digest in self._tasks

    def task_of(self, call: Packet, address: str) -> TaskDefinition:
        """The task of a call.

        Raises:
            ConfigurationError: The flow's process has other versions.
        """
        _check(Versions(*call.versions), address)
        with self._lock:
            if call.digest in self._tasks:
                self._tasks.move_to_end(call.digest)
                return self._tasks[call.digest]
        assert call.task is not None
        task: TaskDefinition = cloudpickle.loads(call.task)
        with self._lock:
            self._tasks[call.digest] = task
            while len(self._tasks) > _MOST_TASKS:
                self._tasks.popitem(last=False)
        return task


def _check(theirs: Versions, address: str) -> None:
    if theirs != versions():
        raise ConfigurationError(
            f"the Dask worker {address} has {versions()}, and the flow has {theirs}: run both from"
            " the same environment or image"
        )


class _Flows:
    """The flow runs whose bodies are in this process, and those that were stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, list[Any]] = {}
        self._stopped: OrderedDict[str, None] = OrderedDict()

    @contextmanager
    def body_of(self, topic: str) -> Generator[Interruption]:
        """Around a body of a flow run: what stops it."""
        with self._lock:
            entry = self._running.setdefault(topic, [Interruption(), 0])
            entry[1] += 1
            interruption: Interruption = entry[0]
            interruption.requested = interruption.requested or topic in self._stopped
        try:
            yield interruption
        finally:
            with self._lock:
                entry[1] -= 1
                if not entry[1]:
                    self._running.pop(topic, None)

    def stop(self, topic: str) -> None:
        with self._lock:
            self._stopped[topic] = None
            while len(self._stopped) > _MOST_STOPPED:
                self._stopped.popitem(last=False)
            entry = self._running.get(topic)
        if entry is not None:
            entry[0].request()


_tasks: Final = _Tasks()
_flows: Final = _Flows()
_loops: Final = Loops()
"""Of all calls: clients that stay in the process's memory belong to a loop."""
