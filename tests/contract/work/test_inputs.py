"""Inputs of runs: who sends them, who receives them, in which order, and what they cost."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.core.errors import ServiceError
from towpath_service.core.stored import Stored
from towpath_service.runs.domain import inputs as domain
from towpath_service.runs.domain.inputs import RunInput
from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.storage.ingest import SqlIngestTransaction
from towpath_service.runs.storage.stored_bytes import counted, stored_of
from towpath_service.work.application import inputs as application
from towpath_service.work.application.inputs import InputRequest, Inputs

from tests.contract.work.desk import Desk, running
from tests.contract.work.site import NOW_US, SCOPE, SECOND, TENANT, new_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from towpath_service.work.application.inputs import Received

    from tests.contract.work.site import Site


class Post:
    """Sends and receives inputs at a site."""

    def __init__(self, site: Site) -> None:
        desk = Desk(site)
        self.site = site
        self.bus, self.draining = desk.bus, desk.draining
        self.inputs = Inputs(site.control, desk.bus, desk.clock, desk.draining)

    async def send(self, run_id: str, content: str = "1", **fields: Any) -> RunInput:
        within = fields.pop("within", "")
        values: dict[str, Any] = {"input_id": new_id(), "key_prefix": "int", "sender": "", **fields}
        new = RunInput(content=content, **values)
        return await self.inputs.send(InputRequest(scope=SCOPE, run_id=run_id, within=within), new)

    async def receive(
        self, run_id: str, position: int = 0, wait_us: int = 0, within: str = "", kind: str = "int"
    ) -> Received:
        asked = InputRequest(scope=SCOPE, run_id=run_id, within=within)
        return await self.inputs.receive(asked, kind, position, wait_us)


@pytest.fixture
async def post(site: Site) -> AsyncIterator[Post]:
    made = Post(site)
    listening = asyncio.create_task(site.stores.database.listen(made.bus))
    await asyncio.sleep(0)
    yield made
    listening.cancel()
    await asyncio.wait([listening])


async def executing(site: Site, **fields: Any) -> str:
    run_id = new_id()
    assert await site.report(run_id, running() if not fields else child(**fields)) == []
    return run_id


def child(parent: str) -> Creation:
    return Creation(
        kind=RunKind.FLOW,
        flow_id="etl",
        display_name="x",
        parent_run_id=parent,
        root_run_id=parent,
        initial=StateReport(state=RunState.RUNNING),
    )


async def refused(answer: Any) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        await answer
    return raised.value


def contents(found: Sequence[RunInput]) -> list[tuple[int, str]]:
    return [(item.position, item.content) for item in found]


async def test_inputs_come_once_and_in_the_order_in_which_they_were_sent(
    site: Site, post: Post, monkeypatch: pytest.MonkeyPatch
):
    # A notice wakes who waits.
    monkeypatch.setattr(application, "POLL_SECONDS", 3600.0)
    run_id = await executing(site)
    waiting = asyncio.create_task(post.receive(run_id, wait_us=60 * SECOND))
    first = await post.send(run_id, '"a"', sender="ada")
    state, found = await waiting
    assert (state, list(found)) == (RunState.RUNNING, [first])
    assert (first.position, first.created_us, first.sender) == (1, NOW_US, "ada")
    await post.send(run_id, "{}", key_prefix="other")
    await post.send(run_id, '"b"')
    assert contents((await post.receive(run_id, 1)).inputs) == [(3, '"b"')]
    assert contents((await post.receive(run_id)).inputs) == [(1, '"a"'), (3, '"b"')]
    assert (await post.receive(run_id, 3)).inputs == []
    assert contents((await post.receive(run_id, kind="other")).inputs) == [(2, "{}")]


async def test_inputs_that_are_sent_at_once_get_a_place_each(
    site: Site, post: Post, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(application, "MOST_AT_ONCE", 5)
    run_id = await executing(site)
    sent = await asyncio.gather(*(post.send(run_id, str(n)) for n in range(12)))
    assert sorted(item.position for item in sent) == list(range(1, 13))
    found: list[RunInput] = []
    while more := (await post.receive(run_id, found[-1].position if found else 0)).inputs:
        assert len(more) <= 5
        found += more
    assert found == sorted(sent, key=lambda item: item.position)


async def test_a_repeat_is_answered_as_the_first(site: Site, post: Post):
    run_id, input_id = await executing(site), new_id()
    asked = partial(post.send, run_id, input_id=input_id)
    first, *others = await asyncio.gather(*(asked() for _ in range(4)))
    assert others == [first] * 3
    assert (await refused(asked("2"))).reason == "REQUEST_ID_REUSED"
    await site.report(run_id, StateReport(state=RunState.COMPLETED))
    assert await asked() == first


async def test_an_ended_run_takes_no_input_and_lets_nobody_wait(site: Site, post: Post):
    run_id = await executing(site)
    await post.send(run_id)
    await site.report(run_id, StateReport(state=RunState.COMPLETED))
    error = await refused(post.send(run_id))
    assert (error.reason, error.metadata["from_state"]) == ("TRANSITION_NOT_ALLOWED", "COMPLETED")
    assert "receives no inputs any more" in error.message
    state, found = await post.receive(run_id, 1, wait_us=60 * SECOND)
    assert (state, found) == (RunState.COMPLETED, [])
    assert contents((await post.receive(run_id)).inputs) == [(1, "1")]


async def test_a_run_that_is_unknown_takes_no_input(post: Post):
    assert (await refused(post.send(new_id()))).reason == "RESOURCE_NOT_FOUND"
    assert (await refused(post.receive(new_id()))).reason == "RESOURCE_NOT_FOUND"


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": Infinity}', "[" * 100_000])
async def test_what_is_no_json_is_refused(site: Site, post: Post, text: str):
    run_id = await executing(site)
    error = await refused(post.send(run_id, text))
    assert error.reason == "INVALID_REQUEST"
    assert [item.field for item in error.violations] == ["input.content"]
    assert (await post.receive(run_id)).inputs == []


async def test_what_is_too_large_or_too_much_is_refused(
    site: Site, post: Post, monkeypatch: pytest.MonkeyPatch
):
    run_id = await executing(site)
    most = domain.MOST_BYTES
    await post.send(run_id, '"' + "x" * (most - 2) + '"')
    error = await refused(post.send(run_id, '"' + "x" * (most - 1) + '"'))
    assert (error.reason, error.metadata["limit"]) == ("PAYLOAD_TOO_LARGE", str(most))
    monkeypatch.setattr(application, "MOST_INPUTS", 2)
    await post.send(run_id)
    error = await refused(post.send(run_id))
    assert (error.reason, error.metadata["quota"]) == ("QUOTA_EXCEEDED", "inputs_per_run")


async def test_a_run_sends_to_runs_of_its_workspace_under_a_name_of_its_own(site: Site, post: Post):
    me, other = await executing(site), await executing(site)
    below = await executing(site, parent=me)
    for sender in (me, below):
        name = f"towpath.flow-run.{sender}"
        assert (await post.send(other, within=me, sender=name)).sender == name
    error = await refused(post.send(other, within=me, sender=f"towpath.flow-run.{other}"))
    assert [item.field for item in error.violations] == ["input.sender"]
    # Somebody who isn't a run may answer in the name of one.
    await post.send(me, sender=f"towpath.flow-run.{other}")


async def test_a_run_reads_its_own_inputs_and_those_below_it(site: Site, post: Post):
    me, other = await executing(site), await executing(site)
    below = await executing(site, parent=me)
    for run_id in (me, below):
        await post.send(run_id)
        assert len((await post.receive(run_id, within=me)).inputs) == 1
    assert (await refused(post.receive(other, within=me))).reason == "RESOURCE_NOT_FOUND"


async def test_inputs_count_as_stored_until_their_run_is_deleted(site: Site, post: Post):
    run_id = await executing(site)

    async def stored() -> tuple[int, int]:
        def read(transaction: Any) -> tuple[int, int]:
            connection = transaction.connection
            return stored_of(connection, TENANT), counted(connection, TENANT)

        return await site.stores.database.read(read, tenants={TENANT})

    before, really = await stored()
    assert before == really
    await post.send(run_id, '"\\u0000 and ä"', sender="ä")
    after, really = await stored()
    assert after == really
    assert after > before + 300
    await site.stores.runs.remove(TENANT, lambda reads: reads.delete_runs(SCOPE, [run_id], NOW_US))
    gone, really = await stored()
    assert gone == really
    assert gone < before


async def test_a_tenant_whose_storage_is_full_sends_no_input(
    site: Site, post: Post, monkeypatch: pytest.MonkeyPatch
):
    run_id = await executing(site)

    def full(_: object, tenants: list[str]) -> dict[str, Stored]:
        return {tenant: Stored(2, 2) for tenant in tenants}

    monkeypatch.setattr(SqlIngestTransaction, "stored", full)
    error = await refused(post.send(run_id))
    assert (error.reason, error.metadata["quota"]) == ("QUOTA_EXCEEDED", "stored_bytes")


async def test_a_service_that_drains_ends_the_waits(site: Site, post: Post):
    run_id = await executing(site)
    waiting = asyncio.create_task(post.receive(run_id, wait_us=60 * SECOND))
    await asyncio.sleep(0)
    post.draining.event.set()
    post.bus.notify_all()
    assert (await waiting).inputs == []
