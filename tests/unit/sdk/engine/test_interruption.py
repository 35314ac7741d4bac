from __future__ import annotations

import signal
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from towpath import _dropped, flow
from towpath._runs.interruption import Interruption
from towpath._strikes import Strike
from towpath.exceptions import RunCancelled
from towpath.testing import harness

if TYPE_CHECKING:
    from collections.abc import Callable


class Thing:
    """Something to point at weakly."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Python tells of exceptions that it drops, and nobody else hears of."""
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    return told


def test_a_stop_that_python_drops_is_sent_once_more(hook: list[Any]) -> None:
    interrupted = Interruption()
    inside, ended = threading.Event(), threading.Event()
    outcome: list[BaseException | None] = []

    def callback(_: object) -> None:
        # Here Python delivers the stop, and drops it.
        inside.set()
        while not interrupted.requested:
            time.sleep(0.001)
        for _ in range(1000):
            time.sleep(0.001)

    def body() -> None:
        thing = Thing()
        pointing = weakref.ref(thing, callback)
        del thing
        assert pointing() is None
        for _ in range(30_000):
            time.sleep(0.001)

    def run() -> None:
        try:
            interrupted.run(body)
            outcome.append(None)
        except RunCancelled as error:
            outcome.append(error)
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(20)
    interrupted.request()
    assert ended.wait(20)
    thread.join()
    assert isinstance(outcome[0], RunCancelled)
    assert hook == []


def test_other_dropped_exceptions_are_told_as_before(hook: list[Any]) -> None:
    Strike().demand()
    thing = Thing()

    def broken(_: object) -> None:
        raise ValueError("broken callback")

    pointing = weakref.ref(thing, broken)
    del thing
    assert pointing() is None
    assert [told.exc_type for told in hook] == [ValueError]


def test_the_hook_is_put_in_once(hook: list[Any]) -> None:
    Strike().demand()
    first = sys.unraisablehook
    Strike().demand()
    assert sys.unraisablehook is first
    assert first in _dropped._hooks
    assert hook == []


def press(_: object) -> None:
    signal.raise_signal(signal.SIGINT)


def wait_for_a_press(_: object) -> None:
    while True:
        time.sleep(0.001)


def let_drop(callback: Callable[[object], None]) -> None:
    """Calls back for a weak reference, where Python drops what is raised."""
    thing = Thing()
    pointing = weakref.ref(thing, callback)
    del thing
    assert pointing() is None


@pytest.mark.parametrize("callbacks", [[press], [press, wait_for_a_press]], ids=["once", "twice"])
def test_a_ctrl_c_that_python_drops_comes_again(
    callbacks: list[Callable[[object], None]], hook: list[Any]
) -> None:
    dropped: list[object] = []

    @flow
    def interrupted() -> None:
        for callback in callbacks:
            dropped.append(callback)
            let_drop(callback)
        while True:
            time.sleep(0.001)

    with harness() as recorded, pytest.raises(KeyboardInterrupt):
        interrupted()
    assert press in dropped
    assert [run.state for run in recorded.runs] == ["CANCELLED"]
    assert hook == []


def test_a_program_that_handles_sigint_gets_each_ctrl_c_once(hook: list[Any]) -> None:
    heard: list[int] = []

    def hear(number: int, _: object) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    @flow
    def goes_on() -> int:
        let_drop(press)
        return 1

    earlier = signal.signal(signal.SIGINT, hear)
    try:
        with harness():
            assert goes_on() == 1
    finally:
        signal.signal(signal.SIGINT, earlier)
    assert heard == [signal.SIGINT]
    assert [told.exc_type for told in hook] == [KeyboardInterrupt]


def test_the_keyboard_interrupt_of_another_thread_is_told_as_before(hook: list[Any]) -> None:
    def broken(_: object) -> None:
        raise KeyboardInterrupt

    Strike().demand()
    thread = threading.Thread(target=let_drop, args=(broken,))
    thread.start()
    thread.join()
    assert [told.exc_type for told in hook] == [KeyboardInterrupt]
