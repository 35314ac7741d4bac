"""The planted bugs of limits."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_LIMITS = "service/towpath_service/limits"
_LEDGER = f"{_LIMITS}/application/ledger.py"
_GRANTING = f"{_LIMITS}/domain/granting.py"
_LIMITER = "tests/contract/limits/test_limiter.py"
_GRANTS = "tests/unit/service/limits/test_granting.py"
_SDK = "tests/unit/sdk/limits/test_concurrency.py"

LIMIT_BUGS = (
    PlantedBug(
        name="slots-are-counted-without-the-lock",
        file=f"{_LIMITS}/storage/limit_rows.py",
        correct="return self._found(keys, _LOCKED)",
        broken="return self._found(keys, _FOUND)",
        caught_by=(f"{_LIMITER}::test_replicas_that_settle_at_once_see_the_slots_of_each_other",),
    ),
    PlantedBug(
        name="slots-are-given-twice",
        file=_GRANTING,
        correct="            free[limit_id] -= known[limit_id]\n",
        broken="            free[limit_id] += 0\n",
        caught_by=(f"{_GRANTS}::test_each_slot_is_given_once",),
    ),
    PlantedBug(
        name="waiters-are-passed-without-end",
        file=_GRANTING,
        correct="lacking if lacking and now_us - waiter.asked_us < PASS_US else set(known)",
        broken="lacking or set(known)",
        caught_by=(f"{_LIMITER}::test_of_several_limits_all_slots_are_taken_or_none",),
    ),
    PlantedBug(
        name="priority-is-the-order-of-arrival",
        file=f"{_LIMITS}/domain/limits.py",
        correct="return asked_us - priority * PRIORITY_US",
        broken="return asked_us",
        caught_by=(f"{_LIMITER}::test_priority_comes_first_and_waiting_raises_it",),
    ),
    PlantedBug(
        name="grants-are-not-told",
        file=_LEDGER,
        correct="        self._rows.holds.wake(key for key in changed if not self.waits(key))\n",
        broken="",
        caught_by=(f"{_LIMITER}::test_a_release_serves_the_next_that_waits",),
    ),
    PlantedBug(
        name="lost-slots-stay-taken",
        file=_LEDGER,
        correct="        if late:\n",
        broken="        if late and not late:\n",
        caught_by=(
            f"{_LIMITER}::test_the_next_request_finds_a_slot_that_has_ended_without_any_sweep",
        ),
    ),
    PlantedBug(
        name="a-repeated-reservation-takes-slots-again",
        file=f"{_LIMITS}/application/settling.py",
        correct="    rows.write(made, (), list(moved.values()))\n",
        broken="    rows.write((), (), list(moved.values()))\n",
        caught_by=(f"{_LIMITER}::test_a_rate_gives_each_caller_a_time_to_go_on_at",),
    ),
    PlantedBug(
        name="a-forked-child-releases-the-slots-of-its-parent",
        file="sdk/towpath/_limits/keeping.py",
        correct="        if slots.forks != generation():\n            return\n",
        broken="",
        caught_by=(f"{_SDK}::test_a_forked_child_leaves_the_slots_of_its_parent",),
    ),
)
