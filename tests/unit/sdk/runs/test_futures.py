"""Futures: what waits for them, what is called when they end, and how long that takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from towpath._runs import futures as module
from towpath._runs.children import Child
from towpath.futures import Future, FutureList, as_completed, wait
from towpath.states import State, StateType

if TYPE_CHECKING:
    from collections.abc import Callable


def pending(name: str = "fetch") -> Future[Any]:
    return Future(name, Child(name))


def ended(value: object = None) -> Future[Any]:
    future = pending()
    end(future, value)
    return future


def end(future: Future[Any], value: object = None) -> None:
    future.finish(State(type=StateType.COMPLETED, value=value))


@dataclass
class Clock:
    now: float = 100.0

    def monotonic(self) -> float:
        return self.now


@dataclass(eq=False)
class Slow:
    """A future that never ends, and whose waits take the whole time, or so many seconds."""

    clock: Clock
    takes: float = 1e9
    waits: list[float | None] = field(default_factory=list)
    then: Callable[[], object] = bool

    def done(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> None:
        self.waits.append(timeout)
        assert timeout is not None
        self.clock.now += min(timeout, self.takes)
        self.then()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_wait_says_which_have_ended() -> None:
    early, late = ended(), pending()
    result = wait([late, early, late], timeout=0)
    assert result == ({early}, {late})
    assert (result.done, result.not_done) == ({early}, {late})
    assert wait([early]) == ({early}, set())
    assert wait(iter([])) == (set(), set())


def test_a_timeout_is_for_all_futures_together(clock: Clock) -> None:
    slow = [Slow(clock, takes=3), Slow(clock, takes=4), Slow(clock), Slow(clock)]
    wait(slow, timeout=10)
    assert [each.waits for each in slow] == [[10], [7], [3], [0]]
    assert clock.now == 110


def test_a_timeout_is_for_all_results_together(clock: Clock) -> None:
    futures: Any = FutureList([ended(1), Slow(clock, takes=2), Slow(clock)])
    with pytest.raises(TimeoutError, match=r"2 runs have not ended within 5 s"):
        futures.result(timeout=5)
    assert [each.waits for each in futures[1:]] == [[5], []]
    assert FutureList([ended(1), ended(2)]).result(timeout=0) == [1, 2]


def test_what_is_added_after_the_call_is_not_waited_for(clock: Clock) -> None:
    futures: list[Any] = []
    futures.append(Slow(clock, then=lambda: futures.append(Slow(clock))))
    first = futures[0]
    assert wait(futures, timeout=1) == (set(), {first})
    assert futures[1].waits == []

    begun: list[Future[Any]] = [ended(1)]
    iterator = as_completed(begun)
    begun.append(pending())
    assert [future.result() for future in iterator] == [1]


def test_futures_come_in_the_order_in_which_their_runs_end() -> None:
    one, two, three = pending(), pending(), ended()
    iterator = as_completed([one, two, three, one, two])
    assert next(iterator) is three
    end(two)
    end(one)
    assert list(iterator) == [two, one]


def test_an_iteration_says_how_many_have_not_ended_in_time(clock: Clock) -> None:
    iterator = as_completed([ended(), pending(), pending()], timeout=3)
    next(iterator)
    clock.now += 3
    with pytest.raises(TimeoutError, match=r"2 runs have not ended within 3 s"):
        next(iterator)


def test_an_iteration_that_is_left_leaves_nothing_behind() -> None:
    late = pending()
    iterator = as_completed([ended(), late])
    next(iterator)
    assert len(late._callbacks) == 1
    iterator.close()  # type: ignore[attr-defined]
    assert late._callbacks == []


def test_callbacks_get_the_future_in_the_order_in_which_they_were_added() -> None:
    future, seen = pending(), list[Any]()
    for number in (1, 2):
        future.add_done_callback(lambda f, number=number: seen.append((number, f.result())))
    # What the engine starts next doesn't wait for user code.
    future.when_done(lambda: seen.append("engine"))
    assert seen == []
    end(future, "value")
    assert seen == ["engine", (1, "value"), (2, "value")]
    future.add_done_callback(lambda f: seen.append(f is future))
    assert seen[3:] == [True]


def test_a_callback_may_add_another() -> None:
    future, seen = pending(), list[int]()
    future.add_done_callback(lambda f: f.add_done_callback(lambda _: seen.append(1)))
    end(future)
    assert seen == [1]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_an_error_of_a_callback_is_logged_and_harms_nothing(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: object) -> NoReturn:
        raise error("odd")

    future, seen = pending("fetch"), list[int]()
    future.add_done_callback(fails)
    future.add_done_callback(lambda _: seen.append(1))
    with caplog.at_level(logging.ERROR, "towpath.engine"):
        end(future, 5)
        future.add_done_callback(fails)
    assert (seen, future.result()) == ([1], 5)
    assert [record.getMessage() for record in caplog.records] == [
        "a done callback of fetch failed"
    ] * 2


def test_ctrl_c_in_a_callback_is_raised_and_the_others_are_called() -> None:
    def interrupted(_: object) -> NoReturn:
        raise KeyboardInterrupt

    future, seen = pending(), list[int]()
    future.add_done_callback(interrupted)
    future.add_done_callback(lambda _: seen.append(1))
    with pytest.raises(KeyboardInterrupt):
        end(future)
    assert seen == [1]


def test_an_async_callback_is_refused() -> None:
    async def callback(_: object) -> None: ...

    with pytest.raises(TypeError, match="ordinary function, not an async one"):
        pending().add_done_callback(callback)
