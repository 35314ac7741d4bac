"""Room for runs that nest deeply: where the stack is nearly full, they go on with another one.

Each level of runs needs some ten frames of the interpreter's stack, which holds a thousand by
default. A run of ordinary code goes on in a fresh thread, and a coroutine in a fresh asyncio task.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from towpath._runs.waiting import Wait
from towpath._strikes import Interrupted, Strike, Struck, spared
from towpath.exceptions import NestingError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from towpath._runs.context import RunContext

MOST_LEVELS: Final = 1500
"""Runs within runs; a function that calls itself without an end gets there."""
_RESERVE: Final = 400
"""Frames for the code of one more level, and for what reports its end."""

_frame_at: Final[Any] = getattr(sys, "_getframe")  # noqa: B009 - documented, despite its name


def level_below(parent: RunContext | None, name: str) -> int:
    """The level of a run within another one.

    Args:
        parent: The run around it.
        name: Of its flow or task.

    Raises:
        NestingError: It would be too deep.
    """
    level = parent.level + 1 if parent is not None else 0
    if level >= MOST_LEVELS:
        raise NestingError(
            f"{name} would be the run number {level + 1} within each other, and the limit is"
            f" {MOST_LEVELS}: look for a flow or task that calls itself without an end, or use a"
            " loop in the place of such calls"
        )
    return level


def nearly_full() -> bool:
    """Whether little is left of this thread's stack."""
    limit = sys.getrecursionlimit()
    reserve = limit * 2 // 5
    try:
        _frame_at(limit - (reserve if reserve < _RESERVE else _RESERVE))  # noqa: FURB136 - half as long
    except ValueError:
        return False
    return True


def in_fresh_thread(function: Callable[[], Any]) -> Any:
    """Calls a function with a stack of its own, in a copy of this context.

    What ends the bodies that this thread is in ends those in the fresh thread, too: timeouts, and
    Ctrl-C.

    Raises:
        BaseException: What the function raised.
    """
    call = _Call(function)
    thread = threading.Thread(
        target=copy_context().run, args=(call.run,), name="towpath-stack", daemon=True
    )
    try:
        # Ctrl-C may arrive in `start`, which has or has not started the thread then.
        thread.start()
        call.wait()
    except BaseException as error:
        if call.begun_or_withdrawn():
            call.strike.demand(Struck if isinstance(error, Struck) else Interrupted)
            with spared(deaf=True):
                call.wait()
        raise
    if call.error is not None:
        raise call.error
    return call.value


class _Call:
    """A call in another thread."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.strike = Strike()
        self.value: Any = None
        self.error: BaseException | None = None
        self._function = function
        self._taken = threading.Lock()
        self._ended = threading.Event()
        self._wait = self._new_wait()

    def begun_or_withdrawn(self) -> bool:
        """Whether the call has begun; if not, it never does."""
        return not self._taken.acquire(blocking=False)

    def run(self) -> None:
        if not self._taken.acquire(blocking=False):
            return
        try:
            with self.strike:
                self.value = self._function()
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            self.error = error
        finally:
            self._ended.set()
            self._wait.tell()

    def wait(self) -> None:
        self._wait = self._new_wait()
        self._wait.until_over()

    def _new_wait(self) -> Wait:
        return Wait(self._ended.is_set)


async def in_fresh_task(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Awaits a coroutine with a stack of its own, in a copy of this context.

    Raises:
        BaseException: What the coroutine raised.
    """
    task = asyncio.get_running_loop().create_task(_kept(coroutine))
    try:
        value, error = await task
    finally:
        task.cancel()
    if error is not None:
        raise error
    return value


async def _kept(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    try:
        return await coroutine, None
    except BaseException as error:  # noqa: BLE001 - raised again in the waiting task
        return None, error
