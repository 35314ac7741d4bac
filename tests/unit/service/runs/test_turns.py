from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from towpath_service.runs.domain.turns import LATELY_SECONDS, MOST_REMEMBERED, PORTION, Turns

MOST = 5000
TENANTS = st.sampled_from("abcd")


def test_a_tenant_that_reports_alone_gets_all_that_it_asks_for() -> None:
    turns = Turns()
    for second in range(5):
        assert turns.portion({"loud": 4000}, MOST, second) == MOST
        turns.note("loud", 4000, 4000, second)


def test_those_that_report_as_much_as_each_other_get_it_too() -> None:
    turns = Turns()
    for number in range(50):
        assert turns.portion({"a": 1000, "b": 900}, MOST, number / 100) == MOST
        turns.note("ab"[number % 2], 1000, 1000, number / 100)


def test_one_with_little_waits_for_one_portion_at_most_and_comes_first() -> None:
    turns = Turns()
    turns.note("loud", 2000, 2000, 0.0)
    turns.note("calm", 1, 1, 0.1)
    assert turns.portion({"loud": 50}, MOST, 0.2) == PORTION  # The calm one may come any moment.
    assert turns.order(["loud", "calm"], 0.2) == ["calm", "loud"]
    assert turns.portion({"loud": 50, "new": 1}, MOST, 0.2) == PORTION
    assert turns.order(["loud", "calm", "new"], 0.2) == ["new", "calm", "loud"]


def test_the_first_that_a_loud_one_sends_is_cut_however_much_a_calm_one_has_used() -> None:
    turns = Turns()
    for number in range(500):
        turns.note("calm", 1, 1, number / 100)
    assert turns.portion({"loud": 100}, MOST, 5.0) == PORTION


def test_one_with_little_gets_all_of_it_in_one_commit() -> None:
    turns = Turns()
    turns.note("calm", 30, 30, 0.0)
    assert turns.portion({"loud": 200, "calm": 30}, MOST, 0.1) == 30


def test_portions_grow_with_what_waits() -> None:
    turns = Turns()
    turns.note("calm", 1, 1, 0.0)
    sizes = [turns.portion({"loud": waiting}, MOST, 0.1) for waiting in (1, 100, 800, 80_000)]
    assert sizes == [MOST, PORTION, 100, MOST]


def test_who_was_quiet_for_long_cuts_nobodys_work() -> None:
    turns = Turns()
    turns.note("calm", 1, 1, 0.0)
    assert turns.portion({"loud": 100}, MOST, LATELY_SECONDS) == MOST


def test_use_is_forgotten_so_that_nobody_waits_for_ever() -> None:
    turns = Turns()
    turns.note("loud", 5000, 5000, 0.0)
    now, waited = 0.0, 0
    while turns.order(["calm", "loud"], now)[0] == "calm":
        turns.note("calm", 100, 100, now)
        now += 0.1
        waited += 1
    assert waited < 30


@given(st.lists(st.tuples(TENANTS, st.integers(1, 5000), st.floats(0, 3))), st.data())
def test_whatever_happened_all_that_wait_are_named_once_and_something_is_taken(
    past: list[tuple[str, int, float]], data: st.DataObject
) -> None:
    turns, now = Turns(), 0.0
    for tenant_id, updates, later in past:
        now += later
        turns.note(tenant_id, updates, updates, now)
    waiting = data.draw(st.dictionaries(TENANTS, st.integers(1, 5000), min_size=1))
    assert sorted(turns.order(waiting, now)) == sorted(waiting)
    portion = turns.portion(waiting, MOST, now)
    assert PORTION <= portion <= MOST
    assert portion >= min(MOST, sum(waiting.values()) // 8)


def test_no_number_of_tenants_fills_the_memory() -> None:
    turns = Turns()
    for number in range(MOST_REMEMBERED + 50):
        turns.note(str(number), 1, 1, 0.0)
    assert len(turns._uses) == MOST_REMEMBERED
