"""Retention: what is old goes, and nothing else; watches from before it are told."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from towpath.exceptions import RpcError
from towpath_service.app.ages import parse_age, show_age
from towpath_service.app.stores import database_at, stores_on
from towpath_service.cli.server import server
from towpath_service.core.bus import Bus
from towpath_service.core.clock import SystemClock
from towpath_service.core.draining import Draining
from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope
from towpath_service.database.postgres_url import PostgresUrl, parse_postgres_url
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.embedded import open_embedded
from towpath_service.runs.application import retention as module
from towpath_service.runs.application.clock_jumps import ClockJumps
from towpath_service.runs.application.committer import Committer
from towpath_service.runs.application.producers import Producers
from towpath_service.runs.application.queries import Queries
from towpath_service.runs.application.reaper import Reaper
from towpath_service.runs.application.retention import Removed, Retention
from towpath_service.runs.application.submissions import Submission
from towpath_service.runs.application.watch import Watches
from towpath_service.runs.domain.reports import Creation, StateReport, Update
from towpath_service.runs.domain.retention import DAY, Keep
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import ProducerKey

from tests.contract.runs.lines import log_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from towpath_service.runs.ports.ingest import LogLine
    from towpath_service.runs.ports.store import RunStore

SCOPE = Scope("00000000-0000-7000-8000-000000000001", "default")
RUNNING = StateReport(state=RunState.RUNNING)
DONE = StateReport(state=RunState.COMPLETED)
SECOND = 1_000_000
KEEP = Keep(runs=100 * DAY, transitions=50 * DAY, logs=20 * DAY)


def new_id() -> str:
    return str(uuid.uuid4())


class SetClock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.us = 1_790_000_000 * SECOND

    def now_us(self) -> int:
        return self.us

    def pass_days(self, days: float) -> None:
        self.us += int(days * DAY * SECOND)


@dataclass
class Tracker:
    """A service's application without its edges."""

    database: Path | PostgresUrl
    store: RunStore
    committer: Committer
    clock: SetClock
    bus: Bus

    def __post_init__(self) -> None:
        self.producers = Producers(self.store, self.committer, self.bus, self.clock)
        self.queries = Queries(self.store, self.bus, self.clock)
        self.watches = Watches(self.store, self.bus, Draining(asyncio.Event()))

    def retention(self, keep: Keep = KEEP) -> Retention:
        return Retention(self.store, self.bus, self.clock, keep)

    async def found(self, run_ids: Sequence[str]) -> dict[str, Any]:
        return dict(
            await self.store.read(SCOPE.tenant_id, lambda reads: reads.runs_by_id(SCOPE, run_ids))
        )

    async def sweep(self, keep: Keep = KEEP) -> Removed:
        return await self.retention(keep).sweep(pausing=False)

    async def send(
        self, updates: Sequence[tuple[str, Any]], producer_id: str = "", first: int = 1
    ) -> ProducerKey:
        producer = ProducerKey(*SCOPE, producer_id or new_id())
        outcome = await self.committer.submit(
            Submission(
                producer=producer,
                actor="users/local",
                first_sequence=first,
                updates=[
                    Update(sequence=number, run_id=run, occurred_us=self.clock.us, change=change)
                    for number, (run, change) in enumerate(updates, first)
                ],
            )
        )
        assert not outcome.refusals
        return producer

    async def flow(self, tasks: int, *, ended: bool = True) -> list[str]:
        """Runs a flow of tasks, with a line each, and returns the ids, the flow's first."""
        root, *below = runs = [new_id() for _ in range(tasks + 1)]
        updates: list[tuple[str, Any]] = [(root, creation(RunKind.FLOW, root))]
        for run in below:
            updates += [(run, creation(RunKind.TASK, root)), (run, DONE)]
        producer = await self.send([*updates, (root, DONE)] if ended else updates)
        lines = [self.line(number, run) for number, run in enumerate(runs, 1)]
        await self.producers.write_logs(producer, lines, 0)
        return runs

    def line(self, sequence: int, run_id: str) -> LogLine:
        return log_line(run_id, sequence=sequence, occurred_us=self.clock.us)

    async def rows(self) -> dict[str, int]:
        """How many rows the tables have that have any."""

        def count(connection: Any) -> dict[str, int]:
            tables = "run transition log_line deleted_run producer refusal run_detail run_tag"
            counted = {
                table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
                for table in tables.split()
            }
            return {table: rows for table, rows in counted.items() if rows}

        return await at_database(self.database, count)

    async def kept_counts(self) -> dict[int, int]:
        def read(connection: Any) -> dict[int, int]:
            query = "SELECT state, sum(runs) FROM run_count WHERE runs <> 0 GROUP BY state"
            return {state: int(runs) for state, runs in connection.execute(text(query))}

        return await at_database(self.database, read)


def creation(kind: RunKind, root: str) -> Creation:
    return Creation(
        kind=kind,
        initial=RUNNING,
        display_name="r",
        flow_id="f",
        root_run_id=root,
        parent_run_id=root if kind is RunKind.TASK else None,
        tags=("t",),
        parameters='{"a":1}',
    )


@asynccontextmanager
async def tracking(database: Path | PostgresUrl) -> AsyncIterator[Tracker]:
    opened = database_at(database)
    store = stores_on(opened).runs
    clock, bus = SetClock(), Bus()
    try:
        await opened.open()
        async with Committer(store, bus, clock) as committer:
            yield Tracker(database, store, committer, clock, bus)
    finally:
        opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | PostgresUrl:
    if request.param == "sqlite":
        return tmp_path / "towpath.db"
    return parse_postgres_url(request.getfixturevalue("postgres_dsn"))


async def test_each_kind_goes_at_its_own_age(place: Path | PostgresUrl) -> None:
    async with tracking(place) as tracker:
        await tracker.flow(3)
        everything = await tracker.rows()
        assert everything["log_line"] == 4
        tracker.clock.pass_days(19)
        assert await tracker.sweep() == Removed()
        assert await tracker.rows() == everything
        tracker.clock.pass_days(2)
        assert await tracker.sweep() == Removed(logs=4)
        tracker.clock.pass_days(30)
        assert await tracker.sweep() == Removed(transitions=8)
        assert (await tracker.rows())["run"] == 4
        tracker.clock.pass_days(50)
        assert await tracker.sweep() == Removed(runs=4, producers=1)
        assert await tracker.rows() == {"deleted_run": 4}
        assert await tracker.kept_counts() == {}
        tracker.clock.pass_days(8)
        assert await tracker.sweep() == Removed(tombstones=4)
        assert await tracker.rows() == {}


async def test_none_is_for_ever(place: Path | PostgresUrl) -> None:
    async with tracking(place) as tracker:
        await tracker.flow(2)
        before = await tracker.rows()
        tracker.clock.pass_days(50)
        assert await tracker.sweep(Keep(runs=None, transitions=None, logs=None)) == Removed()
        assert await tracker.rows() == before


async def test_what_is_young_stays_beside_what_is_old(place: Path | PostgresUrl) -> None:
    async with tracking(place) as tracker:
        old = await tracker.flow(2)
        tracker.clock.pass_days(101)
        young = await tracker.flow(2)
        removed = await tracker.sweep()
        assert (removed.runs, removed.logs, removed.transitions) == (3, 0, 0)
        runs = await tracker.store.read(
            SCOPE.tenant_id, lambda reads: reads.runs_by_id(SCOPE, [*old, *young])
        )
        assert set(runs) == set(young)
        assert await tracker.kept_counts() == {int(RunState.COMPLETED): 3}
        history, _ = await tracker.queries.transitions(
            SCOPE, young[0], size=10, token="", after_revision=0
        )
        assert len(history) == 2


async def test_a_run_that_has_not_ended_keeps_all_of_its_tree(place: Path | PostgresUrl) -> None:
    async with tracking(place) as tracker:
        root, *below = await tracker.flow(3, ended=False)
        tracker.clock.pass_days(500)
        removed = await tracker.sweep()
        assert (removed.runs, removed.producers) == (0, 0)
        # Of the flow itself all is kept, of its ended tasks the runs.
        assert (await tracker.rows())["transition"] == 1
        assert (await tracker.rows())["run"] == 4
        found = await tracker.store.read(
            SCOPE.tenant_id, lambda reads: reads.runs_by_id(SCOPE, below)
        )
        assert set(found) == set(below)
        assert (await tracker.found([root]))[root]


async def test_a_tree_goes_in_parts_and_its_root_last(
    place: Path | PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUNS", 4)
    monkeypatch.setattr(module, "ROWS", 5)
    async with tracking(place) as tracker:
        sizes = (11, 4, 3, 0)
        flows = [await tracker.flow(tasks) for tasks in sizes]
        tracker.clock.pass_days(101)
        assert (await tracker.retention().sweep(seconds=0)).runs == 0
        removed = await tracker.sweep()
        assert (removed.runs, removed.logs) == (sum(sizes) + len(flows), 0)
        assert await tracker.rows() == {"deleted_run": removed.runs}


async def test_a_run_that_came_after_its_root_was_removed_goes_by_itself(
    place: Path | PostgresUrl,
) -> None:
    async with tracking(place) as tracker:
        await tracker.send([(new_id(), creation(RunKind.TASK, new_id()))])
        late = new_id()
        await tracker.send([(late, creation(RunKind.TASK, new_id())), (late, DONE)])
        tracker.clock.pass_days(101)
        assert (await tracker.sweep()).runs == 1


async def test_a_process_with_a_wrong_clock_loses_no_fresh_lines(
    place: Path | PostgresUrl,
) -> None:
    async with tracking(place) as tracker:
        (root,) = await tracker.flow(0)
        late = tracker.line(1, root)
        late.occurred_us -= int(300 * DAY * SECOND)
        await tracker.producers.write_logs(ProducerKey(*SCOPE, new_id()), [late], 0)
        assert (await tracker.sweep()).logs == 0
        tracker.clock.pass_days(21)
        assert (await tracker.sweep()).logs == 2


async def test_a_producer_that_comes_back_in_time_is_known(place: Path | PostgresUrl) -> None:
    async with tracking(place) as tracker:
        run = new_id()
        producer = await tracker.send([(run, creation(RunKind.FLOW, run)), (run, DONE)])
        tracker.clock.pass_days(40)
        await tracker.sweep()
        again = [(run, creation(RunKind.FLOW, run)), (run, DONE)]
        await tracker.send(again, producer.producer_id)
        found, _ = await tracker.producers.get(producer)
        assert found.committed_sequence == 2
        history, _ = await tracker.queries.transitions(
            SCOPE, run, size=10, token="", after_revision=0
        )
        assert len(history) == 2


async def test_a_watch_that_resumes_from_before_what_is_gone_is_told(
    place: Path | PostgresUrl,
) -> None:
    async with tracking(place) as tracker:
        await tracker.flow(1)
        runs = tracker.watches.runs(
            SCOPE, filter_="", resume_token="", skip_initial=True, min_interval_seconds=0
        )
        run_token = (await anext(aiter(runs))).resume_token
        root = (await tracker.flow(1))[0]
        changes = tracker.watches.transitions(SCOPE, run_id=root, resume_token="", states=())
        token = (await anext(aiter(changes))).resume_token
        lines = tracker.watches.logs(
            SCOPE, root, tail_lines=1, resume_token="", descendants=True, min_severity=0
        )
        log_token = (await anext(aiter(lines))).resume_token
        await tracker.flow(1)
        tracker.clock.pass_days(51)
        kept = await tracker.flow(1)
        await tracker.sweep()
        resumed = tracker.watches.transitions(SCOPE, run_id=root, resume_token=token, states=())
        with pytest.raises(ServiceError, match="begin without a token") as raised:
            await anext(aiter(resumed))
        assert raised.value.reason == "RESUME_TOKEN_EXPIRED"
        tail = tracker.watches.logs(
            SCOPE, root, tail_lines=1, resume_token=log_token, descendants=True, min_severity=0
        )
        with pytest.raises(ServiceError, match="RESUME_TOKEN_EXPIRED"):
            await anext(aiter(tail))
        # Runs and their tombstones are all there.
        again = tracker.watches.runs(
            SCOPE, filter_="", resume_token=run_token, skip_initial=True, min_interval_seconds=0
        )
        assert {*kept} <= {item.run_id for item in (await anext(aiter(again))).changes}
        tracker.clock.pass_days(101)
        await tracker.sweep()
        tracker.clock.pass_days(8)
        await tracker.sweep()
        gone = tracker.watches.runs(
            SCOPE, filter_="", resume_token=run_token, skip_initial=True, min_interval_seconds=0
        )
        with pytest.raises(ServiceError, match="RESUME_TOKEN_EXPIRED"):
            await anext(aiter(gone))


async def test_a_clock_that_leaps_ahead_removes_nothing_for_a_day(
    place: Path | PostgresUrl, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with tracking(place) as tracker:
        await tracker.flow(1)
        retention = tracker.retention()
        before = await tracker.rows()
        tracker.clock.pass_days(1000)
        assert await retention.sweep(pausing=False) == Removed()
        assert await retention.sweep(pausing=False) == Removed()
        assert "went ahead by 1000.0 days" in caplog.text
        assert await tracker.rows() == before
        monkeypatch.setattr(retention, "_wary_until", 0.0)  # a day later
        assert (await retention.sweep(pausing=False)).runs == 2


async def test_replicas_remove_everything_once(postgres_dsn: str) -> None:
    url = parse_postgres_url(postgres_dsn)
    async with tracking(url) as one, tracking(url) as two:
        for tasks in range(12):
            await one.flow(tasks)
        one.clock.pass_days(101)
        two.clock.pass_days(101)
        swept = await asyncio.gather(*(item.sweep() for item in (one, two, one, two)))
        swept.append(await one.sweep())
        assert sum(item.runs for item in swept) == 12 + sum(range(12))
        assert await one.rows() == {"deleted_run": 12 + sum(range(12))}
        assert await one.kept_counts() == {}


async def test_ingestion_goes_on_beside_a_sweep(place: Path | PostgresUrl) -> None:
    async with tracking(place) as tracker:
        for _ in range(5):
            await tracker.flow(300)
        tracker.clock.pass_days(101)
        sweeping = asyncio.create_task(tracker.retention().sweep())
        sent = 0
        while not sweeping.done():
            await tracker.flow(3)
            sent += 4
        removed = await sweeping
        assert removed.runs == 5 * 301
        assert sent > 0
        assert (await tracker.rows())["run"] == sent
        assert await tracker.kept_counts() == {int(RunState.COMPLETED): sent}


@pytest.mark.parametrize("jump_days", [1000.0, 0.5, -0.5])
async def test_a_clock_that_jumps_makes_nobody_lost(
    place: Path | PostgresUrl, caplog: pytest.LogCaptureFixture, jump_days: float
) -> None:
    async with tracking(place) as tracker:
        run = new_id()
        await tracker.send([(run, creation(RunKind.FLOW, run))])
        steady = [0.0]
        reaper = Reaper(tracker.store, tracker.bus, tracker.clock, silence_seconds=30)
        reaper._jumps = ClockJumps(tracker.clock, lambda: steady[0])

        async def pass_seconds(seconds: float) -> int:
            steady[0] += seconds
            tracker.clock.pass_days(seconds / DAY)
            return await reaper.look()

        assert await pass_seconds(25) == 0
        tracker.clock.pass_days(jump_days)
        assert await pass_seconds(5) == 0
        assert "the clock jumped by" in caplog.text
        assert await pass_seconds(25) == 0
        # It has been silent for 31 seconds since.
        assert await pass_seconds(6) == 1


async def test_a_command_without_a_server_removes_a_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tracking(tmp_path / "towpath.db") as tracker:
        tracker.clock.us = SystemClock().now_us() - int(400 * DAY * SECOND)
        await tracker.flow(2)
        monkeypatch.setenv("TOWPATH_SERVER_KEEP_RUNS", "500d")
        monkeypatch.setenv("TOWPATH_SERVER_KEEP_TRANSITIONS", "forever")
        await asyncio.to_thread(lambda: open_embedded(tmp_path).close())
        assert (await tracker.rows())["run"] == 3
        assert (await tracker.rows())["transition"] == 6
        assert "log_line" not in await tracker.rows()
        monkeypatch.delenv("TOWPATH_SERVER_KEEP_RUNS")
        await asyncio.to_thread(lambda: open_embedded(tmp_path).close())
        assert await tracker.rows() == {"deleted_run": 3}


def test_a_wrong_age_in_the_environment_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_SERVER_KEEP_LOGS", "never")
    with pytest.raises(RpcError, match="TOWPATH_SERVER_KEEP_LOGS: 'never' is no age"):
        open_embedded(tmp_path)


async def test_a_command_prunes_at_once(place: Path | PostgresUrl) -> None:
    async with tracking(place) as tracker:
        tracker.clock.us = SystemClock().now_us() - int(40 * DAY * SECOND)
        await tracker.flow(2)
        database = place.dsn if isinstance(place, PostgresUrl) else str(place)

        def prune(*words: str) -> str:
            result = CliRunner().invoke(server, ["db", "prune", "--database", database, *words])
            assert result.exit_code == 0
            return result.output

        told = await asyncio.to_thread(prune)
        assert told == "Removed 0 runs, 0 transitions of others, 3 log lines.\n"
        told = await asyncio.to_thread(prune, "--keep-transitions", "1w")
        assert told == "Removed 0 runs, 6 transitions of others, 0 log lines.\n"
        told = await asyncio.to_thread(prune, "--keep-runs", "12h")
        assert told == "Removed 3 runs, 0 transitions of others, 0 log lines.\n"


@pytest.mark.parametrize("text_", ["", "0d", "-1d", "90", "d", "1y", "1.5d", "12345678901d"])
def test_what_is_no_age_is_told_with_what_is(text_: str) -> None:
    with pytest.raises(ValueError, match="90d"):
        parse_age(text_)


@pytest.mark.parametrize("text_", ["90d", "12h", "5m", "7s", "forever"])
def test_ages_are_read_as_they_are_shown(text_: str) -> None:
    assert show_age(parse_age(text_)) == text_


def test_what_is_kept_by_default_is_within_what_producers_are_promised() -> None:
    keep = Keep()
    assert keep.producers >= 30 * DAY
    assert keep.runs
    assert keep.transitions
    assert keep.logs
