"""What a worker keeps between calls: the tasks that it was sent, and the flow runs it works for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from towpath._runners.remote.packets import Packet, Versions, versions
from towpath._runs.interruption import Interruption
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath._engine.definitions import TaskDefinition

_MOST_TASKS: Final = 256
_MOST_STOPPED: Final = 256


class SentTasks:
    """The tasks that were sent to this process last, so that each is sent once."""

    def __init__(self) -> None:
        self.tasks: OrderedDict[bytes, TaskDefinition] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, call: Packet) -> bool:
        """Whether the task of a call is here or comes with it."""
        with self._lock:
            return call.task is not None or call.digest in self.tasks

    def task_of(self, call: Packet, worker: str) -> TaskDefinition:
        """The task of a call.

        Args:
            call: The call.
            worker: What this worker is called in errors.

        Raises:
            ConfigurationError: The flow's process has other versions.
        """
        _check(Versions(*call.versions), worker)
        with self._lock:
            if call.digest in self.tasks:
                self.tasks.move_to_end(call.digest)
                return self.tasks[call.digest]
        assert call.task is not None
        task: TaskDefinition = cloudpickle.loads(call.task)
        with self._lock:
            self.tasks[call.digest] = task
            while len(self.tasks) > _MOST_TASKS:
                self.tasks.popitem(last=False)
        return task


def _check(theirs: Versions, worker: str) -> None:
    if theirs != versions():
        raise ConfigurationError(
            f"{worker} has {versions()}, and the flow has {theirs}: run both from the same"
            " environment or image"
        )


class FlowsHere:
    """The flow runs whose bodies are in this process, and those that were stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, list[Any]] = {}
        self._stopped: OrderedDict[str, None] = OrderedDict()

    @contextmanager
    def body_of(self, topic: str) -> Generator[Interruption]:
        """Around a body of a flow run: what stops it.

        Args:
            topic: Of the flow run's reports.
        """
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
        """Stops a flow run's bodies; what would begin later does not."""
        with self._lock:
            self._stopped[topic] = None
            while len(self._stopped) > _MOST_STOPPED:
                self._stopped.popitem(last=False)
            entry = self._running.get(topic)
        if entry is not None:
            entry[0].request()
