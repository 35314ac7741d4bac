"""Slots stay whole wherever an exception arrives, in what hands over work or in a thread."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from towpath._runs import slots as module
from towpath._runs.slots import Slots, _Held

from tests.unit.sdk.delivery.breaking_in import BrokenOffError, broken_off

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Context

    from towpath._runs.loops import SharedLoop

pytestmark = [pytest.mark.subject("runners"), pytest.mark.timeout(60)]

WITHIN = "_runs/slots"
MOST = 2
THIS_THREAD = -1


class Trial:
    """Slots, and what became of the work handed to them."""

    def __init__(self) -> None:
        self.slots = Slots(MOST, name="broken")
        self.ran: Counter[str] = Counter()
        self.most_threads = 0
        self.go_on = threading.Event()

    def run(self, name: str) -> None:
        self.slots.run(lambda: self._note(name))

    def hold(self) -> None:
        """Takes all slots until `go_on`."""
        for _ in range(MOST):
            self.slots.run(lambda: cast("None", self.go_on.wait(30)))

    def run_in_loop(self, name: str) -> None:
        self.slots.run_in_loop(cast("Any", lambda: self._note(name)), loop(), lambda: None)

    def end(self) -> None:
        """Runs more work, in all slots at once, and looks at what is left."""
        self.go_on.set()
        together = threading.Barrier(MOST)
        for _ in range(MOST):
            self.slots.run(lambda: cast("None", together.wait(30)))
        self.run("after")
        self.slots.close()
        assert self.ran["after"] == 1
        assert self.most_threads <= MOST
        left = (self.slots._free, self.slots._working, self.slots._queue, self.slots._threads)
        assert left == (MOST, 0, type(self.slots._queue)(), {})

    def _note(self, name: str) -> None:
        self.ran[name] += 1
        self.most_threads = max(self.most_threads, len(self.slots._threads))


def loop() -> SharedLoop:
    """A loop whose work is over when it begins."""

    class Loop:
        @staticmethod
        def begin(make: Callable[[], object], context: Context, ended: Callable[[], None]) -> None:
            context.run(make)
            ended()

    return cast("SharedLoop", Loop())


def trials(
    call: Callable[[Trial], object], *, prepare: Callable[[Trial], object]
) -> Iterator[tuple[bool, Trial]]:
    """Trials whose call was broken off at one place each; the last one's was not."""
    trial = Trial()
    prepare(trial)

    def call_it() -> None:
        call(trial)

    for broke in broken_off(call_it, within=WITHIN, places="steps"):
        yield broke, trial
        trial = Trial()
        prepare(trial)
    trial.go_on.set()
    trial.slots._threads.pop(THIS_THREAD, None)
    trial.slots.close()


def nothing(trial: Trial) -> None:
    """Leaves slots without a thread."""


def done(trial: Trial) -> None:
    """Leaves slots with a thread that has no work."""
    began = threading.Event()
    trial.slots.run(began.set)
    assert began.wait(30)


@pytest.mark.parametrize("prepare", [nothing, done, Trial.hold])
@pytest.mark.parametrize("hand_over", [Trial.run, Trial.run_in_loop])
def test_work_whose_hand_over_is_broken_off_runs_once_or_never(
    hand_over: Callable[[Trial, str], None], prepare: Callable[[Trial], None]
) -> None:
    times = 0
    for broke, trial in trials(lambda t: hand_over(t, "amid"), prepare=prepare):
        trial.go_on.set()
        trial.slots.close()
        assert not trial.slots._queue  # Accepted work needs no further work to be begun.
        assert trial.ran["amid"] in ({0, 1} if broke else {1})
        trial.end()
        times += 1
    assert times > 10


@pytest.mark.parametrize("started", [True, False])
def test_work_runs_when_the_start_of_its_thread_is_broken_off(
    started: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    breaks = iter([True])

    def break_off(thread: threading.Thread) -> None:
        breaking = next(breaks, False)
        if started or not breaking:
            start(thread)
        if breaking:
            raise BrokenOffError

    monkeypatch.setattr(threading.Thread, "start", break_off)
    trial = Trial()
    with pytest.raises(BrokenOffError):
        trial.run("amid")
    trial.end()
    assert trial.ran["amid"] == 1


def test_a_slot_given_up_is_taken_back_wherever_that_is_broken_off() -> None:
    def give_up(trial: Trial) -> None:
        with trial.slots.aside(held[0]):
            pass

    def hold(trial: Trial) -> None:
        held[:] = [_Held(slots=trial.slots)]
        trial.slots._free = 0
        trial.run("amid")

    held: list[_Held] = []
    times = 0
    for _, trial in trials(give_up, prepare=hold):
        assert held[0].waiting == 0
        with trial.slots._lock:
            trial.slots._free += MOST
        trial.end()
        assert trial.ran["amid"] == 1
        times += 1
    assert times > 10


def test_a_thread_that_is_struck_down_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.0)

    def queue(trial: Trial) -> None:
        trial.slots._free = 0
        for name in ("first", "second", "third"):
            trial.run(name)
        trial.slots._free = MOST
        trial.slots._threads[THIS_THREAD] = threading.current_thread()
        trial.slots._wake.put(None)

    times = 0
    for _, trial in trials(lambda trial: trial.slots._serve(THIS_THREAD), prepare=queue):
        if times == 0:  # The function has not begun, so that it didn't end, either.
            trial.slots._serve(THIS_THREAD)
        trial.end()
        assert [trial.ran[name] for name in ("first", "second", "third")] == [1, 1, 1]
        times += 1
    assert times > 20


def test_work_that_raises_ends_nothing_but_itself() -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    trial = Trial()
    for _ in range(MOST + 1):
        trial.slots.run(fail)
    trial.end()


def test_work_runs_when_no_further_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial()
    done(trial)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def work() -> None:
        began.set()
        assert trial.go_on.wait(30)

    began = threading.Event()
    trial.slots.run(work)
    assert began.wait(30)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            trial.run("amid")
    trial.go_on.set()
    trial.end()
    assert trial.ran["amid"] == 1
