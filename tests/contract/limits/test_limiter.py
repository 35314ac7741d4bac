"""Acquiring, waiting and releasing, on each database."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.core.errors import ServiceError
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.limits.domain.limits import LimitSettings
from towpath_service.limits.storage.hold_rows import SqlHoldRows
from towpath_service.limits.storage.waits import slot_waits

from tests.contract.limits.slots import SECOND, Slots, number, open_slots, until_waiting
from tests.postgres.waiting import one_done_or_waiting

if TYPE_CHECKING:
    from towpath_service.limits.application.settling import Answer

WAIT_SECONDS = 60.0


async def acquired(waiting: asyncio.Task[Answer]) -> Answer:
    async with asyncio.timeout(WAIT_SECONDS):
        answer = await waiting
    assert answer.acquired
    return answer


async def test_a_release_serves_the_next_that_waits(slots: Slots) -> None:
    # As in a server, whose loop would sweep: the caller that waits doesn't look by itself.
    slots.limiter._sweeping = True
    await slots.set("db", 1)
    first = slots.request("db", id_=number(1))
    assert (await slots.limiter.acquire(first)).acquired
    second = slots.request("db", id_=number(2), wait=20)
    waiting = asyncio.create_task(slots.limiter.acquire(second))
    await until_waiting(slots, "db", 1)
    await slots.release(number(1))
    answer = await acquired(waiting)
    assert [(hold.limit_id, hold.fence) for hold in answer.held] == [("db", 2)]
    assert await slots.held("db") == [number(2)]


async def test_a_release_wakes_a_caller_of_another_replica(two: tuple[Slots, Slots]) -> None:
    here, there = two
    await here.set("db", 1)
    assert (await here.ask("db", id_=number(1))).acquired
    waiting = asyncio.create_task(there.limiter.acquire(there.request("db", id_=number(2))))
    await until_waiting(here, "db", 1)
    await here.release(number(1))
    assert await here.held("db") == [number(2)]
    # By its notice on PostgreSQL; on SQLite by the look of the caller that waits.
    await acquired(waiting)


async def test_replicas_at_once_never_give_more_than_there_is(two: tuple[Slots, Slots]) -> None:
    await two[0].set("db", 2)
    inside = most = 0

    async def use(slots: Slots, count: int) -> None:
        nonlocal inside, most
        answer = await slots.limiter.acquire(slots.request("db", id_=number(count)))
        assert answer.acquired
        inside += 1
        most = max(most, inside)
        assert len(await slots.held("db")) <= 2
        inside -= 1
        await slots.release(number(count))

    async with asyncio.timeout(WAIT_SECONDS):
        await asyncio.gather(*(use(two[count % 2], count) for count in range(1, 13)))
    assert most <= 2
    assert await two[0].holds() == {}


async def test_replicas_that_settle_at_once_see_the_slots_of_each_other(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = parse_postgres_url(postgres_dsn)
    counted, may_write = threading.Event(), threading.Event()
    count = SqlHoldRows.used

    def count_and_wait(*asked: Any) -> Any:
        used = count(*asked)
        if not counted.is_set():
            counted.set()
            assert may_write.wait(WAIT_SECONDS)
        return used

    async with (
        open_slots(location) as first,
        open_slots(location, first.clock) as second,
    ):
        await first.set("db", 1)
        monkeypatch.setattr(SqlHoldRows, "used", count_and_wait)
        earlier = asyncio.create_task(first.ask("db", id_=number(1), wait=0))
        assert await asyncio.to_thread(counted.wait, WAIT_SECONDS)
        later = asyncio.create_task(second.ask("db", id_=number(2), wait=0))
        await one_done_or_waiting([later], postgres_dsn)
        may_write.set()
        answers = await asyncio.gather(earlier, later)
    assert [answer.acquired for answer in answers] == [True, False]


async def test_a_slot_of_a_lost_holder_is_free_within_its_lease(slots: Slots) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1))
    await slots.ask("db", id_=number(2), wait=60)
    await slots.pass_time(59)
    assert await slots.held("db") == [number(1)]
    await slots.pass_time(1)
    assert await slots.held("db") == [number(2)]


async def test_the_next_request_finds_a_slot_that_has_ended_without_any_sweep(
    slots: Slots,
) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1))
    slots.clock.us += 60 * SECOND
    assert (await slots.ask("db", id_=number(2), wait=0)).acquired


async def test_a_renewed_slot_stays(slots: Slots) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1))
    for _ in range(3):
        await slots.pass_time(40)
        assert await slots.limiter.renew([slots.acquisition(number(1))]) == []
    lost = await slots.limiter.renew([slots.acquisition(number(2))])
    assert [key.acquisition_id for key in lost] == [number(2)]


async def test_priority_comes_first_and_waiting_raises_it(slots: Slots) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(9), hold_us=10**12)
    await slots.ask("db", id_=number(1), priority=50, wait=600)
    slots.clock.us += 299 * SECOND
    await slots.ask("db", id_=number(2), priority=60, wait=600)
    slots.clock.us += 2 * SECOND
    await slots.ask("db", id_=number(3), priority=60, wait=600)
    # Ten steps are five minutes: one that came 299 s later is before, one after 301 s behind.
    assert await slots.waiting("db") == [number(2), number(1), number(3)]


async def test_of_several_limits_all_slots_are_taken_or_none(slots: Slots) -> None:
    await slots.set("a", 1)
    await slots.set("b", 1)
    await slots.ask("b", id_=number(1))
    assert not (await slots.ask("a", "b", id_=number(2))).acquired
    assert await slots.held("a") == []
    # It lacks room in b only, so another may pass it in a, for ten seconds.
    assert (await slots.ask("a", id_=number(3))).acquired
    await slots.release(number(3))
    await slots.pass_time(10)
    assert not (await slots.ask("a", id_=number(4))).acquired
    await slots.release(number(1))
    assert await slots.held("a") == await slots.held("b") == [number(2)]


async def test_a_caller_that_is_gone_loses_its_place_soon(slots: Slots) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1), hold_us=10**12)
    waiting = asyncio.create_task(slots.limiter.acquire(slots.request("db", id_=number(2))))
    await until_waiting(slots, "db", 1)
    waiting.cancel()
    await asyncio.wait([waiting])
    await slots.ask("db", id_=number(3))
    await slots.pass_time(10)
    assert await slots.waiting("db") == [number(3)]


async def test_a_caller_that_is_gone_before_its_answer_loses_its_place_soon(
    slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1), hold_us=10**12)
    submit, committed = slots.limiter._settling.submit, asyncio.Event()

    async def unanswered(item: Any) -> Answer:
        monkeypatch.undo()
        answer = await submit(item)
        committed.set()
        await asyncio.Event().wait()
        return answer

    monkeypatch.setattr(slots.limiter._settling, "submit", unanswered)
    waiting = asyncio.create_task(slots.limiter.acquire(slots.request("db", id_=number(2))))
    await committed.wait()
    waiting.cancel()
    await asyncio.wait([waiting])
    await slots.ask("db", id_=number(3))
    await slots.pass_time(10)
    assert await slots.waiting("db") == [number(3)]


async def test_a_lost_notice_is_made_good_by_a_look(slots: Slots) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1))
    slots.limiter._sweeping = True
    waiting = asyncio.create_task(slots.limiter.acquire(slots.request("db", id_=number(2))))
    await until_waiting(slots, "db", 1)
    slots.bus.notify = lambda subject: None  # type: ignore[method-assign]
    await slots.release(number(1))
    assert not waiting.done()
    await slots.limiter.sweep()
    await acquired(waiting)


async def test_what_waits_for_a_deleted_limit_goes_on(slots: Slots) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1))
    request = slots.request("db", id_=number(2), ignore_missing=True)
    waiting = asyncio.create_task(slots.limiter.acquire(request))
    await until_waiting(slots, "db", 1)
    await slots.limits.delete(slots.key("db"), "")
    assert (await acquired(waiting)).held == ()


async def test_keys_have_limits_of_their_own_like_their_template(slots: Slots) -> None:
    await slots.set("customer:*", 1)
    assert (await slots.ask("customer:1", id_=number(1))).acquired
    assert (await slots.ask("customer:2", id_=number(2))).acquired
    assert not (await slots.ask("customer:1", id_=number(3))).acquired
    await slots.set("customer:*", 2)
    assert await slots.held("customer:1") == [number(1), number(3)]
    await slots.set("customer:2", 5)
    await slots.set("customer:*", 3)
    assert (await slots.limits.get(slots.key("customer:2")))[0].settings.slots == 5


async def test_unused_limits_of_templates_are_forgotten(slots: Slots) -> None:
    await slots.set("customer:*", 1)
    await slots.ask("customer:1", id_=number(1))
    await slots.ask("customer:2", id_=number(2), hold_us=10**12)
    await slots.pass_time(3601)
    await slots.pass_time(0)
    page = await slots.limits.page(slots.scope, "", 10, made=True)
    assert [limit.key.limit_id for limit, _ in page] == ["customer:*", "customer:2"]


@pytest.mark.parametrize(
    ("asked", "reason"), [("db=3", "INVALID_REQUEST"), ("none", "RESOURCE_NOT_FOUND")]
)
async def test_what_can_never_be_had_is_refused_at_once(
    slots: Slots, asked: str, reason: str
) -> None:
    await slots.set("db", 2)
    with pytest.raises(ServiceError) as caught:
        await slots.ask(asked)
    assert caught.value.reason == reason
    assert await slots.holds() == {}


async def test_a_rate_gives_each_caller_a_time_to_go_on_at(slots: Slots) -> None:
    await slots.limits.set(slots.key("api"), LimitSettings(slots=2, refill_nano=10 * 10**9), "")
    requests = [slots.request("api", id_=number(count), wait=1) for count in range(1, 6)]
    delays = [(await slots.limiter.reserve(request)).delay_us for request in requests]
    # Two at once, then one each 100 ms.
    assert delays == [0, 0, 100_000, 200_000, 300_000]
    again = await slots.limiter.reserve(requests[3])
    assert again.delay_us == 200_000
    late = await slots.limiter.reserve(slots.request("api", wait=0.3))
    assert (late.reserved, late.delay_us) == (False, 400_000)
    slots.clock.us += SECOND
    assert (await slots.limiter.reserve(slots.request("api", wait=0))).reserved


async def test_kinds_of_limits_are_not_mixed(slots: Slots) -> None:
    await slots.set("api", 1, refill_nano=10**9)
    await slots.set("db", 1)
    with pytest.raises(ServiceError, match="reserve"):
        await slots.ask("api")
    with pytest.raises(ServiceError, match="acquire"):
        await slots.limiter.reserve(slots.request("db"))


async def test_many_that_wait_are_served_in_order(slots: Slots) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1))
    items = [slots.request("db", id_=number(count)) for count in range(2, 302)]
    await slots.limiter._settle(items)
    await slots.set("db", 201)
    assert await slots.held("db") == [number(count) for count in range(1, 202)]


async def test_holders_get_time_to_renew_when_a_server_starts(slots: Slots) -> None:
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1))
    slots.clock.us += 300 * SECOND
    await slots.limiter.resume()
    await slots.pass_time(9)
    assert await slots.limiter.renew([slots.acquisition(number(1))]) == []
    await slots.pass_time(59)
    assert await slots.held("db") == [number(1)]


async def test_the_limit_that_a_run_waits_for_is_read_with_its_holders(slots: Slots) -> None:
    run_id = number(77)
    await slots.set("db", 1)
    await slots.ask("db", id_=number(1), holder="load, w-7")
    await slots.ask("db", id_=number(2), run_id=run_id)
    [wait] = await slots.stores.database.read(
        lambda transaction: slot_waits(transaction, slots.scope, run_id),
        tenants={slots.scope.tenant_id},
    )
    assert (wait.limit_id, wait.held, wait.slots) == ("db", 1, 1)
    assert [tuple(holder) for holder in wait.holders] == [(number(1), "", "load, w-7")]
