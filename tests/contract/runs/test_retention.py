"""Retention: what is old goes, and nothing else; watches from before it are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from towpath.exceptions import RpcError
from towpath_service.app.ages import parse_age, show_age
from towpath_service.cli.server import server
from towpath_service.core.clock import SystemClock
from towpath_service.core.errors import ServiceError
from towpath_service.database.postgres_url import PostgresUrl, parse_postgres_url
from towpath_service.embedded import open_embedded
from towpath_service.runs.application import retention as module
from towpath_service.runs.application.clock_jumps import ClockJumps
from towpath_service.runs.application.reaper import Reaper
from towpath_service.runs.application.retention import Removed
from towpath_service.runs.domain.retention import DAY, Keep
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import ProducerKey

from tests.contract.runs.tracker import (
    DONE,
    SCOPE,
    SECOND,
    creation,
    new_id,
    tracking,
)

if TYPE_CHECKING:
    from pathlib import Path


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
