"""Coroutines awaited from ordinary code, whether or not a loop runs in this thread."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from towpath._strikes import Struck, exposed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_COROUTINE: Final[Any] = CoroutineType


def loop_runs() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_to_end(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, run in a loop of its own in this context."""
    return _in_thread(coroutine) if loop_runs() else _in_loop(coroutine)


def whole(value: Any) -> Any:
    """What an ordinary function gave: where that is a coroutine, the result of it."""
    return run_to_end(value) if isinstance(value, _COROUTINE) else value


async def awaited(value: Any) -> Any:
    """The same in an event loop."""
    return await value if isinstance(value, _COROUTINE) else value


def _in_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a loop here; where a body around it is to end, the coroutine is cancelled."""
    running: list[Callable[[], object]] = []
    stopped = threading.Event()

    async def stoppable() -> Any:
        loop, task = asyncio.get_running_loop(), _current()
        running.append(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            return await coroutine
        finally:
            running.clear()

    def stop() -> None:
        # Once: it would be cancelled again as it cleans up.
        with contextlib.suppress(IndexError, RuntimeError):
            cancel = running.pop()
            stopped.set()  # Before the loop's thread can see that it is cancelled.
            cancel()

    with exposed(stop):
        try:
            return asyncio.run(stoppable())
        except asyncio.CancelledError:
            if stopped.is_set():
                raise Struck from None
            raise


def _current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _in_thread(coroutine: Coroutine[Any, Any, Any]) -> Any:
    results: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(asyncio.run(coroutine))
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            errors.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name="towpath-loop")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
