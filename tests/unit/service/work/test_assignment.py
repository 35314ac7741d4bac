"""Which waiting run goes to which worker."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from towpath_service.work.domain.dispatching import (
    AGEING_STEP,
    AGEING_US,
    Assignment,
    Candidate,
    FreeWorker,
    LimitKey,
    PoolKey,
    WorkerKey,
    aged_priority,
    assign,
)

NOW = 1_000 * AGEING_US
POOL = PoolKey("t1", "default", "local")
QUEUES = ("default", "bulk")
POOLS = [PoolKey(tenant, "default", pool) for tenant in ("t1", "t2", "t3") for pool in ("a", "b")]


def run(name: str, **fields: Any) -> Candidate:
    given_: dict[str, Any] = {
        "pool": POOL,
        "queue_id": "default",
        "rank": 100,
        "flow_id": "etl",
        "deployment_id": "nightly",
        "priority": 50,
        "due_us": NOW,
    }
    return Candidate(run_id=name, **{**given_, **fields})


def worker(name: str = "w", free: int = 1, pool: PoolKey = POOL, *queues: str) -> FreeWorker:
    return FreeWorker(key=WorkerKey(*pool, name), free=free, queues=frozenset(queues))


def give(
    candidates: list[Candidate],
    workers: list[FreeWorker],
    limits: dict[LimitKey, int] | None = None,
    used: dict[LimitKey, int] | None = None,
    most: int = 1000,
    tenants: tuple[str, ...] = (),
) -> Assignment:
    return assign(candidates, workers, limits or {}, used or {}, NOW, most=most, tenants=tenants)


def names(made: Assignment) -> list[str]:
    return [candidate.run_id for candidate, _ in made.granted]


def test_rank_then_priority_then_due_time_decide() -> None:
    waiting = [
        run("low", priority=10),
        run("late", due_us=NOW - 1),
        run("urgent", priority=90),
        run("other-queue", rank=1, priority=1),
        run("early", due_us=NOW - 2),
    ]
    assert names(give(waiting, [worker(free=9)])) == [
        "other-queue",
        "urgent",
        "early",
        "late",
        "low",
    ]


def test_priority_grows_by_ten_with_each_five_minutes() -> None:
    assert AGEING_US == 300 * 1_000_000
    assert [aged_priority(50, 0, waited * 60_000_000) for waited in (0, 4, 5, 9, 10, 60)] == [
        *(50, 50, 60, 60, 70, 170)
    ]
    assert aged_priority(50, NOW + 1, NOW) == 50
    old = run("old", priority=1, due_us=NOW - 5 * AGEING_US)
    assert names(give([run("new", priority=50), old], [worker()])) == ["old"]
    younger = run("younger", priority=1, due_us=NOW - 5 * AGEING_US + 1)
    assert names(give([run("new", priority=50), younger], [worker()])) == ["new"]


def test_the_worker_with_most_free_slots_is_taken() -> None:
    workers = [worker("one", 1), worker("three", 3), worker("bulk", 9, POOL, "bulk")]
    made = give([run(f"r{n}") for n in range(4)], workers)
    assert Counter(key.worker_id for _, key in made.granted) == {"one": 1, "three": 3}


def test_a_run_that_meets_a_full_limit_is_parked_by_the_narrowest() -> None:
    deployment, queue, pool = run("r").limits
    assert [key.name for key in (deployment, queue, pool)] == [
        "deployment/etl/nightly",
        "queue/local/default",
        "pool/local",
    ]
    waiting = [run("a"), run("b"), run("c", deployment_id="hourly")]
    limits = {deployment: 2, pool: 3}
    made = give(waiting, [worker(free=9)], limits, {deployment: 1, pool: 1})
    assert names(made) == ["a", "c"]
    assert [(item.run_id, key) for item, key in made.parked] == [("b", deployment)]


def test_a_run_without_a_worker_is_neither_granted_nor_parked() -> None:
    made = give([run("a")], [worker("w", 0), worker("other", 5, POOL, "bulk")])
    assert made == Assignment()


def test_tenants_take_turns() -> None:
    theirs = PoolKey("t2", "default", "local")
    waiting = [run(f"a{n}") for n in range(9)] + [run(f"b{n}", pool=theirs) for n in range(2)]
    workers = [worker(free=9), worker("v", 9, theirs)]
    assert names(give(waiting, workers, most=5)) == ["a0", "b0", "a1", "b1", "a2"]
    assert names(give(waiting, workers, most=2, tenants=("t2", "t1"))) == ["b0", "a0"]


@st.composite
def situations(draw: st.DrawFn) -> tuple[Any, ...]:
    pools = st.sampled_from(POOLS)
    count = draw(st.integers(0, 25))
    candidates = [
        run(
            f"r{n}",
            pool=draw(pools),
            queue_id=(queue := draw(st.sampled_from(QUEUES))),
            rank=1 + QUEUES.index(queue),
            deployment_id=draw(st.sampled_from(("x", "y"))),
            priority=draw(st.integers(1, 3)) * 25,
            due_us=NOW - draw(st.integers(0, 6)) * AGEING_US // 2,
        )
        for n in range(count)
    ]
    workers = [
        worker(
            f"w{n}", draw(st.integers(0, 4)), draw(pools), *draw(st.sets(st.sampled_from(QUEUES)))
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    keys = sorted({key for item in candidates for key in item.limits})
    limited = draw(st.sets(st.sampled_from(keys))) if keys else set()
    limits = {key: draw(st.integers(1, 5)) for key in sorted(limited)}
    used = {key: draw(st.integers(0, 6)) for key in limits}
    return candidates, workers, limits, used, draw(st.integers(1, 30))


@given(situations())
def test_no_limit_and_no_worker_is_ever_overfilled(situation: tuple[Any, ...]) -> None:
    candidates, workers, limits, used, most = situation
    made = give(candidates, workers, limits, used, most)
    granted = [candidate for candidate, _ in made.granted]
    assert len(granted) <= most
    assert len({item.run_id for item in granted}) == len(granted)
    by_limit = Counter(key for item in granted for key in item.limits if key in limits)
    for key, count in by_limit.items():
        assert used[key] + count <= limits[key]
    free = {item.key: item for item in workers}
    for taker, count in Counter(taker for _, taker in made.granted).items():
        assert count <= free[taker].free
    for candidate, taker in made.granted:
        assert taker.pool == candidate.pool
        assert free[taker].serves(candidate.queue_id)
    for candidate, key in made.parked:
        assert candidate not in granted
        assert used[key] + by_limit[key] == max(limits[key], used[key])


@given(situations())
def test_nothing_that_could_go_before_another_is_left_behind(situation: tuple[Any, ...]) -> None:
    candidates, workers, limits, used, most = situation
    made = give(candidates, workers, limits, used, most)
    granted = {item.run_id for item, _ in made.granted}
    parked = {item.run_id for item, _ in made.parked}

    def order(item: Candidate) -> tuple[int, int, int, str]:
        return (
            item.rank,
            -item.priority - AGEING_STEP * ((NOW - item.due_us) // AGEING_US),
            item.due_us,
            item.run_id,
        )

    for one, other in combinations(sorted(candidates, key=order), 2):
        # Of two that are alike in all that limits them, the earlier one goes first.
        if one.limits == other.limits and other.run_id in granted:
            assert one.run_id in granted | parked
            assert one.run_id not in parked


@given(situations(), st.integers(1, 12))
def test_no_tenant_gets_two_more_than_one_that_could_take_more(
    situation: tuple[Any, ...], most: int
) -> None:
    candidates, workers, limits, used, _ = situation
    whole = Counter(
        item.pool.tenant_id for item, _ in give(candidates, workers, limits, used).granted
    )
    part = Counter(
        item.pool.tenant_id for item, _ in give(candidates, workers, limits, used, most).granted
    )
    for one, other in combinations(whole, 2):
        for less, more in ((one, other), (other, one)):
            if part[less] < whole[less]:
                assert part[more] <= part[less] + 1


@given(st.integers(1, 60), st.integers(1, 100), st.integers(1, 100))
def test_no_stream_of_urgent_runs_holds_a_run_back_without_end(
    low: int, spread: int, seed: int
) -> None:
    # One slot comes free each minute, and a new run of priority 100 comes with it.
    waiting = [run("low", priority=low, due_us=0)]
    minute = 60_000_000
    for now in range(0, 100 * minute, minute):
        waiting.append(run(f"r{now // minute:03}", priority=100, due_us=now))
        made = assign(waiting, [worker()], {}, {}, now, most=1)
        [(taken, _)] = made.granted
        if taken.run_id == "low":
            assert now <= (100 - low + AGEING_STEP) // AGEING_STEP * AGEING_US + AGEING_US
            return
        waiting.remove(taken)
    raise AssertionError("it was never taken")
