"""Ends the bodies of runs from outside: for timeouts and for flows that are interrupted.

Python can raise an exception in another thread, anywhere in its code. So a thread marks where it
may be struck: the user's code is `exposed`, and Towpath's code that it calls is `spared`. A strike
that falls on a spared thread takes effect as soon as the thread is exposed again.

Invariant: a body that is to end is struck again and again until it has ended. Python drops an
exception that it delivers in a finalizer or in a callback of a weak reference, and the user's code
may swallow it. A body that is cleaning up because of a strike, in a `finally` or an `except`, is
left alone meanwhile.

A thread within a call of C code is struck when it comes back from there.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from towpath._dropped import FallsAgain, hear_dropped
from towpath._forks import in_child
from towpath._threads import logs, raise_in
from towpath.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    _Way = Callable[[], object]

_AGAIN_SECONDS: Final = 0.05
_SOON_SECONDS: Final = 0.002
_LINGER_SECONDS: Final = 5.0
_PATIENCE: Final = 200
"""How often a strike waits for `logging` to release its locks."""
_LOOKS: Final = 3
_LONGEST_CHAIN: Final = 100


class Struck(FallsAgain):
    """Raised in a body that is to end. `except Exception` in the user's code lets it pass."""


class Interrupted(Struck):
    """Raised in a body to which Ctrl-C was passed on from another thread."""


class _Withdrawn(Struck):
    """Replaces a strike that was withdrawn; `_withdraw` catches it."""


class Strike:
    """One body's end from outside: entered by the thread that runs the body, around it."""

    def __init__(self, seconds: float | None = None) -> None:
        """Strikes nothing yet.

        Args:
            seconds: Time after which the body must end; None for no limit.
        """
        self.due = False
        """Whether the body must end."""
        self.kind: type[Struck] = Struck
        """What is raised in it."""
        self._seconds = seconds
        self._target: _Target | None = None
        self._before: _Way | None = None
        self._patience = _PATIENCE

    def __enter__(self) -> Self:
        thread = threading.get_ident()
        target = self._target = _targets.get(thread) or _Target(thread)
        _targets[thread] = target
        # Spared first: an exception that falls as the lock is taken would keep it taken.
        if target.way is not None:
            self._before = target.switch(None)
        with target.lock:
            target.strikes.append(self)
        if self._seconds is not None:
            _striker.watch(self, time.monotonic() + self._seconds)
        return self

    def __exit__(self, *_: object) -> None:
        if self._seconds is not None or self.due:
            _striker.forget(self)
        target = self._target
        assert target is not None
        if self._before is not None or target.way is not None:
            target.switch(self._before)
        with target.lock:
            if self in target.strikes:
                target.strikes.remove(self)
        if not target.strikes:
            _targets.pop(target.thread, None)

    def postpone(self, when: float | None) -> None:
        """Moves the time after which the body must end; a strike that is due stays due.

        Args:
            when: The time, by the monotonic clock; None for no limit.
        """
        if self.due or self._target is None:
            return
        if when is None:
            _striker.forget(self)
        else:
            _striker.watch(self, when)

    def demand(self, kind: type[Struck] = Struck) -> None:
        """Demands the body's end; any thread may call it, and it returns at once.

        Args:
            kind: What is raised in the body.
        """
        self.kind = kind
        hear_dropped()
        self.due = True
        if self._target is not None:
            _striker.watch(self, 0.0)

    def fall(self) -> float:
        """Strikes once; returns the seconds until the next try."""
        target = self._target
        assert target is not None
        self.due = True
        with target.lock:
            target.decides = True
            try:
                return self._fall_on(target)
            finally:
                target.decides = False

    def _fall_on(self, target: _Target) -> float:
        way = target.way
        if self not in target.strikes or way is None or _handles(target.thread):
            return _AGAIN_SECONDS
        if way == target.raise_there and self._patience and logs(target.thread):
            self._patience -= 1
            return _SOON_SECONDS
        way()
        return _AGAIN_SECONDS


class _Target:
    """A thread that runs bodies which may be ended."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.lock = threading.RLock()
        """Reentrant, so that only the thread that holds it can release it."""
        self.strikes: list[Strike] = []
        """Strikes of the bodies that it is in, the innermost last."""
        self.way: _Way | None = None
        """The way to strike it; None while it is spared."""
        self.deaf = False
        """Whether strikes don't cut its waits short, at the end of a body."""
        self.decides = False
        """Whether a strike is deciding just now, under the lock, in which way to fall."""
        self._sent = False

    @property
    def due(self) -> bool:
        """Whether one of its bodies must end; asked by the thread itself, amid each report."""
        for strike in self.strikes:  # noqa: SIM110 - half as long as `any`
            if strike.due:
                return True
        return False

    @property
    def kind(self) -> type[Struck]:
        """What is raised in the bodies that must end."""
        return next((strike.kind for strike in list(self.strikes) if strike.due), Struck)

    def raise_there(self) -> None:
        """Raises `Struck` in its Python code; the caller holds the lock."""
        self._sent = True
        raise_in(self.thread, self.kind)

    def switch(self, way: _Way | None) -> _Way | None:
        """Sets the way to strike it and returns the former one; called by the thread itself.

        A strike says that it decides before it reads the way; the thread sets the way before it
        looks for that. So either the strike reads the new way, or the thread waits for it here.
        """
        before, self.way = self.way, way
        # While it was spared, nothing could strike it.
        if before is not None and (self.decides or self._sent):
            try:
                with self.lock:
                    sent, self._sent = self._sent, False
                if sent:
                    # A pending exception would be raised later, anywhere in the thread's code.
                    _withdraw()
            except Struck:
                # It was raised at one of these steps. Python 3.14 raises also between the taking
                # of a lock and the block that releases it.
                self._sent = False
                with suppress(RuntimeError):
                    self.lock.release()
        return before


_targets: Final[dict[int, _Target]] = {}


class exposed:  # noqa: N801 - reads as a statement
    """Around the user's code, or around waiting: here this thread may be struck.

    Raises:
        Struck: On entry or exit, if a body that the thread is in must end.
    """

    __slots__ = ("_before", "_target", "_wake")

    def __init__(self, wake: Callable[[], object] | None = None) -> None:
        """Exposes nothing yet.

        Args:
            wake: Ends a wait, instead of an exception; None for Python code.
        """
        self._wake = wake
        self._target: _Target | None = None

    def __enter__(self) -> None:
        target = _targets.get(threading.get_ident()) if _targets else None
        if target is None or (self._wake is not None and target.deaf):
            return
        if target.due and not _holds(sys.exception()):
            raise target.kind
        self._target = target
        self._before = target.switch(self._wake or target.raise_there)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        target = self._target
        if target is None:
            return
        target.switch(self._before)
        if self._wake is not None and kind is None and target.due and not _holds(sys.exception()):
            raise target.kind


class spared:  # noqa: N801 - reads as a statement
    """Around Towpath's code that user code calls: here this thread is not struck.

    Raises:
        Struck: On exit, if a body that the thread is in must end.
    """

    __slots__ = ("_before", "_deaf", "_target", "_was_deaf")

    def __init__(self, *, deaf: bool = False) -> None:
        """Spares nothing yet.

        Args:
            deaf: Whether strikes don't cut waits within it short, either.
        """
        self._deaf = deaf
        self._target: _Target | None = None

    def __enter__(self) -> None:
        target = _targets.get(threading.get_ident()) if _targets else None
        if target is None or (target.way is None and (target.deaf or not self._deaf)):
            return  # As nothing changes, nothing is to be restored.
        self._target = target
        self._was_deaf, target.deaf = target.deaf, target.deaf or self._deaf
        self._before = target.switch(None)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        target = self._target
        if target is None:
            return
        target.deaf = self._was_deaf
        target.switch(self._before)
        if self._before is not None and kind is None and target.due and not _holds(sys.exception()):
            raise target.kind


class set_apart:  # noqa: N801 - reads as a statement
    """Around code of other runs in this thread: strikes of the bodies around it pass it by."""

    __slots__ = ("_target", "_thread")

    def __enter__(self) -> None:
        self._thread = threading.get_ident()
        self._target = _targets.pop(self._thread, None)

    def __exit__(self, *_: object) -> None:
        if self._target is not None:
            _targets[self._thread] = self._target


def call_exposed(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls the user's code: here this thread may be struck."""
    target = _targets.get(threading.get_ident()) if _targets else None
    if target is None:
        return function(*arguments)
    # As `exposed`, in fewer steps: each task comes here.
    if target.due and not _holds(sys.exception()):
        raise target.kind
    before = target.switch(target.raise_there)
    try:
        return function(*arguments)
    finally:
        target.switch(before)


def call_spared(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls Towpath's code: here this thread is not struck; raises as `spared`."""
    target = _targets.get(threading.get_ident()) if _targets else None
    if target is None or target.way is None:
        return function(*arguments)
    with spared():
        return function(*arguments)


def due() -> bool:
    """Whether a body that this thread is in must end."""
    target = _targets.get(threading.get_ident())
    return target is not None and target.due


def wait(event: threading.Event, timeout: float | None = None) -> None:
    """Waits for an event.

    Raises:
        Struck: A body that the thread is in must end.
    """
    with exposed(event.set):
        event.wait(timeout)


class _Striker:
    """The thread that strikes; it lives while there are strikes to watch."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: dict[Strike, float] = {}
        self._thread: threading.Thread | None = None

    def watch(self, strike: Strike, when: float) -> None:
        """Lets a strike fall at a time of the monotonic clock, and again until it is forgotten."""
        with self._changed:
            self._watched[strike] = when
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="towpath-timeouts", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def forget(self, strike: Strike) -> None:
        """Removes a strike, which doesn't fall again once this returns."""
        with self._changed:
            self._watched.pop(strike, None)

    def _run(self) -> None:
        while (strikes := self._next()) is not None:
            for strike in strikes:
                # At no fixed pace: a loop of the user's could keep step with it.
                again = time.monotonic() + strike.fall() * random.uniform(0.3, 1.7)  # noqa: S311 - no secret
                with self._changed:
                    if strike in self._watched:
                        self._watched[strike] = again

    def _next(self) -> list[Strike] | None:
        """Waits for the next strikes and returns them; None when no strike is watched any more."""
        with self._changed:
            while True:
                now = time.monotonic()
                ready = [strike for strike, when in self._watched.items() if when <= now]
                if ready:
                    return ready
                first = min(self._watched.values(), default=None)
                left = _LINGER_SECONDS if first is None else min(first - now, 3600.0)
                if not self._changed.wait(left) and not self._watched:
                    self._thread = None
                    return None


_striker = _Striker()


def _forget_in_child() -> None:
    """Drops all strikes in a forked child, since their bodies belong to the parent."""
    global _striker  # noqa: PLW0603 - its thread and its lock are the parent's
    _striker = _Striker()
    for target in _targets.values():
        target.lock = threading.RLock()
        target.strikes.clear()
    if _targets.pop(threading.get_ident(), None) is not None:
        _withdraw()
    _targets.clear()


in_child(_forget_in_child)


def _handles(thread: int) -> bool:
    """Whether a thread is in the `except` or `finally` of a strike."""
    current: Any = getattr(sys, "_current_exceptions")()  # noqa: B009 - documented, despite its name
    found = current.get(thread)
    return _holds(found if found is None or isinstance(found, BaseException) else found[1])


def _holds(error: BaseException | None) -> bool:
    """Whether an exception is a strike, or was raised while one was handled."""
    for _ in range(_LONGEST_CHAIN):
        # The strike that has ended its body was converted to an error of the run.
        if error is None or isinstance(error, RunError):
            return False
        if isinstance(error, Struck):
            return True
        error = error.__context__
    return False


def _withdraw() -> None:
    """Takes back an exception that is not raised yet in this thread.

    Python has a NULL for this, but up to 3.12 the interpreter would look for the exception ever
    after: calls take fifteen times as long on 3.12, and a trace function hangs 3.11. So another
    one takes its place, and is caught here.
    """
    try:
        raise_in(threading.get_ident(), _Withdrawn)
        for _ in range(_LOOKS):  # Python looks for exceptions at each jump back.
            pass
    except _Withdrawn:
        pass
