"""The calls of one flow run on a cluster."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from towpath._runners.remote.call import Call
from towpath._runners.remote.packets import PREFIX, Packet, digest, versions
from towpath._runners.remote.sending import Pickler

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._delivery.reports import Reporter
    from towpath._engine.definitions import TaskDefinition
    from towpath._runners.remote.call import Outcome
    from towpath._runners.remote.pump import Pump
    from towpath._runners.remote.steps import Steps
    from towpath._runs.context import RunContext

_log: Final = logging.getLogger("towpath.runners")
_MOST_SMALL_BYTES: Final = 16 * 1024
"""Size of a pickled task up to which it goes along with each call."""
_LARGE_BYTES: Final = 10 * 1024 * 1024


class Calls:
    """Makes the calls of one flow run; safe to use from any thread."""

    pump: Pump
    """Hands them to the cluster."""

    def __init__(self, steps: Steps) -> None:
        """Has no calls yet.

        Args:
            steps: Run the steps of the runs.
        """
        self.topic = f"{PREFIX}{uuid.uuid4().hex}"
        self._steps = steps
        self._pickler = Pickler()
        self._open: dict[str, Call] = {}
        self._sent: set[bytes] = set()
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._reporter: Reporter | None = None

    def begin(
        self,
        task: TaskDefinition,
        run: RunContext,
        parameters: dict[str, Any],
        answered: Callable[[Outcome], None],
    ) -> None:
        """Calls a task's function on a worker.

        Args:
            task: The task.
            run: Its run.
            parameters: Arguments by parameter.
            answered: Called in a step with how the call ended.

        Raises:
            ParameterError: An argument, or the task itself, can't be pickled.
        """
        self._reporter = run.reporter

        def ended(call: Call, outcome: Outcome) -> None:
            del self._open[call.packet.key]
            self._look_at_size(task, call.size())
            answered(outcome)

        packet, pickled = self._packet_of(task, run, parameters)
        call = Call(
            packet=packet,
            task=pickled,
            annotations=self._annotations(task),
            run=run,
            seconds=task.policy.timeout_seconds,
            steps=self._steps,
            give_up=self.pump.give_up,
            ended=ended,
        )
        self._look_at_secrets(run)
        self._open[packet.key] = call
        self.pump.submit(call)

    def hear(self, key: str, payload: bytes | str) -> None:
        """Takes a message of a worker, from any thread.

        Args:
            key: Of the call, as it was sent first.
            payload: A pickled report, or the worker's address as it begins the call.
        """
        call = self._open.get(key)
        if call is not None:
            if isinstance(payload, str):
                call.worker = payload
            call.tell(payload)
        elif isinstance(payload, bytes) and self._reporter is not None:
            # A thread that the function left behind goes on to log.
            report = cloudpickle.loads(payload)
            getattr(self._reporter, report.method)(*report.arguments)

    def stop(self) -> None:
        """Stops the bodies of all calls; returns at once."""
        self.pump.stop()

    def close(self) -> None:
        """Ends the use of the cluster; there are no calls under way."""
        self.pump.close()

    def _annotations(self, task: TaskDefinition) -> dict[str, Any]:
        """Options of a submission, from the task and from the code around it."""
        raise NotImplementedError

    def _open_place(self) -> str:
        """The cluster's address, if others can read its connections; otherwise empty."""
        raise NotImplementedError

    def _packet_of(
        self, task: TaskDefinition, run: RunContext, parameters: dict[str, Any]
    ) -> tuple[Packet, bytes]:
        pickled = self._pickler.task(task)
        work = self._pickler.work(task, run, parameters)
        ours, mark = versions(), digest(pickled)
        with self._lock:
            goes_along = len(pickled) <= _MOST_SMALL_BYTES or mark not in self._sent
            self._sent.add(mark)
        packet = Packet(
            versions=(ours.towpath, ours.python, ours.cloudpickle),
            topic=self.topic,
            key=f"{PREFIX}{task.name}-{run.run_id}-{run.attempt}",
            digest=mark,
            task=pickled if goes_along else None,
            work=work,
        )
        return packet, pickled

    def _look_at_secrets(self, run: RunContext) -> None:
        if not run.secrets.values:
            return
        place = self._open_place()
        if place and self._is_news("secrets"):
            _log.warning(
                "%s sends sensitive values to %s in plain text, and every client that connects"
                " there can run code: use a cluster with TLS",
                run.flow_name,
                place,
            )

    def _look_at_size(self, task: TaskDefinition, size: int) -> None:
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
