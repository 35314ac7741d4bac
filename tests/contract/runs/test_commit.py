from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.app.stores import Stores, stores_on
from towpath_service.core.bus import Bus
from towpath_service.core.clock import SystemClock
from towpath_service.core.draining import Draining
from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope
from towpath_service.database.postgres.database import PostgresDatabase
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.database.sqlite.database import SqliteDatabase
from towpath_service.runs.application.committer import Committer
from towpath_service.runs.application.producers import Producers
from towpath_service.runs.application.queries import Queries
from towpath_service.runs.application.reaper import Reaper
from towpath_service.runs.application.submissions import Submission
from towpath_service.runs.application.watch import Watches
from towpath_service.runs.domain.reports import Creation, StateReport, Update
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import ProducerKey
from towpath_service.runs.ports.reads import Reads, RunTree

from tests.contract.runs.lines import log_line
from tests.contract.runs.variables import counted_variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SCOPE = Scope("00000000-0000-7000-8000-000000000001", "default")
NOW_US = 1_790_000_000_000_000


def new_id() -> str:
    return str(uuid.uuid4())


class Site:
    """Ingestion over a store, with one producer."""

    def __init__(self, stores: Stores, committer: Committer, bus: Bus) -> None:
        self.store = store = stores.runs
        self.committer = committer
        self.bus = bus
        self.key = ProducerKey(SCOPE.tenant_id, SCOPE.workspace_id, new_id())
        self.queries = Queries(store, bus, SystemClock())
        self.watches = Watches(store, bus, Draining(asyncio.Event()))
        self.producers = Producers(store, committer, bus, SystemClock())

    async def send(
        self,
        first: int,
        *updates: tuple[str, Any],
        confirmed: int = 0,
        epoch: int | None = None,
        resume_after_loss: bool = False,
    ) -> Any:
        submission = Submission(
            producer=self.key,
            actor="users/local",
            first_sequence=first,
            updates=[
                Update(sequence=first + n, run_id=run_id, occurred_us=NOW_US + n, change=change)
                for n, (run_id, change) in enumerate(updates)
            ],
            confirmed_sequence=confirmed,
            epoch=epoch,
            resume_after_loss=resume_after_loss,
        )
        return await self.committer.submit(submission)

    async def history(self, run_id: str) -> list[str]:
        found, _ = await self.queries.transitions(
            SCOPE, run_id, size=100, token="", after_revision=0
        )
        return [RunState(item.to_state).name for item in found]


@asynccontextmanager
async def opened(stores: Stores) -> AsyncIterator[Site]:
    await stores.database.open()
    bus = Bus()
    try:
        async with Committer(stores.runs, bus, SystemClock()) as committer:
            yield Site(stores, committer, bus)
    finally:
        stores.database.close()


@pytest.fixture(params=["memory", "file", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    if request.param == "postgres":
        return stores_on(
            PostgresDatabase(parse_postgres_url(request.getfixturevalue("postgres_dsn")))
        )
    return stores_on(SqliteDatabase(None if request.param == "memory" else tmp_path / "towpath.db"))


def create(state: RunState = RunState.RUNNING) -> Creation:
    return Creation(
        kind=RunKind.FLOW, initial=StateReport(state=state), display_name="f", flow_id="f"
    )


DONE = StateReport(state=RunState.COMPLETED)


async def test_an_update_sent_again_takes_effect_once(stores: Stores) -> None:
    async with opened(stores) as site:
        run = new_id()
        retrying = StateReport(state=RunState.RETRYING, attempt=1, next_attempt_us=NOW_US)
        updates = [(run, create()), (run, retrying), (run, StateReport(state=RunState.RUNNING))]
        first = await site.send(1, *updates)
        again = await site.send(1, *updates, (run, DONE))
        assert (first.committed_sequence, again.committed_sequence) == (3, 4)
        assert again.refusals == ()
        assert await site.history(run) == ["RUNNING", "RETRYING", "RUNNING", "COMPLETED"]


async def test_a_gap_is_told_with_what_is_expected(stores: Stores) -> None:
    async with opened(stores) as site:
        with pytest.raises(ServiceError, match="SEQUENCE_GAP") as caught:
            await site.send(3, (new_id(), create()))
        assert caught.value.metadata["expected_sequence"] == "1"


async def test_a_gap_is_passed_over_for_a_producer_that_keeps_nothing_of_it(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(stores) as site:
        run = new_id()
        outcome = await site.send(8, (run, create()), resume_after_loss=True)
        assert outcome.committed_sequence == 8
        assert "updates 1 to 7" in caplog.text
        again = await site.send(3, (new_id(), create()), resume_after_loss=True)
        assert again.committed_sequence == 8


async def test_a_stream_opened_beyond_what_is_stored_is_taken_at_its_word(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(stores) as site:
        await site.send(1, (new_id(), create()))
        lost = await site.producers.open(site.key, last_acked_sequence=5, info="")
        assert lost.producer.committed_sequence == 5
        assert "updates 2 to 5" in caplog.text
        caplog.clear()
        less = await site.producers.open(site.key, last_acked_sequence=0, info="")
        assert less.producer.committed_sequence == 5
        assert caplog.text == ""


async def test_a_refusal_is_told_until_it_is_confirmed(stores: Stores) -> None:
    async with opened(stores) as site:
        run = new_id()
        first = await site.send(1, (run, DONE), (run, create()))
        assert [item.reason for item in first.refusals] == ["RUN_UNKNOWN"]
        again = await site.send(3, (run, StateReport(state=RunState.RUNNING)))
        assert [item.sequence for item in again.refusals] == [1]
        confirmed = await site.send(4, (run, DONE), confirmed=2)
        assert confirmed.refusals == ()
        decisions, _ = await site.queries.decisions(SCOPE, run, size=10, token="")
        assert [item.accepted for item in decisions].count(False) == 1


async def test_an_older_stream_commits_nothing(stores: Stores) -> None:
    async with opened(stores) as site:
        older = await site.producers.open(site.key, last_acked_sequence=0, info="")
        newer = await site.producers.open(site.key, last_acked_sequence=0, info="")
        assert older.fenced.is_set()
        with pytest.raises(ServiceError, match="PRODUCER_FENCED"):
            await site.send(1, (new_id(), create()), epoch=older.producer.epoch)
        outcome = await site.send(1, (new_id(), create()), epoch=newer.producer.epoch)
        assert outcome.committed_sequence == 1


async def test_nothing_is_acknowledged_that_was_not_committed(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(stores) as site:
        write = stores.runs.write

        async def failing(tenants: Any, work: Any) -> Any:
            raise ServiceError(reason="OVERLOADED", message="the disk is full")

        monkeypatch.setattr(stores.runs, "write", failing)
        run = new_id()
        with pytest.raises(ServiceError, match="OVERLOADED"):
            await site.send(1, (run, create()))
        monkeypatch.setattr(stores.runs, "write", write)
        outcome = await site.send(1, (run, create()))
        assert outcome.committed_sequence == 1
        assert await site.history(run) == ["RUNNING"]


async def test_one_producers_gap_does_not_touch_another(stores: Stores) -> None:
    async with opened(stores) as site:
        gap = asyncio.ensure_future(site.send(9, (new_id(), create())))
        site.key = ProducerKey(SCOPE.tenant_id, SCOPE.workspace_id, new_id())
        good = await site.send(1, (new_id(), create()))
        assert good.committed_sequence == 1
        with pytest.raises(ServiceError, match="SEQUENCE_GAP"):
            await gap


async def test_what_no_database_takes_fails_for_its_own_producer_only(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(stores) as site:
        good = new_id()
        poison = Submission(
            producer=ProducerKey(SCOPE.tenant_id, SCOPE.workspace_id, new_id()),
            actor="users/local",
            first_sequence=1,
            updates=[Update(sequence=1, run_id=new_id(), occurred_us=1 << 70, change=create())],
        )
        failing = site.committer.submit(poison)
        outcome = await site.send(1, (good, create()))
        assert outcome.committed_sequence == 1
        assert await site.history(good) == ["RUNNING"]
        with pytest.raises(ServiceError, match="OVERLOADED"):
            await failing
        assert "was not committed" in caplog.text


async def test_a_watch_resumed_anywhere_has_no_gap_and_no_repeat(stores: Stores) -> None:
    async with opened(stores) as site:
        runs = [new_id() for _ in range(5)]
        await site.send(1, *[(run, create()) for run in runs])
        watching = site.watches.transitions(SCOPE, run_id=runs[0], resume_token="", states=())
        first = await anext(watching)
        await watching.aclose()
        token = first.resume_token
        seen = [item.position for item in first.transitions]
        await site.send(6, (runs[0], StateReport(state=RunState.PAUSED)))
        resumed = site.watches.transitions(SCOPE, run_id=runs[0], resume_token=token, states=())
        message = await anext(resumed)
        await resumed.aclose()
        seen += [item.position for item in message.transitions]
        assert seen == [1, 6]


async def test_a_run_watch_tells_present_then_changed_then_gone(stores: Stores) -> None:
    async with opened(stores) as site:
        run = new_id()
        await site.send(1, (run, create()))
        watching = site.watches.runs(
            SCOPE,
            filter_="state = RUNNING",
            resume_token="",
            skip_initial=False,
            min_interval_seconds=0,
        )
        present = await anext(watching)
        synced = await anext(watching)
        await site.send(2, (run, DONE))
        gone = await anext(watching)
        await watching.aclose()
        assert [change.kind for change in present.changes] == ["ADDED"]
        assert synced.synced
        assert [change.kind for change in gone.changes] == ["REMOVED"]


async def test_pages_hold_every_run_once_and_refuse_foreign_tokens(stores: Stores) -> None:
    async with opened(stores) as site:
        runs = {new_id() for _ in range(25)}
        await site.send(1, *[(run, create()) for run in runs])
        seen: list[str] = []
        token = ""
        while True:
            page = await site.queries.runs(
                SCOPE, size=7, token=token, filter_="kind = FLOW", order_by="", full=False
            )
            seen += [run.run_id for run in page.runs]
            token = page.next_page_token
            if not token:
                break
            last = token
        assert sorted(seen) == sorted(runs)
        with pytest.raises(ServiceError, match="INVALID_PAGE_TOKEN"):
            await site.queries.runs(
                SCOPE, size=7, token=last, filter_="kind = TASK", order_by="", full=False
            )


async def test_runs_of_a_silent_producer_crash_and_its_word_corrects_that(
    stores: Stores,
) -> None:
    async with opened(stores) as site:
        run = new_id()
        await site.send(1, (run, create()))
        reaper = Reaper(stores.runs, site.bus, SystemClock(), silence_seconds=-1)
        assert await reaper.reap() == 1
        await site.send(2, (run, DONE))
        decisions, _ = await site.queries.decisions(SCOPE, run, size=10, token="")
        assert [item.rule for item in decisions] == [
            *("CREATED", "PRODUCER_SILENT", "TRUTH_AFTER_INFERRED_CRASH")
        ]


async def test_silence_from_before_the_start_proves_nothing(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) > 2:
            raise asyncio.CancelledError

    async with opened(stores) as site:
        reaper = Reaper(stores.runs, site.bus, SystemClock(), silence_seconds=30)
        monkeypatch.setattr("towpath_service.runs.application.reaper.asyncio.sleep", wait)
        with pytest.raises(asyncio.CancelledError):
            await reaper.run()
    assert waited == [30, 5.0, 5.0]


async def test_a_deleted_run_is_gone_with_its_counts(stores: Stores) -> None:
    async with opened(stores) as site:
        run = new_id()
        await site.send(1, (run, create()))
        with pytest.raises(ServiceError, match="RESOURCE_IN_USE"):
            await site.queries.delete(SCOPE, run)
        await site.send(2, (run, DONE))
        flows, _ = await site.queries.flows(SCOPE, size=10, token="")
        assert flows[0].run_counts == {RunState.COMPLETED: 1}
        await site.queries.delete(SCOPE, run)
        flows, _ = await site.queries.flows(SCOPE, size=10, token="")
        assert flows[0].run_counts == {}
        with pytest.raises(ServiceError, match="RESOURCE_NOT_FOUND"):
            await site.queries.run(SCOPE, run)


@pytest.mark.parametrize(
    "condition",
    [
        *("", "state = COMPLETED", "kind = TASK", "flow = g", "flow = g AND state = RUNNING"),
        *("flow = workspaces/default/flows/f AND kind = FLOW", "flow = none"),
        *("state != RUNNING", "flow = f OR flow = g", "NOT state = RUNNING", 'display_name = "f"'),
        "state = RUNNING AND state = COMPLETED",
    ],
)
async def test_kept_counts_say_what_counting_says(stores: Stores, condition: str) -> None:
    async with opened(stores) as site:
        updates: list[tuple[str, Any]] = []
        for flow_id, kind, ends in product("fg", RunKind, (True, False, False)):
            run = new_id()
            updates.append((run, replace(create(), flow_id=flow_id, kind=kind)))
            if ends:
                updates.append((run, DONE))
        await site.send(1, *updates)
        aggregate = site.queries.aggregate
        kept = await aggregate(SCOPE, condition, 0, None, None)
        counted = await aggregate(SCOPE, condition, 1, None, None)
        assert [item.counts for item in kept] == [item.counts for item in counted]


async def test_dropped_lines_are_counted_once_a_producer_over_any_number_of_runs(
    stores: Stores,
) -> None:
    async with opened(stores) as site:
        root, *below = runs = [new_id() for _ in range(1201)]
        child = replace(create(), kind=RunKind.TASK, parent_run_id=root, root_run_id=root)
        await site.send(1, (root, create()), *((run, child) for run in below[:-1]))
        await site.producers.write_logs(site.key, [], 5)
        site.key = ProducerKey(SCOPE.tenant_id, SCOPE.workspace_id, new_id())
        await site.send(1, (runs[-1], child))
        await site.producers.write_logs(site.key, [], 7)
        whole, alone = RunTree(root, descendants=True), RunTree(root, descendants=False)
        assert (
            await stores.runs.read(SCOPE.tenant_id, lambda reads: reads.dropped_logs(SCOPE, whole))
            == 12
        )
        assert (
            await stores.runs.read(SCOPE.tenant_id, lambda reads: reads.dropped_logs(SCOPE, alone))
            == 5
        )


# A file stands for SQLite in memory, too: both have its limits.
@pytest.mark.parametrize("stores", ["file", "postgres"], indirect=True)
async def test_a_tree_may_have_more_runs_than_a_statement_has_variables(
    stores: Stores,
) -> None:
    """No statement has a variable for each run, so its limit of 32,766 isn't met by any tree."""
    count = 1_500
    async with opened(stores) as site:
        with counted_variables(stores) as variables:
            root, *below = [new_id() for _ in range(count + 1)]
            child = replace(create(), kind=RunKind.TASK, parent_run_id=root, root_run_id=root)
            await site.send(1, (root, create()), *((run, child) for run in below))
            line = log_line(below[-1])
            await site.producers.write_logs(site.key, [line], 0)
            watching = site.watches.transitions(SCOPE, run_id=root, resume_token="", states=())
            seen = 0
            async for message in watching:
                seen += len(message.transitions)
                if seen == count + 1:
                    break
            page, _, _ = await site.queries.logs(
                SCOPE, root, size=10, token="", filter_="", descendants=True, descending=False
            )
            assert [item.run_id for item in page] == [below[-1]]
            tail = site.watches.logs(
                SCOPE, root, tail_lines=5, resume_token="", descendants=True, min_severity=0
            )
            assert [item.run_id for item in (await anext(tail)).lines] == [below[-1]]
    assert variables
    assert max(variables) < count


async def test_runs_that_are_each_others_parents_are_each_found_once(stores: Stores) -> None:
    async with opened(stores) as site:
        one, two = new_id(), new_id()
        for run, parent in ((one, two), (two, one)):
            circular = replace(create(), parent_run_id=parent, root_run_id=parent)
            await site.send(1 if run == one else 2, (run, circular))
        changes = await anext(
            site.watches.transitions(SCOPE, run_id=one, resume_token="", states=())
        )
        assert {item.run_id for item in changes.transitions} == {one, two}


def _dropped(tree: RunTree, reads: Reads) -> int:
    return reads.dropped_logs(SCOPE, tree)
