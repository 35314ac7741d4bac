"""Waits for the answer to a pause: in a thread of its own, so that what waits can be stopped."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Final

from towpath import _strikes
from towpath._runs.open_runs import cancel
from towpath._settings.current import settings_of_runs
from towpath._state_type import StateType
from towpath._transport.away import is_away
from towpath.client import connect
from towpath.exceptions import NotFound, RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath.client import Client, Pause

CALL_SECONDS: Final = 20.0
"""Longest wait of one call."""
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0


class Awaiting:
    """A wait for the answer to a pause of a run of this process."""

    def __init__(self, run_id: str, key: str, *, timeout: float | None, once: bool = False) -> None:
        """Waits for nothing yet.

        Args:
            run_id: The run.
            key: Key of the pause.
            timeout: Seconds after which it is over, where the service doesn't know of the pause;
                None for no end.
            once: Whether to return what the service knows at once.
        """
        self._run_id = run_id
        self._key = key
        self._ends = None if timeout is None else time.monotonic() + timeout
        self._once = once
        self._given_up = threading.Event()
        self._pause: Pause | None = None
        self._error: Exception | None = None

    def wait(self) -> Pause | None:
        """Waits in this thread; a body that is to end stops it.

        Returns:
            The pause, answered or expired; None for one that is unknown.

        Raises:
            RpcError: The service refuses.
        """
        done = threading.Event()
        self._begin(done.set)
        try:
            while not done.is_set():
                _strikes.wait(done)
        finally:
            self._given_up.set()
        return self._result()

    async def wait_async(self) -> Pause | None:
        """Waits without blocking the event loop; as `wait`."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def over() -> None:
            try:
                loop.call_soon_threadsafe(done.set)
            except RuntimeError:  # The loop has ended.
                return

        self._begin(over)
        try:
            await done.wait()
        finally:
            self._given_up.set()
        return self._result()

    def _begin(self, over: Callable[[], object]) -> None:
        def run() -> None:
            try:
                self._await()
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                self._error = error
            over()

        threading.Thread(target=run, name="towpath-awaiting", daemon=True).start()

    def _result(self) -> Pause | None:
        if self._error is not None:
            raise self._error
        return self._pause

    def _await(self) -> None:
        """Asks the service until there is an answer; a service that is away is asked again."""
        seconds = _FIRST_PAUSE_SECONDS
        while not self._given_up.is_set():
            try:
                with connect(settings_of_runs(), following=not self._once) as client:
                    while not self._given_up.is_set():
                        if self._ask(client):
                            return
                        seconds = _FIRST_PAUSE_SECONDS
            except RpcError as error:
                if not _may_come_back(error):
                    raise
                if self._rest() <= 0 or (self._once and isinstance(error, NotFound)):
                    return
            self._given_up.wait(seconds)
            seconds = min(_LONGEST_PAUSE_SECONDS, seconds * 2)

    def _ask(self, client: Client) -> bool:
        """Asks once; returns whether that was all."""
        rest = self._rest()
        wait = 0.0 if self._once else min(CALL_SECONDS, max(rest, 1.0))
        state, pause = client.await_input(self._run_id, self._key, wait_seconds=wait)
        self._pause = pause
        if self._once or (pause is not None and (pause.answered is not None or pause.expired)):
            return True
        if state is StateType.CANCELLING:
            cancel(self._run_id, "")
        return pause is None and rest <= 0

    def _rest(self) -> float:
        """Seconds until it is over, where the service doesn't know of it."""
        return CALL_SECONDS if self._ends is None else max(0.0, self._ends - time.monotonic())


def _may_come_back(error: RpcError) -> bool:
    """Whether the call may succeed later: the service is away, or hasn't heard of the run yet."""
    return isinstance(error, NotFound) or is_away(error)
