"""Slots of work over threads: nothing handed to them is lost, whoever waits or closes meanwhile."""

from __future__ import annotations

import threading

from towpath._runs.slots import Slots, giving_way


def test_closing_waits_for_work_that_makes_room_for_other_work() -> None:
    slots = Slots(1, name="slot")
    began, second_ran = threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        began.set()
        with giving_way():
            assert second_ran.wait(30)
        done.append("first")

    def second() -> None:
        second_ran.set()
        done.append("second")

    slots.run(first)
    assert began.wait(30)
    slots.run(second)
    slots.close()
    assert sorted(done) == ["first", "second"]
    assert not any(thread.name.startswith("slot_") for thread in threading.enumerate())


def test_work_is_done_by_no_more_threads_than_there_are_slots() -> None:
    slots = Slots(3, name="narrow")
    names: set[str] = set()
    count = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal count
        with lock:
            names.add(threading.current_thread().name)
            count += 1

    for _ in range(2000):
        slots.run(work)
    slots.close()
    assert count == 2000
    assert len(names) <= 3


def test_nothing_to_do_is_closed_at_once() -> None:
    Slots(2, name="idle").close()


def test_chains_of_work_that_wait_for_each_other_end() -> None:
    slots = Slots(2, name="chain")
    ended = [threading.Event() for _ in range(50)]

    def work(number: int) -> None:
        if number + 1 < len(ended):
            slots.run(lambda: work(number + 1))
            with giving_way():
                assert ended[number + 1].wait(30)
        ended[number].set()

    for _ in range(3):
        for event in ended:
            event.clear()
        slots.run(lambda: work(0))
        assert ended[0].wait(30)
    slots.close()
