"""What runs on a Dask worker: calls a task's function, and sends its reports to the flow.

Several workers may live in one process, that of the flow among them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from towpath._engine import run_logging
from towpath._runners.dask.library import get_worker
from towpath._runners.remote.bodies import answer
from towpath._runners.remote.messages import dump
from towpath._runners.remote.packets import Answer, Packet, packet
from towpath._runners.remote.reporter import ForwardingReporter
from towpath._runners.remote.sent_tasks import FlowsHere, SentTasks
from towpath._runs.loops import Loops

if TYPE_CHECKING:
    from towpath._runners.remote.messages import Report


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
            lambda: (_tasks.task_of(call, f"the Dask worker {channel.address}"), call.work),
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


_tasks: Final = SentTasks()
_flows: Final = FlowsHere()
_loops: Final = Loops()
"""Of all calls: clients that stay in the process's memory belong to a loop."""
