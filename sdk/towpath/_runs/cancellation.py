"""Requests to cancel flow runs of this process, by its server or by whoever ends the process.

A request reaches the code of a run in the way that a timeout does: a coroutine gets CancelledError,
other code is ended at its next step of Python code, and waits for other runs end at once. The run
ends CANCELLED, and its hooks are called.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from towpath._delivery.directives import listen
from towpath._forks import in_child
from towpath._runs.interruption import Interruption
from towpath.exceptions import RunCancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from towpath._delivery.directives import Directive
    from towpath._runs.context import RunContext

_open: Final[dict[str, RunContext]] = {}


class Cancellation(Interruption):
    """Whether one flow run is to be cancelled, and how its own code is stopped."""

    def __init__(self) -> None:
        super().__init__("its cancellation was requested")

    def demand(self, message: str) -> None:
        """Stops the run's code; any thread may call it, and it returns at once.

        Args:
            message: The reason, for people; empty for none.
        """
        if message and not self.requested:
            self.why = f"its cancellation was requested: {message}"
        self.request()

    async def run_async(self, body: Callable[[], Awaitable[Any]]) -> Any:
        """Awaits code of the run.

        Raises:
            RunCancelled: Its cancellation was requested before or while it ran.
        """
        running = asyncio.current_task()
        assert running is not None
        loop = asyncio.get_running_loop()
        key = object()

        def cancel_within() -> None:
            if self._is_begun(key):
                running.cancel()

        def stop() -> None:
            with suppress(RuntimeError):  # The loop has ended, and its coroutines with it.
                loop.call_soon_threadsafe(cancel_within)

        self._begin(key, stop)
        try:
            return await body()
        except asyncio.CancelledError:
            if not self.requested:
                raise
            running.uncancel()
            raise self.error("stopped") from None
        finally:
            self._forget(key)

    def error(self, did: str) -> RunCancelled:
        """The error that ends the run's code."""
        return RunCancelled(f"{did}, since {self.why}", reason="REQUESTED")


def follow(run: RunContext) -> None:
    """Has a flow run cancelled when that is requested, until it is forgotten."""
    _open[run.run_id] = run


def forget(run: RunContext) -> None:
    """Ends what `follow` began."""
    if _open.get(run.run_id) is run:
        del _open[run.run_id]


def cancel(run_id: str, message: str) -> bool:
    """Cancels a flow run of this process; any thread may call it, and it returns at once.

    Args:
        run_id: The run.
        message: The reason, for people; empty for none.

    Returns:
        Whether the run is one of this process that has not ended.
    """
    run = _open.get(run_id)
    if run is None or run.cancellation is None:
        return False
    if run.interruption is not None:
        run.interruption.request()
    run.cancellation.demand(message)
    if run.runner is not None:
        run.runner.interrupt()
    return True


def obey(directive: Directive) -> None:
    """Follows a directive of the server; it may come again."""
    run = _open.get(directive.run_id)
    if run is None or directive.kind not in {"cancel", "abandon"}:
        return
    run.abandoned = run.abandoned or directive.kind == "abandon"
    cancel(directive.run_id, directive.message)


listen(obey)
in_child(_open.clear)
