"""The thread that hands calls to a Dask cluster and takes up how they ended, many at a time.

Calls one by one cost the client and the scheduler twice the time.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from towpath._runners.dask.library import KilledWorker, annotate
from towpath._runners.dask.messages import Answer, Packet
from towpath._runners.dask.worker import perform_call, stop_flow
from towpath._runs.failures import headline
from towpath.exceptions import RunCancelled, RunCrashed, RunError

if TYPE_CHECKING:
    from collections.abc import Iterable

_log: Final = logging.getLogger("towpath.runners")
_MOST_AT_ONCE: Final = 500


class Stopping:
    """Tells the caller of a call under way that its body was asked to stop."""


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A call that is not over."""

    packet: Packet
    task: bytes
    """The pickled task, should the worker lack it."""
    annotations: dict[str, Any] = field(default_factory=dict["str", "Any"])
    """Of `dask.annotate` around the submission."""
    inbox: queue.SimpleQueue[bytes | str | Answer | Exception | Stopping] = field(
        default_factory=queue.SimpleQueue["bytes | str | Answer | Exception | Stopping"]
    )
    """Pickled reports, the address of the worker that began it, and how it ended."""
    worker: str = ""
    future: Any = None
    resent: bool = False

    @property
    def key(self) -> str:
        """Its key in Dask; each is used once."""
        return f"{self.packet.key}-again" if self.resent else self.packet.key


@dataclass(frozen=True, slots=True)
class _GivenUp:
    """Tells the thread that nobody waits for a call any more."""

    call: Call


class Pump:
    """Hands calls of one flow run to the cluster; any thread may use it."""

    def __init__(self, client: Any, topic: str) -> None:
        """Starts the thread.

        Args:
            client: A client of the cluster.
            topic: Of the flow run's reports.
        """
        self._client = client
        self._topic = topic
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        """Calls to hand over, futures that ended, calls to give up, and None for the end."""
        self._calls: dict[str, Call] = {}
        """Calls with the cluster, by key; of the thread alone."""
        self._stopped = False
        self._lost = ""
        self._thread = threading.Thread(target=self._run, name="towpath-dask", daemon=True)
        self._thread.start()

    def submit(self, call: Call) -> None:
        """Hands a call over; its inbox gets the answer, or why there is none."""
        self._queue.put(call)

    def give_up(self, call: Call) -> None:
        """Leaves a call, whose answer nobody waits for."""
        self._queue.put(_GivenUp(call))

    def stop(self) -> None:
        """Stops the bodies of all calls, and cancels those that have not begun."""
        self._stopped = True
        self._queue.put(Stopping())

    def close(self) -> None:
        """Ends the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            items = [self._queue.get()]
            with suppress(queue.Empty):
                while len(items) < _MOST_AT_ONCE:
                    items.append(self._queue.get_nowait())
            goes_on = None not in items
            try:
                self._handle(items)
            except Exception as error:  # noqa: BLE001 - callers must not wait for ever
                _log.exception("calls on the Dask cluster are given up")
                self._lose(self._calls.values(), RunCrashed(f"lost on the way: {headline(error)}"))

    def _handle(self, items: list[Any]) -> None:
        self._hand_over([item for item in items if isinstance(item, Call)])
        for item in items:
            if isinstance(item, Stopping):
                self._stop_bodies()
            elif isinstance(item, _GivenUp):
                self._calls.pop(item.call.key, None)
                self._cancel([item.call])
        self._take_up(
            [item for item in items if not isinstance(item, Call | Stopping | _GivenUp | None)]
        )

    def _hand_over(self, calls: list[Call]) -> None:
        if self._stopped or self._lost:
            error = (
                RunCancelled("not begun, since the flow was interrupted")
                if self._stopped
                else RunCrashed(self._lost)
            )
            self._lose(calls, error)
            return
        # Annotations apply to whatever is submitted within them.
        groups: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            groups[repr(call.annotations)].append(call)
        for group in groups.values():
            try:
                self._submit(group)
            except Exception as error:  # noqa: BLE001 - Dask raises what it likes, also of network
                self._lose(group, RunCrashed(f"not taken by the Dask cluster: {headline(error)}"))

    def _submit(self, calls: list[Call]) -> None:
        with annotate(**calls[0].annotations):
            futures = self._client.map(
                perform_call,
                [call.packet.packed() for call in calls],
                key=[call.key for call in calls],
                pure=False,
            )
        for call, future in zip(calls, futures, strict=True):
            call.future = future
            self._calls[call.key] = call
            future.add_done_callback(self._queue.put)

    def _take_up(self, futures: list[Any]) -> None:
        ended = [future for future in futures if future.key in self._calls]
        finished = [future for future in ended if future.status == "finished"]
        try:
            answers = self._client.gather(finished)
        except Exception:  # noqa: BLE001 - one of them is lost: each is to have its own outcome
            answers = None
        for number, future in enumerate(finished):
            if answers is None:
                self._take_one(future)
            else:
                self._answer(future, answers[number])
        for future in ended:
            if future.status != "finished" and future.key in self._calls:
                self._take_one(future)
        # What is held is computed again when its worker dies.
        for future in futures:
            future.release()

    def _take_one(self, future: Any) -> None:
        try:
            outcome = future.result()
        except BaseException as error:  # noqa: BLE001 - a cancelled future's is no Exception
            outcome = self._error_of(self._calls[future.key], future, error)
        self._answer(future, outcome)

    def _answer(self, future: Any, outcome: Answer | Exception) -> None:
        call = self._calls.pop(future.key)
        call.future = None
        if isinstance(outcome, Answer) and outcome.ended is None:
            call.packet = replace(call.packet, task=call.task)
            call.resent = True
            self.submit(call)
        else:
            call.inbox.put(outcome)

    def _error_of(self, call: Call, future: Any, error: Any) -> Exception:
        if isinstance(error, KilledWorker):
            return RunCrashed(f"its Dask worker {error.last_worker.address} died; out of memory?")
        if future.status == "cancelled":
            if getattr(error, "reason", "") == "scheduler-connection-lost":
                self._lost = "the connection to the Dask scheduler was lost"
                return RunCrashed(self._lost)
            if self._stopped:
                return RunCancelled("stopped, since the flow was interrupted")
            where = f" or its worker {call.worker}" if call.worker else ""
            return RunCrashed(f"the Dask cluster lost the result{where}: {headline(error)}")
        return RunError(
            f"a Dask worker can't perform calls of Towpath: {headline(error)}. Install Towpath and"
            " the flow's dependencies where the workers run"
        )

    def _stop_bodies(self) -> None:
        # A worker whose interpreter is held by C code doesn't answer: nothing waits for it.
        threading.Thread(target=self._ask_workers_to_stop, daemon=True).start()
        waiting = [call for call in self._calls.values() if not call.worker]
        self._cancel(waiting)
        self._lose(waiting, RunCancelled("stopped, since the flow was interrupted"))
        for call in self._calls.values():
            call.inbox.put(Stopping())

    def _ask_workers_to_stop(self) -> None:
        with suppress(Exception):  # The scheduler may be gone.
            self._client.run(stop_flow, self._topic, on_error="ignore")

    def _cancel(self, calls: list[Call]) -> None:
        futures = [call.future for call in calls if call.future is not None]
        if futures:
            with suppress(Exception):  # The scheduler may be gone.
                self._client.cancel(futures, force=True)

    def _lose(self, calls: Iterable[Call], error: Exception) -> None:
        for call in list(calls):
            self._calls.pop(call.key, None)
            call.inbox.put(error)
