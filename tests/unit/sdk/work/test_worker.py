"""The worker's loop, against a service and a kind that the test plays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from towpath._work.worker import DELIVER_SECONDS, TELL_SECONDS
from towpath.api.v1 import work_pb2
from towpath.exceptions import RpcError, ServerUnreachable

from tests.unit.sdk.work.stubs import (
    RENEW_SECONDS,
    RUN,
    SHORT,
    Bench,
    Run,
    cancel,
    granted,
    tokens,
)

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._work.proof import RunEnd

pytestmark = pytest.mark.subject("work")


def test_a_lease_is_accepted_started_ended_and_forgotten_once_its_end_is_known(
    bench: Bench,
) -> None:
    bench.attach()
    hello = bench.stream.sent[0].hello
    assert (hello.parent, hello.worker_id) == ("workspaces/default/workPools/local", "w-1")
    assert (hello.kind, hello.slots, list(hello.held)) == ("process", 2, [])
    bench.grant("a")
    assert bench.stream.kinds() == ["hello", "renew", "accepted", "started"]
    assert bench.stream.all_of("started")[0].leases[0].pid == 4711
    bench.run("a").finish()
    bench.turn()
    [end] = bench.stream.all_of("ended")[0].ends
    assert (end.lease_id, end.outcome) == ("a", work_pb2.LEASE_OUTCOME_EXITED)
    assert end.evidence.exit_code == 0
    assert not bench.run("a").acknowledged
    bench.answer(ended={"lease_ids": ["a"]})
    assert bench.run("a").acknowledged
    assert len(bench.worker.book) == 0


def server_time(bench: Bench, ahead: float) -> dict[str, Any]:
    """The time of a server whose clock this machine's is ahead of."""
    return {"server_time": {"seconds": int(bench.wall - ahead)}}


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (-30, []),
        (30, []),
        (
            31,
            [
                (
                    "this machine's clock is 31 s ahead of the server's: the times of runs will be"
                    " wrong; synchronize both clocks with a time service"
                )
            ],
        ),
        (
            -90,
            [
                (
                    "this machine's clock is 90 s behind the server's: the times of runs will be"
                    " wrong; synchronize both clocks with a time service"
                )
            ],
        ),
    ],
)
def test_a_clock_that_is_far_off_is_told_once(bench: Bench, ahead: int, told: list[str]) -> None:
    bench.attach(**server_time(bench, ahead))
    assert bench.told("clock") == told
    bench.break_off()
    bench.turn(60)
    bench.attach(**server_time(bench, ahead))
    assert bench.told("clock") == told


def test_the_hello_has_the_time_of_the_worker(bench: Bench) -> None:
    bench.attach()
    assert bench.stream.sent[0].hello.worker_time.seconds == bench.wall


def test_people_read_names_and_short_ids(bench: Bench) -> None:
    bench.attach()
    bench.grant("a", display_name="brave-otter")
    bench.grant("b")
    bench.run("a").finish(exit_code=1)
    bench.turn()
    assert [event.message for event in bench.events] == [
        "worker w-1 is attached to pool local",
        f"etl/nightly brave-otter ({SHORT}) is leased",
        f"etl/nightly brave-otter ({SHORT}) runs as process 4711",
        f"etl/nightly {SHORT} is leased",
        f"etl/nightly {SHORT} runs as process 4711",
        f"etl/nightly brave-otter ({SHORT}) exited with 1",
    ]
    assert bench.events[-1].run_id == RUN


def test_an_end_is_told_at_each_attach_until_it_is_known(running: Bench) -> None:
    running.run("a").finish()
    running.turn()
    for _ in range(2):
        running.break_off()
        running.turn(1)
        running.attach()
        assert [item.lease_id for item in running.stream.sent[0].hello.held] == ["a"]
        assert [item.lease_id for item in running.stream.all_of("ended")[0].ends] == ["a"]
    running.answer(ended={"lease_ids": ["a"]})
    running.break_off()
    running.turn(1)
    running.attach()
    assert running.stream.kinds() == ["hello", "renew"]


def test_an_end_while_the_service_is_away_is_told_at_the_next_attach(running: Bench) -> None:
    running.break_off()
    running.run("a").finish()
    running.turn()
    assert running.told("ended") == []
    running.turn(1)
    running.attach()
    assert len(running.stream.all_of("ended")) == 1


def test_a_lost_lease_is_stopped_and_nothing_of_it_is_told(running: Bench) -> None:
    running.answer(renewed={"lost_lease_ids": ["a"]})
    assert running.run("a").stops == [0.0]
    running.turn(RENEW_SECONDS)
    assert list(running.stream.all_of("renew")[-1].lease_ids) == []
    running.run("a").finish("KILLED", signal=9)
    running.turn()
    assert running.stream.all_of("ended") == []
    assert running.run("a").acknowledged
    assert len(running.worker.book) == 0


def test_a_lease_lost_while_it_was_away_is_stopped(running: Bench) -> None:
    running.break_off()
    running.turn(1)
    running.attach(lost_lease_ids=["a"])
    assert running.run("a").stops == [0.0]
    assert "started" not in running.stream.kinds()


def test_an_ended_lease_that_is_lost_is_forgotten(running: Bench) -> None:
    running.run("a").finish()
    running.turn()
    running.answer(renewed={"lost_lease_ids": ["a"]})
    assert len(running.worker.book) == 0


def test_a_run_that_is_cancelled_or_lost_before_its_start_is_never_started(bench: Bench) -> None:
    bench.attach()
    bench.executor.held = []
    bench.grant("a")
    bench.grant("b")
    bench.answer(**cancel("a", 30))
    bench.answer(renewed={"lost_lease_ids": ["b"]})
    bench.executor.release()
    bench.turn()
    assert bench.kind.started == {}
    [end] = bench.stream.all_of("ended")[0].ends
    assert (end.lease_id, end.outcome) == ("a", work_pb2.LEASE_OUTCOME_RETURNED)
    assert [held.lease_id for held in bench.worker.book] == ["a"]


def test_a_request_that_comes_again_counts_if_it_leaves_less_time(running: Bench) -> None:
    for grace in (30, 30, 5, 10, 0):
        running.answer(**cancel("a", grace))
    assert running.run("a").stops == [30.0, 5.0, 0.0]
    assert len(running.told("cancelling")) == 1


def test_a_request_that_a_full_disk_refuses_is_made_again(running: Bench) -> None:
    running.run("a").full_disk = True
    running.answer(**cancel("a", 0))
    running.turn(1)
    assert len(running.told("fault")) == 1
    running.run("a").full_disk = False
    running.turn(1)
    assert running.run("a").stops == [0.0]
    running.turn(1)
    assert running.run("a").stops == [0.0]


def test_a_run_that_a_full_disk_keeps_from_starting_is_given_back(bench: Bench) -> None:
    bench.attach()
    bench.kind.fault = OSError(28, "No space left on device")
    bench.grant("a")
    [end] = bench.stream.all_of("ended")[0].ends
    assert (end.outcome, end.reason) == (work_pb2.LEASE_OUTCOME_RETURNED, "WORKER_FAULT")
    assert "No space left" in end.failure.message


def test_a_job_that_no_worker_can_use_is_not_given_back(bench: Bench) -> None:
    bench.attach()
    bench.grant("a", template_json="[")
    bench.kind.fault = TypeError("stop_seconds is a text")
    bench.grant("b")
    told = bench.stream.all_of("ended")[-1].ends
    assert [(end.lease_id, end.outcome, end.reason) for end in told] == [
        (lease_id, work_pb2.LEASE_OUTCOME_START_FAILED, "START_FAILED") for lease_id in ("a", "b")
    ]
    assert "can't use its job: " in told[0].failure.message
    assert "stop_seconds is a text" in told[1].failure.message


def test_a_lease_that_is_sent_again_is_started_once(running: Bench) -> None:
    run = running.run("a")
    running.grant("a")
    assert running.run("a") is run
    assert len(running.stream.all_of("accepted")) == 2


def test_leases_stay_over_an_outage_and_their_contact_is_noted(running: Bench) -> None:
    running.answer(renewed={})
    assert running.run("a").contacts == []
    running.turn(RENEW_SECONDS)
    assert list(running.stream.all_of("renew")[-1].lease_ids) == ["a"]
    running.answer(renewed={})
    assert len(running.run("a").contacts) == 1
    running.break_off()
    running.turn(1)
    running.attach()
    assert [(item.lease_id, item.pid) for item in running.stream.sent[0].hello.held] == [
        ("a", 4711)
    ]
    assert running.run("a").stops == []


def test_a_token_is_renewed_at_half_of_its_life(bench: Bench, tmp_path: Path) -> None:
    bench.attach()
    lease = granted("a", run_token="first")
    # It has ended already: the next renewal asks for another.
    lease.run_token_expire_time.FromSeconds(1)
    bench.answer(granted={"leases": [lease]})
    bench.run("a").token_path = tmp_path
    assert bench.stream.all_of("tokens") == []
    bench.turn(RENEW_SECONDS)
    assert list(bench.stream.all_of("tokens")[0].lease_ids) == ["a"]
    bench.answer(**tokens("a", "second"))
    assert bench.run("a").tokens == ["second"]
    bench.turn(RENEW_SECONDS)
    assert len(bench.stream.all_of("tokens")) == 1
    bench.break_off()
    bench.turn(1)
    bench.attach()
    assert len(bench.stream.all_of("tokens")) == 1


def test_remains_are_delivered_before_the_end_is_told(
    running: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [False, True]
    monkeypatch.setattr(running.worker._remains, "deliver", lambda handle, end: left.pop(0))
    running.run("a").finish()
    running.turn()
    assert running.stream.all_of("ended") == []
    assert list(running.stream.all_of("tokens")[-1].lease_ids) == ["a"]
    running.turn(1)
    assert len(running.stream.all_of("ended")) == 1
    assert running.told("fault") == []


def test_the_end_is_told_although_the_remains_cannot_be_delivered(
    running: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: Run, end: RunEnd) -> bool:
        del end
        raise ValueError(f"no way for {handle.lease_id}")

    monkeypatch.setattr(running.worker._remains, "deliver", refuse)
    running.run("a").finish()
    running.turn()
    assert running.stream.all_of("ended") == []
    running.turn(DELIVER_SECONDS)
    assert len(running.stream.all_of("ended")) == 1
    assert "no way for a" in running.told("fault")[0]


def test_what_could_not_be_loaded_is_told_with_its_last_words(running: Bench) -> None:
    running.run("a").said = b"noise\ntowpath: the run can't start: no module etl\n"
    running.run("a").finish(exit_code=2)
    running.turn()
    [end] = running.stream.all_of("ended")[0].ends
    assert end.outcome == work_pb2.LEASE_OUTCOME_START_FAILED
    assert end.failure.message == "no module etl"


def test_runs_of_an_earlier_worker_are_adopted_and_named_in_the_hello(bench: Bench) -> None:
    living, ended = Run("a"), Run("b")
    ended.finish()
    bench.kind.left = [living, ended]
    bench.worker.adopt()
    bench.attach()
    assert sorted(item.lease_id for item in bench.stream.sent[0].hello.held) == ["a", "b"]
    assert [said.leases[0].lease_id for said in bench.stream.all_of("started")] == ["a"]
    assert [item.lease_id for item in bench.stream.all_of("ended")[0].ends] == ["b"]
    assert bench.told("adopted") == [f"run {SHORT} of an earlier worker is taken over"] * 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [("UNAUTHENTICATED", ""), ("PERMISSION_DENIED", ""), ("ABORTED", "WORKER_FENCED")],
)
def test_a_refusal_that_stays_ends_the_worker(bench: Bench, code: str, reason: str) -> None:
    bench.turn()
    with pytest.raises(RpcError, match="no"):
        bench.break_off(RpcError("no", code=code, reason=reason))
    assert bench.lines[-1].closed


def test_a_service_that_is_away_is_tried_again_and_people_read_so_once_a_minute(
    bench: Bench,
) -> None:
    bench.away = ServerUnreachable("connection refused", code="UNAVAILABLE")
    begun = bench.now
    while bench.now < begun + TELL_SECONDS - 31:
        pause = bench.turn()
        assert pause is not None
        bench.turn(max(pause, 0.01))
    assert len(bench.told("away")) == 1
    bench.turn(TELL_SECONDS)
    assert len(bench.told("away")) == 2
    bench.away = None
    bench.turn(31)
    bench.attach()
    assert len(bench.told("attached")) == 1


def test_a_worker_and_its_runs_stay_while_the_service_is_away_for_ten_minutes(
    running: Bench,
) -> None:
    running.away = ServerUnreachable("connection refused", code="UNAVAILABLE")
    running.break_off()
    begun, tries = running.now, 0
    while running.now < begun + 600:
        pause = running.turn()
        assert pause is not None
        assert pause <= 31
        tries += 1
        running.turn(max(pause, 0.01))
    assert tries < 60
    assert len(running.told("away")) == pytest.approx(10, abs=1)
    assert running.run("a").stops == []
    running.run("a").finish()
    running.away = None
    running.turn(31)
    running.attach()
    assert [item.lease_id for item in running.stream.sent[0].hello.held] == ["a"]
    assert [item.lease_id for item in running.stream.all_of("ended")[0].ends] == ["a"]


def test_a_stream_that_breaks_at_once_is_no_flood_of_lines(bench: Bench) -> None:
    bench.attach()
    for _ in range(5):
        bench.break_off()
        bench.turn(1)
        bench.attach()
    assert len(bench.told("away")) == 1
    assert len(bench.told("attached")) == 2


def test_a_stream_that_the_service_ends_is_opened_again(bench: Bench) -> None:
    bench.attach()
    bench.stream.over = True
    bench.turn()
    bench.turn(1)
    assert len(bench.streams) == 2


def test_the_service_moves_a_worker_to_another_stream(running: Bench) -> None:
    running.answer(reconnect={"delay": {"seconds": 5}})
    assert running.streams[0].half_closed
    assert len(running.streams) == 1
    running.turn(5)
    assert len(running.streams) == 2
    running.attach()
    assert running.told("away") == []
    assert len(running.told("attached")) == 1
