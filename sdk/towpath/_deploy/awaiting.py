"""Waits for what the service has for a run, in a thread of its own: so the wait can be stopped.

What a run waits for is the answer to a pause, or an input that another run sends.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
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
    from contextlib import AbstractContextManager

    from towpath.client import Client, Pause

CALL_SECONDS: Final = 20.0
"""Longest wait of one call."""
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0


class Asking(ABC):
    """A wait for something that the service is asked for."""

    def __init__(self, timeout: float | None) -> None:
        """Waits for nothing yet.

        Args:
            timeout: Seconds after which it is over; None for no end.
        """
        self._ends = None if timeout is None else time.monotonic() + timeout
        self._given_up = threading.Event()
        self._error: Exception | None = None

    def until_over(self) -> None:
        """Waits in this thread; a body that is to end stops it.

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
        self._check()

    async def until_over_async(self) -> None:
        """Waits without blocking the event loop; as `until_over`."""
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
        self._check()

    @abstractmethod
    def _ask(self, client: Client) -> bool:
        """Asks once; returns whether that was all."""

    def _is_over(self, error: RpcError) -> bool:
        """Whether the wait ends after a call that failed and may succeed later."""
        del error
        return self._rest() <= 0

    def _connected(self) -> AbstractContextManager[Client]:
        """The connection; without a server, the reports of running pipelines are delivered."""
        return connect(settings_of_runs(), following=True)

    def _rest(self) -> float:
        """Seconds until it is over."""
        return CALL_SECONDS if self._ends is None else max(0.0, self._ends - time.monotonic())

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _begin(self, over: Callable[[], object]) -> None:
        def run() -> None:
            try:
                self._await()
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                self._error = error
            over()

        threading.Thread(target=run, name="towpath-awaiting", daemon=True).start()

    def _await(self) -> None:
        """Asks the service until there is an answer; a service that is away is asked again."""
        seconds = _FIRST_PAUSE_SECONDS
        while not self._given_up.is_set():
            try:
                with self._connected() as client:
                    while not self._given_up.is_set():
                        if self._ask(client):
                            return
                        seconds = _FIRST_PAUSE_SECONDS
            except RpcError as error:
                if not _may_come_back(error):
                    raise
                if self._is_over(error):
                    return
            self._given_up.wait(seconds)
            seconds = min(_LONGEST_PAUSE_SECONDS, seconds * 2)


class Awaiting(Asking):
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
        super().__init__(timeout)
        self._run_id = run_id
        self._key = key
        self._once = once
        self._pause: Pause | None = None

    def wait(self) -> Pause | None:
        """Waits in this thread; a body that is to end stops it.

        Returns:
            The pause, answered or expired; None for one that is unknown.

        Raises:
            RpcError: The service refuses.
        """
        self.until_over()
        return self._pause

    async def wait_async(self) -> Pause | None:
        """Waits without blocking the event loop; as `wait`."""
        await self.until_over_async()
        return self._pause

    def _is_over(self, error: RpcError) -> bool:
        return super()._is_over(error) or (self._once and isinstance(error, NotFound))

    def _connected(self) -> AbstractContextManager[Client]:
        return connect(settings_of_runs(), following=not self._once)

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


def _may_come_back(error: RpcError) -> bool:
    """Whether the call may succeed later: the service is away, or hasn't heard of the run yet."""
    return isinstance(error, NotFound) or is_away(error)
