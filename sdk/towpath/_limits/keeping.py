"""Keeps the slots that this process holds: one thread renews them all.

A forked child holds nothing: the slots of its parent stay the parent's.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from towpath._forks import generation, in_child
from towpath._limits.calls import close_calls, limit_calls
from towpath._transport.away import is_away
from towpath.exceptions import RpcError, TowpathError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_log: Final = logging.getLogger("towpath.limits")
_RENEWALS: Final = 3
"""Renewals within the time that slots last."""
_AGAIN_SECONDS: Final = 1.0
_LINGER_SECONDS: Final = 10.0


@dataclass(slots=True, kw_only=True, eq=False)
class Slots:
    """Slots of limits, held until their context ends."""

    acquisition_id: str = ""
    names: Sequence[str] = ()
    fences: Mapping[str, int] = field(default_factory=dict[str, int])
    """For each limit a number that grows with every acquisition of it."""
    lost: bool = False
    """Whether the slots have ended before their context: others may hold them."""
    hold_seconds: float = field(default=60.0, repr=False)
    forks: int = field(default_factory=generation, repr=False)

    @property
    def held(self) -> bool:
        """Whether there is anything to renew and to release."""
        return bool(self.fences)


def pause_seconds(held: Iterable[Slots]) -> float:
    """The time between two renewals of slots, by those that last shortest."""
    return min((slots.hold_seconds for slots in held), default=60.0) / _RENEWALS


class Keeper:
    """Renews and releases the slots of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[str, Slots] = {}
        self._unreleased: set[str] = set()
        self._thread: threading.Thread | None = None

    def add(self, slots: Slots) -> None:
        """Keeps slots from now on."""
        with self._changed:
            self._held[slots.acquisition_id] = slots
            self._ensure_thread()

    def release(self, slots: Slots) -> None:
        """Releases slots; where the service is away, the thread does it later."""
        if slots.forks != generation():
            return
        with self._changed:
            self._held.pop(slots.acquisition_id, None)
        self.release_id(slots.acquisition_id)

    def release_id(self, acquisition_id: str) -> None:
        """Releases an acquisition, now or later."""
        try:
            limit_calls().release([acquisition_id])
        except TowpathError:
            with self._changed:
                self._unreleased.add(acquisition_id)
                self._ensure_thread()

    def close(self) -> None:
        """Releases all slots, as the process ends."""
        with self._changed:
            ids = [*self._held, *self._unreleased]
            self._held.clear()
            self._unreleased.clear()
            self._changed.notify()
        if ids:
            with suppress(Exception):  # What is left ends by itself.
                limit_calls().release(ids)
        close_calls()

    def _ensure_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="towpath-slots", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _run(self) -> None:
        renewed = time.monotonic()
        while True:
            with self._changed:
                if not self._held and not self._unreleased:
                    self._changed.wait(_LINGER_SECONDS)
                    if not self._held and not self._unreleased:
                        self._thread = None
                        return
                    renewed = time.monotonic()
                # Slots that last shorter may have come meanwhile, so the pause is worked out anew.
                left = pause_seconds(self._held.values()) - (time.monotonic() - renewed)
                if left > 0 and not self._unreleased:
                    self._changed.wait(left)
                    continue
                held, unreleased = list(self._held), list(self._unreleased)
            if self._tend(held, unreleased):
                renewed = time.monotonic()
            else:
                time.sleep(_AGAIN_SECONDS)

    def _tend(self, held: Sequence[str], unreleased: Sequence[str]) -> bool:
        """Renews and releases; False where the service is away."""
        try:
            if unreleased:
                limit_calls().release(unreleased)
            lost = limit_calls().renew(held) if held else set[str]()
        except RpcError as error:
            if not is_away(error):
                _log.warning("slots could not be renewed: %s", error)
            return False
        except TowpathError as error:
            _log.warning("slots could not be renewed: %s", error)
            return False
        with self._changed:
            self._unreleased.difference_update(unreleased)
            gone = [self._held.pop(id_) for id_ in lost if id_ in self._held]
        for slots in gone:
            slots.lost = True
            _log.warning("the slots of %s have ended; others may hold them", ", ".join(slots.names))
        return True


_keeper = Keeper()


def keeper() -> Keeper:
    """Returns the keeper of this process."""
    return _keeper


def _close() -> None:
    _keeper.close()


def _forget_in_child() -> None:
    global _keeper  # noqa: PLW0603 - a process has one
    _keeper = Keeper()


in_child(_forget_in_child)
atexit.register(_close)
