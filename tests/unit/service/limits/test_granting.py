"""Who gets slots: never more than there are, in order, all or none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from towpath_service.limits.domain.granting import PASS_US, Room, Waiter, grant

NOW_US = 1_000_000_000
LIMITS = ("a", "b", "c")


def waiter(number: int, waited_us: int = 0, **needs: int) -> Waiter:
    asked_us = NOW_US - waited_us
    return Waiter(
        acquisition_id=f"{number:03}", needs=needs, rank_us=NOW_US + number, asked_us=asked_us
    )


def test_each_slot_is_given_once():
    found = grant({"a": Room(slots=2, used=0)}, [waiter(n, a=1) for n in range(3)], NOW_US)
    assert found.granted == ["000", "001"]


def test_slots_that_are_held_are_not_given():
    assert grant({"a": Room(slots=2, used=2)}, [waiter(0, a=1)], NOW_US).granted == []
    # A limit that was lowered has less than no room.
    assert grant({"a": Room(slots=1, used=4)}, [waiter(0, a=1)], NOW_US).granted == []


def test_those_behind_one_that_lacks_room_get_none_of_what_it_waits_for():
    rooms = {"a": Room(slots=3, used=2), "b": Room(slots=1, used=0)}
    waiting = [waiter(0, a=2, b=1), waiter(1, a=1), waiter(2, b=1)]
    assert grant(rooms, waiting, NOW_US).granted == ["002"]
    waiting[0] = waiter(0, PASS_US, a=2, b=1)
    assert grant(rooms, waiting, NOW_US).granted == []


def test_what_can_never_fit_holds_nobody_up():
    waiting = [waiter(0, a=3), waiter(1, a=1)]
    assert grant({"a": Room(slots=2, used=0)}, waiting, NOW_US).granted == ["001"]


def test_an_acquisition_of_limits_that_are_not_locked_keeps_its_place():
    found = grant({"a": Room(slots=1, used=0)}, [waiter(0, a=1, b=1), waiter(1, a=1)], NOW_US)
    assert (found.granted, found.unknown) == ([], {"a", "b"})


_rooms = st.fixed_dictionaries(
    {
        name: st.builds(
            Room, slots=st.integers(0, 5), used=st.integers(0, 6), unlimited=st.booleans()
        )
        for name in LIMITS
    }
)
_needs = st.dictionaries(st.sampled_from(LIMITS), st.integers(1, 4), min_size=1)
_waiters = st.lists(st.tuples(_needs, st.sampled_from([0, PASS_US])), max_size=12).map(
    lambda found: [waiter(n, waited, **needs) for n, (needs, waited) in enumerate(found)]
)


@given(_rooms, _waiters)
def test_no_more_slots_are_given_than_are_free(rooms: dict[str, Room], waiting: list[Waiter]):
    granted = set(grant(rooms, waiting, NOW_US).granted)
    for name, room in rooms.items():
        given_now = sum(one.needs.get(name, 0) for one in waiting if one.acquisition_id in granted)
        assert room.unlimited or not given_now or given_now <= room.slots - room.used


@given(_rooms, _waiters)
def test_the_first_that_could_ever_fit_waits_only_for_slots_that_are_held(
    rooms: dict[str, Room], waiting: list[Waiter]
):
    fitting = [
        one
        for one in waiting
        if all(rooms[name].ever_fits(slots) for name, slots in one.needs.items())
    ]
    if fitting:
        first = fitting[0]
        fits = all(slots <= rooms[name].free for name, slots in first.needs.items())
        assert (first.acquisition_id in grant(rooms, waiting, NOW_US).granted) is fits
