"""Waits for slots: in a thread of its own, so that what waits for it can be stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import uuid_utils

from towpath import _strikes
from towpath._forks import in_child
from towpath._limits.calls import Wanted, limit_calls
from towpath._limits.keeping import Slots, keeper
from towpath._runs.context import current_run
from towpath._settings.current import settings_of_runs
from towpath._transport.away import is_away
from towpath.exceptions import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    ConfigurationError,
    RpcError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towpath._limits.calls import Acquired

OnUnreachable = Literal["wait", "proceed"]

CALL_SECONDS: Final = 20.0
"""Longest wait of one call."""
LONGEST_RATE_SECONDS: Final = 86_400.0
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0

_log: Final = logging.getLogger("towpath.limits")
_told: set[str] = set()


class Acquisition:
    """One acquisition of slots; it ends with slots, or with an error."""

    def __init__(
        self, wanted: Wanted, timeout_seconds: float | None, on_unreachable: OnUnreachable | None
    ) -> None:
        """Asks for nothing yet.

        Args:
            wanted: The slots.
            timeout_seconds: Longest wait; None for no end.
            on_unreachable: Whether to wait for a service that is away, or to go on without slots;
                None for the setting.
        """
        self.wanted = wanted
        self._id = str(uuid_utils.uuid7())
        self._seconds = timeout_seconds
        self._ends = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._on_unreachable = on_unreachable
        self._lock = threading.Lock()
        self._settled = False
        self._given_up = threading.Event()
        self._slots: Slots | None = None
        self._error: Exception | None = None

    def wait(self) -> Slots:
        """Waits in this thread; a body that is to end stops it. Raises as `concurrency`."""
        done = threading.Event()
        self.begin(done.set)
        try:
            while not done.is_set():
                _strikes.wait(done)
        except BaseException:
            self.give_up()
            raise
        return self.result()

    async def wait_async(self) -> Slots:
        """Waits without blocking the event loop. Raises as `concurrency`."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def settled() -> None:
            with_loop(loop, done.set)

        self.begin(settled)
        try:
            await done.wait()
        except BaseException:
            self.give_up()
            raise
        return self.result()

    def begin(self, settled: Callable[[], None]) -> None:
        """Begins to wait; `settled` is called in the end, from any thread."""

        def run() -> None:
            try:
                self._slots = self._acquire()
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                self._error = error
            with self._lock:
                self._settled = True
                unwanted = self._given_up.is_set()
            if unwanted:
                keeper().release_id(self._id)
            settled()

        threading.Thread(target=run, name="towpath-acquiring", daemon=True).start()

    def give_up(self) -> None:
        """Waits no longer, and releases what was acquired meanwhile."""
        with self._lock:
            self._given_up.set()
            settled = self._settled
        if settled and self._slots is not None and self._slots.held:
            release_later(self._id)

    def result(self) -> Slots:
        """The slots, after the wait. Raises as `concurrency`."""
        if self._error is not None:
            raise self._error
        assert self._slots is not None
        if self._slots.held:
            keeper().add(self._slots)
        return self._slots

    def _acquire(self) -> Slots:
        pause = _FIRST_PAUSE_SECONDS
        while not self._given_up.is_set():
            rest = self._rest()
            try:
                answer = limit_calls().acquire(self._id, self.wanted, min(rest, CALL_SECONDS))
            except ConfigurationError as error:
                return self.without(error)
            except RpcError as error:
                if not is_away(error):
                    raise _refused(error, self.wanted) from error
                if self._proceeds():
                    return self.without(error)
                if rest <= 0:
                    raise self.too_late() from error
                self._given_up.wait(min(pause, rest))
                pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
                continue
            if answer.acquired:
                return self._made(answer)
            if self._rest() <= 0:
                keeper().release_id(self._id)
                raise self.too_late()
        return Slots()

    def _rest(self) -> float:
        """Seconds that are left to wait."""
        return 1e9 if self._ends is None else max(0.0, self._ends - time.monotonic())

    def _proceeds(self) -> bool:
        return (self._on_unreachable or settings_of_runs().limits_on_unreachable) == "proceed"

    def _made(self, answer: Acquired) -> Slots:
        tell_missing(answer.missing)
        return Slots(
            acquisition_id=self._id,
            names=tuple(self.wanted.needs),
            fences=answer.fences,
            hold_seconds=self.wanted.hold_seconds,
        )

    def without(self, error: Exception) -> Slots:
        """Goes on without slots, or raises where that is not wanted."""
        if self.wanted.strict and isinstance(error, ConfigurationError):
            raise ConcurrencySlotAcquisitionError(str(error)) from error
        _tell(f"away: {error}", f"limits are not observed: {error}")
        return Slots()

    def too_late(self) -> AcquireConcurrencySlotTimeoutError:
        """The error of a wait that was too long."""
        names = ", ".join(self.wanted.needs)
        return AcquireConcurrencySlotTimeoutError(
            f"no slots of {names} came free within {self._seconds:g} s:"
            f" `towpath limit show {next(iter(self.wanted.needs))}` lists who holds them"
        )


def with_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Calls in a loop, from any thread; does nothing once the loop has ended."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return


def release_later(acquisition_id: str) -> None:
    """Releases an acquisition in a thread of its own."""
    threading.Thread(
        target=lambda: keeper().release_id(acquisition_id), name="towpath-releasing", daemon=True
    ).start()


async def release_async(slots: Slots) -> None:
    """Releases slots without blocking the event loop, also while the task is cancelled."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def run() -> None:
        keeper().release(slots)
        with_loop(loop, done.set)

    threading.Thread(target=run, name="towpath-releasing", daemon=True).start()
    await done.wait()


def reserve(
    wanted: Wanted, timeout_seconds: float | None, on_unreachable: OnUnreachable | None = None
) -> float:
    """Reserves slots of limits on the rate; returns the seconds to wait before going on.

    Raises:
        AcquireConcurrencySlotTimeoutError: The time would come too late.
        ConcurrencySlotAcquisitionError: The service refuses.
    """
    asking = Acquisition(wanted, timeout_seconds, on_unreachable)
    return _reserve(asking, timeout_seconds, on_unreachable)


def _reserve(
    asking: Acquisition, timeout_seconds: float | None, on_unreachable: OnUnreachable | None
) -> float:
    wanted = asking.wanted
    id_ = str(uuid_utils.uuid7())
    begun = time.monotonic()
    pause = _FIRST_PAUSE_SECONDS
    most = LONGEST_RATE_SECONDS if timeout_seconds is None else timeout_seconds
    while True:
        rest = max(0.0, most - (time.monotonic() - begun))
        try:
            answer = limit_calls().reserve(id_, wanted, min(rest, LONGEST_RATE_SECONDS))
        except ConfigurationError as error:
            asking.without(error)
            return 0.0
        except RpcError as error:
            if not is_away(error):
                raise _refused(error, wanted) from error
            if (on_unreachable or settings_of_runs().limits_on_unreachable) == "proceed":
                asking.without(error)
                return 0.0
            if rest <= 0:
                raise asking.too_late() from error
            time.sleep(min(pause, rest))
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
            continue
        tell_missing(answer.missing)
        if not answer.reserved:
            raise AcquireConcurrencySlotTimeoutError(
                f"the next slots of {', '.join(wanted.needs)} come free in"
                f" {answer.delay_seconds:.3g} s, later than the {most:g} s that are left"
            )
        return answer.delay_seconds


def wanted_of(
    names: str | Sequence[str], occupy: int, *, strict: bool = False, **fields: Any
) -> Wanted | None:
    """Returns what a call asks for; None where it names no limit.

    Raises:
        ConcurrencySlotAcquisitionError: `occupy` isn't positive.
    """
    listed = [names] if isinstance(names, str) else list(names)
    if not listed or not all(listed):
        return None
    if occupy < 1:
        raise ConcurrencySlotAcquisitionError(f"occupy must be 1 or more, not {occupy}")
    run = current_run.get()
    owner = None if run is None else run.flow_run or run
    who = (run.name if run is not None else "", os.uname().nodename, f"pid {os.getpid()}")
    wanted = Wanted(
        needs=dict.fromkeys(sorted(listed), occupy),
        strict=strict,
        run_id="" if owner is None else owner.run_id,
        holder=", ".join(filter(None, who)),
    )
    return replace(wanted, **fields)


def tell_missing(names: Sequence[str]) -> None:
    """Warns once of each limit that doesn't exist."""
    for name in names:
        advice = f"`towpath limit set {name} N` sets one"
        _tell(f"missing: {name}", f"there is no limit {name!r}: {advice}")


def _tell(key: str, message: str) -> None:
    if key not in _told:
        _told.add(key)
        _log.warning("%s", message)


def _refused(error: RpcError, wanted: Wanted) -> ConcurrencySlotAcquisitionError:
    return ConcurrencySlotAcquisitionError(
        f"slots of {', '.join(wanted.needs)} can't be acquired: {error}"
    )


in_child(_told.clear)
