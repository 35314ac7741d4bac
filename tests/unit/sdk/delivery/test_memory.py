"""Reports in memory are numbered and delivered as those of an outbox on disk, within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from towpath._delivery.drain import Drain
from towpath._delivery.memory import MemoryWriter
from towpath._delivery.outbox import Outbox
from towpath._delivery.reports import LogReport, StateReport
from towpath._state_type import StateType

from tests.budgets import examples
from tests.unit.sdk.delivery.fake_ingest import FakeService, FakeUnaryTransport

if TYPE_CHECKING:
    from pathlib import Path

MOST = 50


@settings(max_examples=examples(100), deadline=None)
@given(
    steps=st.lists(st.one_of(st.binary(min_size=1, max_size=30), st.integers(0, 40)), max_size=60)
)
def test_frames_wait_in_order_without_a_gap_and_within_the_bound(steps: list[bytes | int]) -> None:
    writer, kept, acked, dropped = MemoryWriter(MOST), list[bytes](), 0, 0
    for step in steps:
        if isinstance(step, int):
            writer.forget(step)
            acked = max(acked, min(step, len(kept)))
        elif sum(map(len, kept[acked:])) + len(step) <= MOST:
            kept.append(step)
            assert writer.append(step) == len(kept)
        else:
            dropped += 1
            assert writer.append(step) == len(kept)
        assert (writer.last, writer.first_waiting, writer.dropped) == (
            len(kept),
            acked + 1,
            dropped,
        )
        assert writer.unwritten(1) == kept[acked:]
        assert writer.unwritten(acked + 2) == kept[acked + 1 :]


def test_a_report_amid_a_report_gets_a_number_of_its_own() -> None:
    writer = MemoryWriter()

    def payload(number: int) -> bytes:
        if writer.last == 0:
            writer.append(b"of a signal handler")
        return b"number %d" % number

    assert writer.append_numbered(payload) == 2
    assert writer.unwritten(1) == [b"of a signal handler", b"number 2"]


def test_an_outbox_in_memory_is_delivered_whole_and_makes_no_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    outbox = Outbox(home, workspace="team-a", in_memory=True)
    service = FakeService()
    transport = FakeUnaryTransport(service)
    drain = Drain(
        outbox.folder, updates=outbox.updates, logs=outbox.logs, workspace=outbox.workspace
    )
    for number in range(1, 11):
        outbox.transition(str(number), StateReport(state=StateType.RUNNING, time=1.0, attempt=1))
        outbox.log(
            LogReport(run_id=str(number), attempt=1, time=1.0, severity=9, body="x", logger="y")
        )
        if number % 3 == 0:
            drain.deliver(transport)
    while drain.deliver(transport):
        pass
    assert service.applied == list(range(1, 11))
    assert transport.log_lines == list(range(1, 11))
    assert drain.backlog.workspace == "workspaces/team-a"
    assert outbox.updates.unwritten(1) == []
    outbox.close(remove=True)
    assert not home.exists()
