"""The calls of one flow run on a Dask cluster, as the flow's threads make them."""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from towpath._engine.time_limit import timed_out
from towpath._runners.dask.library import get_annotations
from towpath._runners.dask.messages import Answer, Packet, digest, versions
from towpath._runners.dask.once import PREFIX, OnceOnly
from towpath._runners.dask.pump import Call, Pump, Stopping
from towpath._runners.remote.sending import Pickler
from towpath._runners.remote.taking import BegunRuns, value_of
from towpath._runs.failures import headline
from towpath.exceptions import RunCancelled, RunCrashed, RunTimedOut

if TYPE_CHECKING:
    from towpath._delivery.reports import Reporter
    from towpath._engine.definitions import TaskDefinition
    from towpath._runners.remote.messages import Ended
    from towpath._runs.context import RunContext

_log: Final = logging.getLogger("towpath.runners")
_BACKSTOP_SECONDS: Final = 10.0
"""Time after its timeout in which a worker is to answer."""
_REPORTS_SECONDS: Final = 10.0
"""Time after an answer in which the reports before it are to arrive."""
_STOP_SECONDS: Final = 5.0
"""Time in which a body that was asked to stop is to end."""
_MOST_SMALL_BYTES: Final = 16 * 1024
"""Size of a pickled task up to which it goes along with each call."""
_LARGE_BYTES: Final = 10 * 1024 * 1024
_PRIVATE_SCHEMES: Final = ("tls", "inproc", "wss", "ucx")
_PRIVATE_HOSTS: Final = ("127.", "localhost", "[::1]")


class Calls:
    """Makes calls on a Dask cluster; safe to use from any thread."""

    def __init__(self, client: Any) -> None:
        """Subscribes to the reports.

        Args:
            client: A client of the cluster, connected.
        """
        self._client = client
        self._address: str = client.scheduler.address
        self._topic = f"{PREFIX}{uuid.uuid4().hex}"
        self._pickler = Pickler()
        self._open: dict[str, Call] = {}
        self._sent: set[bytes] = set()
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._reporter: Reporter | None = None
        self._have_once()
        client.subscribe_topic(self._topic, self._hear)
        self._pump = Pump(client, self._topic)

    def perform(self, task: TaskDefinition, run: RunContext, parameters: dict[str, Any]) -> Any:
        """Calls a task's function on a worker.

        Raises:
            ParameterError: An argument, or the task itself, can't be pickled.
            RunTimedOut: It took longer than the task's timeout.
            RunCrashed: Its worker died, or the cluster is gone.
            RunCancelled: The flow was interrupted.
        """
        self._reporter = run.reporter
        call = self._call_of(task, run, parameters)
        begun = BegunRuns(run)
        self._open[call.packet.key] = call
        try:
            self._pump.submit(call)
            ended = self._follow(call, begun, task.policy.timeout_seconds)
        except (RunCrashed, RunCancelled, RunTimedOut):
            begun.close()
            raise
        finally:
            del self._open[call.packet.key]
        self._look_at_size(task, ended)
        return value_of(run, ended)

    def stop(self) -> None:
        """Stops the bodies of all calls; returns at once."""
        self._pump.stop()

    def close(self) -> None:
        """Ends the use of the cluster; there are no calls under way."""
        self._pump.close()
        if self._client.status == "running":
            self._client.unsubscribe_topic(self._topic)

    def _call_of(self, task: TaskDefinition, run: RunContext, parameters: dict[str, Any]) -> Call:
        pickled = self._pickler.task(task)
        work = self._pickler.work(task, run, parameters)
        self._look_at_secrets(run)
        ours, mark = versions(), digest(pickled)
        with self._lock:
            goes_along = len(pickled) <= _MOST_SMALL_BYTES or mark not in self._sent
            self._sent.add(mark)
        packet = Packet(
            versions=(ours.towpath, ours.python, ours.cloudpickle),
            topic=self._topic,
            key=f"{PREFIX}{task.name}-{run.run_id}-{run.attempt}",
            digest=mark,
            task=pickled if goes_along else None,
            work=work,
        )
        annotations: dict[str, Any] = get_annotations()
        return Call(packet=packet, task=pickled, annotations=dict(annotations))

    def _follow(self, call: Call, begun: BegunRuns, seconds: float | None) -> Ended:
        """Passes reports on until the call has ended and all of them are here."""
        answer: Answer | None = None
        deadline: float | None = None
        stopping = False
        received = 0
        while answer is None or received < answer.reports:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                message = call.inbox.get(timeout=left)
            except queue.Empty:
                if answer is not None:
                    _log.warning(
                        "%d reports of %s did not arrive", answer.reports - received, call.key
                    )
                    break
                self._pump.give_up(call)
                if stopping:
                    raise RunCancelled("left, since the flow was interrupted") from None
                raise timed_out(seconds) from None
            if isinstance(message, bytes):
                begun.report(cloudpickle.loads(message))
                received += 1
            elif isinstance(message, str):
                deadline = _in(None if seconds is None else seconds + _BACKSTOP_SECONDS)
            elif isinstance(message, Answer):
                answer, deadline = message, _in(_REPORTS_SECONDS)
            elif isinstance(message, Stopping):
                stopping, deadline = True, _in(_STOP_SECONDS)
            else:
                raise message
        assert answer is not None
        assert answer.ended is not None
        return answer.ended

    def _hear(self, event: Any) -> None:
        """Takes an event of the cluster, in the client's thread."""
        _, (key, payload) = event
        call = self._open.get(key)
        if call is not None:
            if isinstance(payload, str):
                call.worker = payload
            call.inbox.put(payload)
        elif isinstance(payload, bytes) and self._reporter is not None:
            # A thread that the function left behind goes on to log.
            report = cloudpickle.loads(payload)
            getattr(self._reporter, report.method)(*report.arguments)

    def _have_once(self) -> None:
        try:
            self._client.register_plugin(OnceOnly())
        except Exception as error:  # noqa: BLE001 - a scheduler may refuse what is pickled
            _log.warning(
                "the Dask scheduler %s takes no plugins (%s): when a worker dies, Dask runs its"
                " tasks again, without a retry of theirs",
                self._address,
                headline(error),
            )

    def _look_at_secrets(self, run: RunContext) -> None:
        scheme, _, place = self._address.partition("://")
        if scheme in _PRIVATE_SCHEMES or place.startswith(_PRIVATE_HOSTS) or not run.secrets.values:
            return
        if self._is_news("secrets"):
            _log.warning(
                "%s sends sensitive values to %s in plain text, and that scheduler runs the code of"
                " every program that connects: use a cluster with tls://",
                run.flow_name,
                self._address,
            )

    def _look_at_size(self, task: TaskDefinition, ended: Ended) -> None:
        size = len(ended.value or b"")
        if size > _LARGE_BYTES and self._is_news(f"size of {task.name}"):
            _log.warning(
                "%s returned %d MB, which pass through the flow's process: write large data where"
                " workers can read it, and return its place",
                task.name,
                size // 1_000_000,
            )

    def _is_news(self, what: str) -> bool:
        with self._lock:
            known = what in self._told
            self._told.add(what)
            return not known


def _in(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds
