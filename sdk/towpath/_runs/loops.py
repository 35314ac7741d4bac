"""The event loops of submitted async tasks, which share them: clients and locks belong to a loop.

What an async flow submits runs in the loop of the flow's own code. What an ordinary flow submits
runs in a loop in a thread, and the ordinary flows within one root run have that thread in common.

Invariant: a loop goes on while code in its own thread waits for runs, so that runs in one loop can
wait for each other; see `towpath._runs.waiting`.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from towpath._forks import in_child
from towpath._strikes import set_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    _Make = Callable[[], Coroutine[Any, Any, object]]
    _Ended = Callable[[], object]

DEEPEST: Final = 16
"""Waits within waits in one thread, beyond which new runs get another loop."""


class SharedLoop:
    """A loop that runs what several runs submit."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, depth: int = -1) -> None:
        """Begins nothing.

        Args:
            loop: The loop; it is `advanceable`.
            depth: Its place among the loops of a root run; -1 for a loop of the user's.
        """
        self.loop = loop
        self.depth = depth
        self.users = 0
        """Flow runs whose code runs in it."""
        self.waits = 0
        """Waits for runs that its thread is in, one within the other."""
        self._works: dict[Work, None] = {}
        self._listeners: list[Callable[[], object]] = []

    @property
    def busy(self) -> bool:
        """Whether runs need it."""
        return bool(self._works)

    def begin(self, make: _Make, context: Context, ended: _Ended) -> Work:
        """Begins work, from any thread.

        Args:
            make: Makes its coroutine, in the loop.
            context: Where it runs; for this work only.
            ended: Called in the end, also when the work never began, since the loop was closed.
        """
        work = Work(self, make, context, ended)
        self._works[work] = None
        try:
            self.loop.call_soon_threadsafe(work.start, context=context)
        except RuntimeError:
            self.end(work)
            return work
        for listener in list(self._listeners):
            listener()
        return work

    def end(self, work: Work) -> None:
        """Notes that work has ended."""
        if self._works.pop(work, work) is None:
            work.ended()

    def abandon(self) -> None:
        """Ends all work, after its loop was stopped for good."""
        for work in list(self._works):
            work.close()
            self.end(work)

    def wake(self) -> None:
        """Lets its thread look again at what it waits for."""
        with suppress(RuntimeError):  # closed
            self.loop.call_soon_threadsafe(_nothing)

    def advance(self, seconds: float | None) -> None:
        """Runs what is ready, from within a callback of the loop; waits if nothing is.

        Args:
            seconds: Longest wait; None for no limit.
        """
        loop: Any = self.loop
        timer = None if seconds is None else loop.call_later(seconds, _nothing)
        try:
            getattr(loop, "_run_once")()  # noqa: B009 - private, and as old as asyncio
        finally:
            if timer is not None:
                timer.cancel()

    def within_wait(self, listener: Callable[[], object]) -> _WithinWait:
        """Around `advance`.

        Args:
            listener: Called when work begins meanwhile, from any thread.
        """
        return _WithinWait(self, listener, self._listeners)


class Work:
    """Work in a shared loop."""

    def __init__(self, shared: SharedLoop, make: _Make, context: Context, ended: _Ended) -> None:
        self.ended = ended
        self._shared = shared
        self._make = make
        self._context = context
        self._task: asyncio.Task[object] | None = None
        self._coroutine: Coroutine[Any, Any, object] | None = None
        self._cancelled = False

    def start(self) -> None:
        """Begins, in the loop."""
        if self._cancelled:
            self._shared.end(self)
            return
        self._coroutine = self._make()
        self._task = self._shared.loop.create_task(self._coroutine, context=self._context)
        self._task.add_done_callback(self._done, context=self._context)

    def cancel(self) -> None:
        """Cancels it, from any thread."""
        with suppress(RuntimeError):  # closed
            self._shared.loop.call_soon_threadsafe(self._cancel)

    def close(self) -> None:
        """Leaves its code where it stands, after the loop was stopped for good."""
        self._cancelled = True
        if self._coroutine is not None:
            with suppress(BaseException):
                self._coroutine.close()
            # Python would warn of a task that never ended.
            setattr(self._task, "_log_destroy_pending", False)  # noqa: B010 - private

    def _cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    def _done(self, task: asyncio.Task[object]) -> None:
        if not task.cancelled():
            task.exception()
        self._shared.end(self)


class _WithinWait:
    """Within a callback of a loop that goes on meanwhile."""

    # No generator: `contextlib` assigns to an exception that passes, which some exceptions refuse.

    def __init__(
        self, shared: SharedLoop, listener: Callable[[], object], listeners: list[Any]
    ) -> None:
        self._shared = shared
        self._listener = listener
        self._listeners = listeners
        self._apart = set_apart()

    def __enter__(self) -> Self:
        loop: Any = self._shared.loop
        self._ready: Any = getattr(loop, "_ready")  # noqa: B009 - private
        self._due = len(self._ready)
        self._task = asyncio.current_task(loop)
        if self._task is not None:
            _asyncio("_leave_task")(loop, self._task)
        self._apart.__enter__()
        self._shared.waits += 1
        self._listeners.append(self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        self._listeners.remove(self._listener)
        self._shared.waits -= 1
        self._apart.__exit__()
        loop: Any = self._shared.loop
        if self._task is not None:
            _asyncio("_enter_task")(loop, self._task)
        # The loop around this wait counted what was ready, and takes as many off the queue.
        while len(self._ready) < self._due:
            passed = asyncio.Handle(_nothing, (), loop)
            passed.cancel()
            self._ready.append(passed)


class ThreadLoop(SharedLoop):
    """A loop in a thread of its own."""

    def __init__(self, depth: int) -> None:
        """Starts the thread."""
        # The policy's loops may be others, that don't go on within a wait.
        kind = getattr(asyncio, "ProactorEventLoop", asyncio.SelectorEventLoop)
        self._runner = asyncio.Runner(loop_factory=kind)
        super().__init__(Context().run(self._runner.get_loop), depth=depth)
        self.users = 1
        self._over = asyncio.Event()
        _in_use[self.loop] = self
        self._thread = threading.Thread(target=self._run, name="towpath-loop", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cancels what is left in the loop, and closes it."""
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._runner as runner:
                runner.run(self._until_over())
        finally:
            _in_use.pop(self.loop, None)

    async def _until_over(self) -> None:
        await self._over.wait()


class Loops:
    """The loops in threads of one root run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[ThreadLoop] = []

    def at(self, depth: int) -> ThreadLoop:
        """A loop that no loop below this depth waits for."""
        with self._lock:
            while True:
                while len(self._threads) <= depth:
                    self._threads.append(ThreadLoop(len(self._threads)))
                if self._threads[depth].waits < DEEPEST:
                    return self._threads[depth]
                depth += 1

    def close(self) -> None:
        """Closes them all, the newest first."""
        with self._lock:
            while self._threads:
                self._threads.pop().close()


_in_use: Final[dict[asyncio.AbstractEventLoop, SharedLoop]] = {}


def _forget_in_child() -> None:
    """Drops the loops in a forked child, since their threads are the parent's."""
    _in_use.clear()


in_child(_forget_in_child)


def loop_here() -> SharedLoop | None:
    """The shared loop whose callback this thread is in, if it is in one."""
    loop: Any = _events("_get_running_loop")() if _in_use else None
    return None if loop is None else _in_use.get(loop)


def enter_loop() -> SharedLoop | None:
    """Shares the running loop, until `leave_loop`; None for a loop of an unknown kind."""
    loop = asyncio.get_running_loop()
    shared = _in_use.get(loop)
    if shared is None:
        if not _advanceable(loop):
            return None
        shared = _in_use[loop] = SharedLoop(loop)
    shared.users += 1
    return shared


def leave_loop(shared: SharedLoop | None) -> None:
    """Ends the use of a loop that `enter_loop` gave."""
    if shared is None:
        return
    shared.users -= 1
    if not shared.users and _in_use.get(shared.loop) is shared:
        del _in_use[shared.loop]


class InLoops(Protocol):
    """A run, as far as the loops go that its tasks run in; see `RunContext`."""

    loop: SharedLoop | None
    loops: Loops | None
    loop_depth: int

    @property
    def flow_run(self) -> InLoops | None:
        """The flow run that it is, or that its tasks belong to."""
        ...


def loop_for(flow_run: InLoops) -> SharedLoop:
    """The loop of what a flow run submits."""
    own = flow_run.loop
    if own is not None and own.waits < DEEPEST:
        return own
    assert flow_run.loops is not None
    return flow_run.loops.at(flow_run.loop_depth)


def depth_below(parent: InLoops | None) -> int:
    """The least depth of a loop in a thread for a flow run that begins here."""
    here = loop_here()
    inherited = parent.flow_run if parent is not None else None
    return max(
        inherited.loop_depth if inherited is not None else 0,
        here.depth + 1 if here is not None else 0,
    )


def _advanceable(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop is asyncio's own: uvloop and those of user interfaces can't be advanced."""
    kind: Any = type(loop)
    base: Any = asyncio.BaseEventLoop
    own = (base, getattr(asyncio, "ProactorEventLoop", base))
    return isinstance(loop, base) and (
        getattr(kind, "_run_once", None) is getattr(base, "_run_once", kind)
        and any(kind.run_forever is one.run_forever for one in own)
    )


def _asyncio(name: str) -> Any:
    return getattr(asyncio.tasks, name)


def _events(name: str) -> Any:
    return getattr(asyncio.events, name)


def _nothing() -> None:
    return None
