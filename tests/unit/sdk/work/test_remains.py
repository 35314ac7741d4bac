"""What the processes of a run leave in their outboxes, and who delivers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from towpath._delivery.drain import WRITE_LOGS
from towpath._delivery.outbox import LEASE_VARIABLE, Outbox, lock_outbox
from towpath._delivery.reports import RunReport, StateReport
from towpath._settings.current import get_settings
from towpath._state_type import StateType
from towpath._work.last_output import MOST_BYTES
from towpath._work.proof import RunEnd, StopProof
from towpath._work.remains import Remains
from towpath.api.v1 import ingest_service_pb2, log_service_pb2

from tests.unit.sdk.work.stubs import RUN, Run

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._settings.declared import Settings

pytestmark = pytest.mark.subject("work")


def ended(kind: Any, **more: Any) -> RunEnd:
    return RunEnd(
        proof=StopProof(kind=kind, lease_id="lease-a", host="here", observed_time=7.0, **more)
    )


EXITED = ended("EXITED", exit_code=0)
KILLED = ended("KILLED", signal=9)
CHILD = "0190a8b4-0000-7000-8000-000000000002"


class Taker:
    """A transport to a service that takes all reports."""

    address = "127.0.0.1:1"

    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.lines: dict[tuple[str, int], str] = {}
        self.opened_with: list[Settings] = []

    def opener(self, settings: Settings) -> Any:
        self.opened_with.append(settings)
        return self

    def unary(self, method: str, request: Any, *, timeout_seconds: float = 10.0) -> Any:
        del timeout_seconds
        if method == WRITE_LOGS:
            assert request.workspace == "workspaces/default"
            for record in request.records:
                assert (record.run_id, record.attempt) == (RUN, 1)
                self.lines.setdefault((request.producer_id, record.sequence), record.body)
            return log_service_pb2.WriteLogsResponse()
        batch = request.batch
        self.updates.extend(batch.updates)
        answer = ingest_service_pb2.RecordUpdatesResponse()
        answer.ack.committed_sequence = batch.first_sequence + len(batch.updates) - 1
        return answer

    def close(self) -> None:
        pass

    def ends(self) -> dict[str, int]:
        """The last state that was reported of each run."""
        found: dict[str, int] = {}
        for update in self.updates:
            report = update.create.initial if update.HasField("create") else update.transition
            found[update.run_id] = report.state
        return found


@pytest.fixture
def taker() -> Taker:
    return Taker()


def leave(home: Path, lease_id: str, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """An outbox of a process that was killed as a flow and its child ran."""
    monkeypatch.setenv(LEASE_VARIABLE, lease_id)
    outbox = Outbox(home)
    state = StateReport(state=StateType.RUNNING, time=1.0, attempt=1)
    for run_id, parent in ((RUN, ""), (CHILD, RUN)):
        outbox.create(
            RunReport(
                run_id=run_id, kind="flow", state=state, display_name="", parent_run_id=parent
            )
        )
    return outbox


def remains(home: Path, taker: Taker) -> Remains:
    return Remains(get_settings().__class__(home=home, api_key="the worker's"), taker.opener)


def test_all_of_the_lease_is_delivered_and_only_the_runs_below_it_are_reported_lost(
    tmp_path: Path, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "lease-a", monkeypatch).let_go()
    other = leave(tmp_path, "lease-b", monkeypatch)
    other.let_go()
    assert remains(tmp_path, taker).deliver(Run("lease-a"), EXITED)
    assert taker.ends() == {RUN: StateType.RUNNING.number, CHILD: StateType.CRASHED.number}
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [other.producer_id]
    assert taker.opened_with[0].run_token_file is None


def test_with_identity_the_token_of_the_run_is_used(
    tmp_path: Path, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "lease-a", monkeypatch).let_go()
    token = tmp_path / "token"
    assert remains(tmp_path, taker).deliver(Run("lease-a", token_path=token), EXITED)
    assert [settings.run_token_file for settings in taker.opened_with] == [token]


def test_nothing_is_opened_where_nothing_waits(
    tmp_path: Path, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "lease-b", monkeypatch).let_go()
    assert remains(tmp_path, taker).deliver(Run("lease-a"), EXITED)
    assert taker.opened_with == []


def test_an_outbox_that_another_process_delivers_is_not_yet_delivered(
    tmp_path: Path, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = leave(tmp_path, "lease-a", monkeypatch)
    assert lock_outbox(outbox.folder) is None
    assert not remains(tmp_path, taker).deliver(Run("lease-a"), EXITED)
    outbox.let_go()
    assert remains(tmp_path, taker).deliver(Run("lease-a"), EXITED)


def test_the_last_output_of_a_killed_run_is_recorded_in_order_and_once(
    tmp_path: Path, taker: Taker
) -> None:
    run = Run("lease-a", said=b"first\r\n\n" + b"".join(b"line %d\n" % n for n in range(1500)))
    for _ in range(2):  # A worker was killed before it told the end.
        assert remains(tmp_path, taker).deliver(run, KILLED)
    assert list(taker.lines.values()) == ["first", *(f"line {n}" for n in range(1500))]
    assert [number for _, number in taker.lines] == list(range(1, 1502))


def test_a_line_that_the_limit_cuts_is_left_out_and_credentials_are_hidden(
    tmp_path: Path, taker: Taker
) -> None:
    key = f"twpd_{'a' * 16}_{'b' * 49}"
    said = b"x" * MOST_BYTES + f"cut\nkey {key}\nbroken \xff".encode("latin-1")
    assert remains(tmp_path, taker).deliver(Run("lease-a", said=said), KILLED)
    assert list(taker.lines.values()) == ["key ***", "broken \ufffd"]


@pytest.mark.parametrize(
    ("end", "count"),
    [
        *((ended("EXITED", exit_code=code), 0) for code in (0, 1, 2, 7, 75, 124)),
        (ended("NEVER_STARTED"), 0),
        (ended("EXITED", exit_code=3), 1),
        (ended("KILLED", signal=11), 1),
    ],
)
def test_only_a_run_that_could_not_say_its_end_has_its_output_recorded(
    tmp_path: Path, taker: Taker, end: RunEnd, count: int
) -> None:
    assert remains(tmp_path, taker).deliver(Run("lease-a", said=b"last words\n"), end)
    assert len(taker.lines) == count


def test_with_identity_the_output_goes_by_the_token_of_the_run(
    tmp_path: Path, taker: Taker
) -> None:
    token = tmp_path / "token"
    run = Run("lease-a", token_path=token, said=b"last words\n")
    assert remains(tmp_path, taker).deliver(run, KILLED)
    assert [settings.run_token_file for settings in taker.opened_with] == [token]
