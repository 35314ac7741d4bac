"""Limits on tasks with a tag: acquired around each attempt, without a call for other tags.

The process knows the tags that have a limit. It asks for them again after a minute, in a thread,
while tasks with tags begin. Until the first answer such tasks wait for it, but not long.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from towpath._forks import in_child
from towpath._limits.acquiring import Acquisition, release_async, wanted_of
from towpath._limits.calls import limit_calls, may_be_limited
from towpath._limits.keeping import Slots, keeper
from towpath.exceptions import ConcurrencySlotAcquisitionError, TowpathError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from towpath._runs.context import RunContext
    from towpath._runs.interruption import Interruption

REFRESH_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 2.0
"""Longest that the first task with a tag waits for the list."""
TAG: Final = "tag:"

_log: Final = logging.getLogger("towpath.limits")


class LimitedTags:
    """The tags that have a limit, as far as this process knows."""

    def __init__(self) -> None:
        self._tags: frozenset[str] = frozenset()
        self._prefixes: tuple[str, ...] = ()
        self._asked = 0.0
        self._known = threading.Event()
        self._lock = threading.Lock()

    def among(self, tags: Iterable[str]) -> list[str]:
        """Those of some tags that have a limit."""
        self._refresh()
        return [
            tag for tag in tags if tag in self._tags or (tag.startswith(self._prefixes or "\0"))
        ]

    def _refresh(self) -> None:
        now = time.monotonic()
        with self._lock:
            due = not self._asked or now - self._asked >= REFRESH_SECONDS
            if due:
                self._asked = now
        if due and may_be_limited():
            threading.Thread(target=self._ask, name="towpath-limited-tags", daemon=True).start()
        elif due:
            self._known.set()
        if not self._known.is_set():
            self._known.wait(FIRST_SECONDS)

    def _ask(self) -> None:
        try:
            self._tags, self._prefixes = limit_calls().limited_tags()
        except TowpathError as error:
            _log.debug("the limited tags are not known: %s", error)
        except Exception as error:  # noqa: BLE001 - an interpreter that ends starts no threads
            _log.debug("the limited tags can't be asked for: %r", error)
        self._known.set()


_limited = LimitedTags()


def tag_slots(run: RunContext) -> AbstractContextManager[object]:
    """Holds a slot of each limit on a tag of a task run, for as long as the context lasts."""
    acquisition = _acquisition(run)
    return nullcontext() if acquisition is None else _held(run, acquisition)


def tag_slots_async(run: RunContext) -> AbstractAsyncContextManager[object]:
    """Holds slots as `tag_slots`, without blocking the event loop."""
    acquisition = _acquisition(run)
    return nullcontext() if acquisition is None else _held_async(run, acquisition)


class SlotsLater:
    """Slots of the limits on a task run's tags, for which the run doesn't wait in a thread."""

    def __init__(self, run: RunContext, acquisition: Acquisition) -> None:
        self._run = run
        self._acquisition = acquisition
        self._slots = Slots()

    def begin(self, settled: Callable[[], None]) -> None:
        """Begins to wait; `settled` is called in the end, from any thread."""
        self._acquisition.begin(settled)

    def take(self) -> None:
        """Takes the slots, after the wait."""
        try:
            self._slots = self._acquisition.result()
        except ConcurrencySlotAcquisitionError as error:
            _log.warning("%s goes on without slots: %s", self._run.name, error)

    def give_up(self) -> None:
        """Waits no longer."""
        self._acquisition.give_up()

    def release(self) -> None:
        """Releases what was taken; it may be called more than once."""
        slots, self._slots = self._slots, Slots()
        if slots.held and not slots.lost:
            keeper().release(slots)


def tag_slots_later(run: RunContext) -> SlotsLater | None:
    """Slots of each limit on a tag of a task run, not asked for yet; None without a limit."""
    acquisition = _acquisition(run)
    return None if acquisition is None else SlotsLater(run, acquisition)


@contextmanager
def _held(run: RunContext, acquisition: Acquisition) -> Generator[None]:
    interruption = _interruption_of(run)
    try:
        if interruption is None:
            slots = acquisition.wait()
        else:
            slots = interruption.within(acquisition.wait)
    except ConcurrencySlotAcquisitionError as error:
        _log.warning("%s goes on without slots: %s", run.name, error)
        slots = Slots()
    try:
        yield
    finally:
        if slots.held and not slots.lost:
            keeper().release(slots)


@asynccontextmanager
async def _held_async(run: RunContext, acquisition: Acquisition) -> AsyncGenerator[None]:
    interruption = _interruption_of(run)
    try:
        if interruption is None:
            slots = await acquisition.wait_async()
        else:
            slots = await interruption.run_async(acquisition.wait_async)
    except ConcurrencySlotAcquisitionError as error:
        _log.warning("%s goes on without slots: %s", run.name, error)
        slots = Slots()
    try:
        yield
    finally:
        if slots.held and not slots.lost:
            await release_async(slots)


def _interruption_of(run: RunContext) -> Interruption | None:
    """What stops a submitted run, when its flow is interrupted."""
    return run.flow_run.interruption if run.submitted and run.flow_run else None


def _acquisition(run: RunContext) -> Acquisition | None:
    if run.kind != "task" or not run.tags or run.inherited:
        return None
    limited = _limited.among(run.tags)
    wanted = wanted_of([TAG + tag for tag in limited], 1) if limited else None
    return None if wanted is None else Acquisition(wanted, None, None)


def _forget_in_child() -> None:
    global _limited  # noqa: PLW0603 - a process has one
    _limited = LimitedTags()


in_child(_forget_in_child)
