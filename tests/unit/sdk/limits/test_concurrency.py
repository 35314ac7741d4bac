"""`concurrency` and `rate_limit` of a process, against a service in memory."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath._limits import acquiring, calls, keeping, tags
from towpath.client import Client
from towpath.concurrency import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    concurrency,
    rate_limit,
)
from towpath.concurrency import asyncio as of_coroutines
from towpath.exceptions import ServerUnreachable
from towpath.testing import harness
from towpath_service.embedded import EmbeddedTransport

from tests.unit.sdk.runners.held import HeldRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Counted(calls.LimitCalls):
    """Calls that are counted, and may find no service."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport, "default", embedded=True)
        self.made: list[str] = []
        self.away = False

    def _unary(self, method: str, request: object, wait_seconds: float = 0.0) -> object:
        self.made.append(method)
        if self.away:
            raise ServerUnreachable("nobody answers", code="UNAVAILABLE")
        return super()._unary(method, request, wait_seconds)


@pytest.fixture(scope="module")
def transport() -> Iterator[EmbeddedTransport]:
    opened = EmbeddedTransport(None)
    yield opened
    opened.close()


@pytest.fixture
def counted(transport: EmbeddedTransport, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The calls of this process."""
    made = Counted(transport)
    monkeypatch.setattr(calls, "_open", made)
    monkeypatch.setattr(tags, "_limited", tags.LimitedTags())
    monkeypatch.setattr(acquiring, "_told", set())
    return made


@pytest.fixture
def client(counted: Counted) -> Iterator[Client]:
    opened = Client(counted.transport, workspace="default")
    yield opened
    limits = list(opened.limits.list(keys=True))
    assert [it.name for it in limits if it.held and not it.refill_per_second] == []
    for limit in limits:
        if not limit.template:
            opened.limits.delete(limit.name)


def states(client: Client, name: str) -> list[bool]:
    """For each holder of a limit whether it waits."""
    return [holder.waiting for holder in client.limits.holders(name)]


def test_slots_are_held_within_the_context(client: Client) -> None:
    client.limits.set("db", 3)
    with concurrency("db", occupy=2) as slots:
        [holder] = client.limits.holders("db")
        assert (holder.id, holder.slots) == (slots.acquisition_id, 2)
        assert str(os.getpid()) in holder.holder
    assert states(client, "db") == []


def test_slots_are_released_by_an_error(client: Client) -> None:
    client.limits.set("db", 1)
    with pytest.raises(ZeroDivisionError), concurrency("db"):
        raise ZeroDivisionError
    assert states(client, "db") == []


def test_one_that_waits_goes_on_when_a_slot_is_released(client: Client) -> None:
    client.limits.set("db", 1)
    inside = threading.Event()

    def use() -> None:
        with concurrency("db"):
            inside.set()

    thread = threading.Thread(target=use)
    with concurrency("db"):
        thread.start()
        while states(client, "db") != [False, True]:
            time.sleep(0.005)
        assert not inside.is_set()
    thread.join(60)
    assert inside.is_set()


def test_a_wait_ends_in_time_and_leaves_nothing(client: Client) -> None:
    client.limits.set("db", 1)
    with concurrency("db"):
        with (
            pytest.raises(AcquireConcurrencySlotTimeoutError, match="towpath limit show db"),
            concurrency("db", timeout_seconds=0.01),
        ):
            pass
        assert states(client, "db") == [False]


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ("db", {"occupy": 2}, "never come free"),
        ("none", {"strict": True}, "was not found"),
        ("api", {}, "rate_limit"),
        ("no/name", {}, "limit_id"),
        ("db", {"occupy": 0}, "occupy"),
    ],
)
def test_what_the_service_refuses_is_an_error(
    client: Client, names: str, options: dict[str, Any], message: str
) -> None:
    client.limits.set("db", 1)
    client.limits.set("api", 1, refill_per_second=1)
    with (
        pytest.raises(ConcurrencySlotAcquisitionError, match=message),
        concurrency(names, **options),
    ):
        pass


def test_a_limit_that_does_not_exist_limits_nothing_and_is_told_once(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    del client
    for _ in range(2):
        with concurrency("none") as slots:
            assert not slots.held
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "there is no limit 'none'"
    ]


def test_lost_slots_are_known_to_their_holder(client: Client) -> None:
    client.limits.set("db", 1)

    def lose() -> None:
        with concurrency("db", raise_on_lease_renewal_failure=True) as slots:
            client.limits.release("db", slots.acquisition_id)
            assert keeping.keeper()._tend([slots.acquisition_id], [])
            assert slots.lost

    with pytest.raises(ConcurrencySlotAcquisitionError, match="lost"):
        lose()


def test_a_service_that_is_away_is_waited_for(client: Client, counted: Counted) -> None:
    client.limits.set("db", 1)
    counted.away = True
    made = len(counted.made)

    def answer_again() -> None:
        while len(counted.made) < made + 2:
            time.sleep(0.005)
        counted.away = False

    threading.Thread(target=answer_again).start()
    with concurrency("db") as slots:
        assert slots.held


def test_code_may_proceed_without_a_service(counted: Counted, client: Client) -> None:
    del client
    counted.away = True
    with concurrency("db", on_unreachable="proceed") as slots:
        assert not slots.held
    rate_limit("api", on_unreachable="proceed")
    with pytest.raises(AcquireConcurrencySlotTimeoutError), concurrency("db", timeout_seconds=0):
        pass
    counted.away = False


def test_slots_are_released_later_where_the_service_is_away(
    client: Client, counted: Counted
) -> None:
    client.limits.set("db", 1)
    with concurrency("db"):
        counted.away = True
    assert states(client, "db") == [False]
    counted.away = False
    while states(client, "db"):
        time.sleep(0.01)


def test_a_rate_holds_for_all_calls(client: Client) -> None:
    client.limits.set("api", 1, refill_per_second=50)
    begun = time.monotonic()
    for _ in range(6):
        rate_limit("api")
    assert time.monotonic() - begun >= 0.099
    client.limits.set("slow", 1, refill_per_second=0.01)
    rate_limit("slow")
    with pytest.raises(AcquireConcurrencySlotTimeoutError, match="come free in"):
        rate_limit("slow", timeout_seconds=1)


async def test_coroutines_hold_slots_without_blocking_the_loop(client: Client) -> None:
    client.limits.set("db", 2)
    client.limits.set("customer:*", 1)
    inside = most = 0

    async def use() -> None:
        nonlocal inside, most
        async with of_coroutines.concurrency(["db", "customer:7"]):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(use() for _ in range(5)))
    assert most == 1
    await of_coroutines.rate_limit("none")


async def test_a_cancelled_coroutine_leaves_nothing(client: Client) -> None:
    client.limits.set("db", 1)
    async with of_coroutines.concurrency("db"):
        waiting = asyncio.create_task(_hold())
        await until(lambda: states(client, "db") == [False, True])
        waiting.cancel()
        await asyncio.wait([waiting])
    await until(lambda: not states(client, "db"))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - threads change it
        await asyncio.sleep(0.005)


async def _hold() -> None:
    async with of_coroutines.concurrency("db"):
        raise AssertionError


def test_a_tag_with_a_limit_bounds_tasks(client: Client) -> None:
    client.limits.set("tag:narrow", 1)
    inside = most = 0
    lock = threading.Lock()

    @task(tags=["narrow"])
    def use(number: int) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.005)
        with lock:
            inside -= 1
        return number

    @flow
    def many() -> int:
        return sum(future.result() for future in use.map(range(4)))

    assert many() == 6
    assert most == 1


def test_a_tag_without_a_limit_costs_no_call(counted: Counted, client: Client) -> None:
    client.limits.set("tag:other", 1)
    counted.made.clear()

    @task(tags=["free"])
    def use(number: int) -> int:
        return number

    @flow
    def many() -> int:
        return sum(future.result() for future in use.map(range(20)))

    assert many() == 190
    assert counted.made == ["GetLimitedTags"]


def test_tasks_with_tags_go_on_while_nothing_is_known(counted: Counted) -> None:
    counted.away = True

    @task(tags=["narrow"])
    def use() -> int:
        return 1

    @flow
    def once() -> int:
        return use()

    assert once() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_leaves_the_slots_of_its_parent(client: Client) -> None:
    client.limits.set("db", 1)
    context = concurrency("db")
    with context as slots:
        child = os.fork()
        if not child:
            # Its own connection would be to another database here: a call at all is the fault.
            keeping.Keeper.release_id = lambda _, id_: os._exit(len(id_))  # type: ignore[method-assign]
            keeping.keeper().release(slots)
            os._exit(len(keeping.keeper()._held))
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert states(client, "db") == [False]


def test_slots_are_renewed_as_often_as_the_shortest_lease_asks_for() -> None:
    held = [keeping.Slots(hold_seconds=seconds) for seconds in (60.0, 6.0, 300.0)]
    assert keeping.pause_seconds(held) == 2.0
    assert keeping.pause_seconds(held[:1]) == 20.0


def test_a_tag_with_a_limit_bounds_calls_elsewhere(client: Client) -> None:
    client.limits.set("tag:narrow", 1)
    runner = HeldRunner(4)
    alone: list[bool] = []

    @task(tags=["narrow"])
    def use(number: int) -> int:
        return number

    @flow(task_runner=runner)
    def many() -> list[int]:
        futures = use.map(range(3))
        for _ in range(3):
            call = runner.next()
            alone.append(runner.calls.empty())
            call.end()
        return futures.result()

    assert many() == [0, 1, 2]
    assert alone == [True] * 3


def test_a_wait_for_a_slot_of_a_tag_ends_with_its_flow(client: Client) -> None:
    client.limits.set("tag:narrow", 1)
    runner = HeldRunner(4)

    @task(tags=["narrow"])
    def use() -> None:
        return None

    @flow(task_runner=runner)
    def leaves() -> None:
        held, waiting = use.submit(), use.submit()
        runner.next()
        assert {held.state.name, waiting.state.name} == {"Pending"}
        raise KeyboardInterrupt

    with harness() as recorded, pytest.raises(KeyboardInterrupt):
        leaves()
    runs = [run.states for run in recorded.runs if run.kind == "task"]
    assert runs == [["PENDING", "RUNNING", "CANCELLED"]] * 2
    for thread in threading.enumerate():
        if thread.name == "towpath-acquiring":
            thread.join()
