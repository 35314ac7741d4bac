"""Workers that drain or stop, against a service and a kind that the test plays."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from towpath._work.leaving import ACK_SECONDS

from tests.unit.sdk.work.stubs import Bench, cancel, known

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._work.worker_events import WorkerEvent

pytestmark = pytest.mark.subject("work")


def test_a_draining_worker_gives_back_what_was_under_way_to_it(running: Bench) -> None:
    running.answer(drain={"message": "ada drains it"})
    assert running.told("draining") == ["ada drains it: no more runs are taken, 1 to end"]
    assert "draining" in running.stream.kinds()
    running.grant("b")
    [end] = running.stream.all_of("ended")[0].ends
    assert (end.lease_id, end.reason) == ("b", "")
    running.answer(ended={"lease_ids": ["b"]})
    assert [held.lease_id for held in running.worker.book] == ["a"]
    running.break_off()
    running.turn(1)
    assert running.stream.sent[0].hello.draining


def test_a_stopping_worker_waits_for_its_runs(running: Bench) -> None:
    running.worker.stop()
    assert running.turn() is not None
    running.run("a").finish()
    assert running.turn() is not None
    running.stream.answers.append(known("a"))
    assert running.worker.turn() is not None
    assert running.worker.turn() is None
    assert running.run("a").stops == []


def test_a_stopping_worker_leaves_what_goes_on_after_the_grace(tmp_path: Path) -> None:
    bench = Bench(tmp_path, grace_seconds=7.0)
    bench.attach()
    bench.grant("a")
    bench.worker.stop()
    pause = bench.turn()
    assert pause is not None
    assert pause <= 7.0
    bench.now += 7.0
    assert bench.worker.turn() is None
    assert bench.run("a").stops == []


def test_a_second_stop_cancels_runs_and_waits_for_their_ends(running: Bench) -> None:
    running.answer(**cancel("a", 30))
    running.worker.stop()
    running.worker.stop()
    assert running.turn() is not None
    assert running.run("a").stops == [30.0, 0.0]
    running.turn(1000)
    running.run("a").finish("KILLED", signal=15)
    assert running.turn() is not None
    assert len(running.stream.all_of("ended")) == 1
    running.stream.answers.append(known("a"))
    running.worker.turn()
    assert running.worker.turn() is None


def test_a_worker_that_stops_its_runs_leaves_without_a_service(tmp_path: Path) -> None:
    bench = Bench(tmp_path, grace_seconds=0.0, stop_runs=True)
    bench.attach()
    bench.grant("a")
    bench.break_off()
    bench.worker.stop()
    assert bench.turn() is not None
    assert bench.run("a").stops == [0.0]
    bench.run("a").finish("KILLED", signal=15)
    assert bench.worker.turn() is None


def test_ends_are_waited_for_only_so_long(tmp_path: Path) -> None:
    bench = Bench(tmp_path, grace_seconds=0.0, stop_runs=True)
    bench.attach()
    bench.grant("a")
    bench.worker.stop()
    bench.turn()
    bench.run("a").finish()
    assert bench.turn() is not None
    bench.now += ACK_SECONDS
    assert bench.worker.turn() is None


def test_the_loop_itself_runs_until_it_is_told_to_stop(bench: Bench) -> None:
    attached = threading.Event()

    def note(event: WorkerEvent) -> None:
        if event.kind == "attached":
            attached.set()

    bench.worker._on_event = note
    bench.attach()
    assert attached.is_set()
    loop = threading.Thread(target=bench.worker.run)
    loop.start()
    bench.worker.stop()
    loop.join(20)
    assert not loop.is_alive()
    assert bench.lines[-1].closed
