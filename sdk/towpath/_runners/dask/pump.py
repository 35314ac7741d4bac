"""The thread that hands calls to a Dask cluster.

Calls one by one cost the client and the scheduler twice the time.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from towpath._runners.dask.library import KilledWorker, annotate
from towpath._runners.dask.worker import perform_call, stop_flow
from towpath._runners.remote import pump
from towpath._runs.failures import headline
from towpath.exceptions import RunCancelled, RunCrashed, RunError

if TYPE_CHECKING:
    from towpath._runners.remote.call import Call
    from towpath._runners.remote.packets import Answer


class Pump(pump.Pump):
    """Hands calls of one flow run to the cluster; any thread may use it."""

    def __init__(self, client: Any, topic: str) -> None:
        """Starts the thread.

        Args:
            client: A client of the cluster.
            topic: Of the flow run's reports.
        """
        self._client = client
        self._topic = topic
        super().__init__("towpath-dask")

    def _submit(self, calls: list[Call]) -> None:
        # Annotations apply to whatever is submitted within them.
        groups: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            groups[repr(call.annotations)].append(call)
        for group in groups.values():
            try:
                self._map(group)
            except Exception as error:  # noqa: BLE001 - Dask raises what it likes, also of network
                self._lose(group, RunCrashed(f"not taken by the Dask cluster: {headline(error)}"))

    def _map(self, calls: list[Call]) -> None:
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

    def _take_up(self, ended: list[Any]) -> None:
        awaited = [future for future in ended if future.key in self._calls]
        finished = [future for future in awaited if future.status == "finished"]
        try:
            answers = self._client.gather(finished)
        except Exception:  # noqa: BLE001 - one of them is lost: each is to have its own outcome
            answers = None
        for number, future in enumerate(finished):
            if answers is None:
                self._take_one(future)
            else:
                self._answer(future, answers[number])
        for future in awaited:
            if future.status != "finished" and future.key in self._calls:
                self._take_one(future)
        # What is held is computed again when its worker dies.
        for future in ended:
            future.release()

    def _take_one(self, future: Any) -> None:
        try:
            outcome = future.result()
        except BaseException as error:  # noqa: BLE001 - a cancelled future's is no Exception
            outcome = self._error_of(self._calls[future.key], future, error)
        self._answer(future, outcome)

    def _answer(self, future: Any, outcome: Answer | Exception) -> None:
        self._told(self._calls.pop(future.key), outcome)

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

    def _ask_to_stop(self) -> None:
        with suppress(Exception):  # The scheduler may be gone.
            self._client.run(stop_flow, self._topic, on_error="ignore")

    def _cancel(self, calls: list[Call]) -> None:
        futures = [call.future for call in calls if call.future is not None]
        if futures:
            with suppress(Exception):  # The scheduler may be gone.
                self._client.cancel(futures, force=True)
