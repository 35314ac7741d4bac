"""The thread that hands calls to a cluster and takes up how they ended, many at a time."""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from towpath._runners.remote.call import Call, Stopping
from towpath._runners.remote.packets import Answer
from towpath._runs.failures import headline
from towpath.exceptions import RunCancelled, RunCrashed

if TYPE_CHECKING:
    from collections.abc import Iterable

_log: Final = logging.getLogger("towpath.runners")
_MOST_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class _GivenUp:
    """Tells the thread that a call has ended without its answer."""

    call: Call


class Pump:
    """Hands calls of one flow run to the cluster; any thread may use it."""

    def __init__(self, name: str) -> None:
        """Starts the thread.

        Args:
            name: Of the thread.
        """
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        """Calls to hand over, what the cluster says, calls to give up, and None for the end."""
        self._calls: dict[str, Call] = {}
        """Calls with the cluster, by key; of the thread alone."""
        self._stopped = False
        self._lost = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Call) -> None:
        """Hands a call to the cluster; the call gets its answer, or the error in its place."""
        self._queue.put(call)

    def give_up(self, call: Call) -> None:
        """Cancels a call whose answer is no longer needed."""
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
                _log.exception("calls on the cluster are given up")
                self._lose(self._calls.values(), RunCrashed(f"lost on the way: {headline(error)}"))
            # Else the last ones, and their results, would stay until the next ones come.
            items.clear()

    def _handle(self, items: list[Any]) -> None:
        calls = [item for item in items if isinstance(item, Call)]
        if calls:
            self._hand_over(calls)
        for item in items:
            if isinstance(item, Stopping):
                self._stop_bodies()
            elif isinstance(item, _GivenUp):
                self._calls.pop(item.call.key, None)
                self._cancel([item.call])
        ended = [item for item in items if not isinstance(item, Call | Stopping | _GivenUp | None)]
        if ended:
            self._take_up(ended)

    def _hand_over(self, calls: list[Call]) -> None:
        if self._stopped or self._lost:
            error = (
                RunCancelled("not begun, since the flow was interrupted")
                if self._stopped
                else RunCrashed(self._lost)
            )
            self._lose(calls, error)
            return
        self._submit(calls)

    def _submit(self, calls: list[Call]) -> None:
        """Gives calls to the cluster, and notes them with their handles."""
        raise NotImplementedError

    def _take_up(self, ended: list[Any]) -> None:
        """Takes up what the cluster says of calls."""
        raise NotImplementedError

    def _cancel(self, calls: list[Call]) -> None:
        """Cancels calls on the cluster; doesn't raise."""
        raise NotImplementedError

    def _ask_to_stop(self) -> None:
        """Has bodies under way stopped; called in a thread of its own."""
        raise NotImplementedError

    def _told(self, call: Call, outcome: Answer | Exception) -> None:
        """Tells a call that is off the cluster how it ended."""
        call.future = None
        if isinstance(outcome, Answer) and outcome.ended is None:
            call.packet = replace(call.packet, task=call.task)
            call.resent = True
            self.submit(call)
        else:
            call.tell(outcome)

    def _stop_bodies(self) -> None:
        # A worker whose interpreter is held by C code doesn't answer: nothing waits for it.
        threading.Thread(target=self._ask_to_stop, daemon=True).start()
        waiting = [call for call in self._calls.values() if not call.worker]
        self._cancel(waiting)
        self._lose(waiting, RunCancelled("stopped, since the flow was interrupted"))
        for call in self._calls.values():
            call.tell(Stopping())

    def _lose(self, calls: Iterable[Call], error: Exception) -> None:
        for call in list(calls):
            self._calls.pop(call.key, None)
            call.tell(error)
