"""Reports are whole or not there at all, wherever an exception arrives in the middle of one."""

from __future__ import annotations

import shutil
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from towpath._delivery import segments
from towpath._delivery.drain import Drain
from towpath._delivery.outbox import AFTER, LOGS, UPDATES, Outbox
from towpath._delivery.reports import LogReport, RunReport, StateReport
from towpath._delivery.segments import SegmentReader, SegmentWriter
from towpath._state_type import StateType
from towpath.api.v1 import ingest_service_pb2, log_service_pb2

from tests.unit.sdk.delivery.breaking_in import Places, broken_off

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNNING = StateReport(state=StateType.RUNNING, time=1.0)
ENDED = StateReport(state=StateType.COMPLETED, time=2.0)
WITHIN = "_delivery"

REPORTS: dict[str, Callable[[Outbox], None]] = {
    "create": lambda outbox: outbox.create(
        RunReport(run_id="amid", kind="flow", state=RUNNING, display_name="f")
    ),
    "transition": lambda outbox: outbox.transition("amid", ENDED),
    "rename": lambda outbox: outbox.rename("amid", "other"),
    "log": lambda outbox: log(outbox, "amid"),
}


def log(outbox: Outbox, text: str) -> None:
    outbox.log(LogReport(run_id=text, time=1.0, severity=9, logger="x", body=text))


def reported(outbox: Outbox) -> list[str]:
    """The runs that the updates are of, in order."""
    found = SegmentReader(outbox.folder, UPDATES)
    frames = found.read(1000, 10**7)
    assert not found.damaged
    assert not found.torn()
    assert len(frames) == outbox.updates.last
    return [ingest_service_pb2.Update.FromString(frame).run_id for frame in frames]


def logged(outbox: Outbox) -> list[str]:
    """The log lines, in order."""
    found = SegmentReader(outbox.folder, LOGS)
    frames = found.read(1000, 10**7)
    assert not found.damaged
    assert not found.torn()
    records = [log_service_pb2.LogRecord.FromString(frame[AFTER.size :]) for frame in frames]
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))
    assert outbox.logs.last == len(records)
    return [record.body for record in records]


@pytest.mark.parametrize("places", ["steps", "lines"])
@pytest.mark.parametrize(
    "segment_bytes", [segments.SEGMENT_BYTES, 1], ids=["goes on", "begins anew"]
)
@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_broken_off_anywhere_is_whole_or_not_there(
    kind: str,
    segment_bytes: int,
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", segment_bytes)
    kept: set[bool] = set()
    outbox = Outbox(tmp_path)

    def fresh() -> None:
        nonlocal outbox
        outbox.close(remove=True)
        outbox = Outbox(tmp_path)
        outbox.transition("before", RUNNING)
        log(outbox, "before")

    fresh()
    times = 0
    for broke in broken_off(lambda: REPORTS[kind](outbox), within=WITHIN, places=places):
        times += 1
        last = (outbox.updates.last, outbox.logs.last)
        outbox.transition("after", RUNNING)
        log(outbox, "after")
        found = [text for text in (*reported(outbox), *logged(outbox)) if text == "amid"]
        assert found in ([], ["amid"])
        assert sum(last) == 2 + len(found)
        kept.add(bool(found))
        assert [text for text in reported(outbox) if text != "amid"] == ["before", "after"]
        assert [text for text in logged(outbox) if text != "amid"] == ["before", "after"]
        assert found or broke
        fresh()
    outbox.close(remove=True)
    assert kept == {True, False}
    assert times > 10


@pytest.mark.parametrize("kind", ["transition", "log"])
def test_a_signal_handler_that_reports_amid_a_report_loses_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 150)  # Some of these begin a segment.
    outbox = Outbox(tmp_path)
    times = 0

    def handler() -> None:
        outbox.transition("handler", RUNNING)
        log(outbox, "handler")

    for broke in broken_off(
        lambda: REPORTS[kind](outbox), within=WITHIN, places="steps", then=handler
    ):
        times += broke
    found = reported(outbox), logged(outbox)
    outbox.close(remove=True)
    expected = {"transition": (times + 1, 0), "log": (0, times + 1)}[kind]
    assert [found[0].count("amid"), found[1].count("amid")] == list(expected)
    assert [texts.count("handler") for texts in found] == [times, times]
    assert times > 10


def test_a_frame_that_waits_for_room_is_written_once_wherever_that_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = segments.write_at_once

    def full(descriptor: int, data: bytes, size: int) -> int:
        return write(descriptor, data, 3)

    def fresh() -> SegmentWriter:
        shutil.rmtree(tmp_path / "writer", ignore_errors=True)
        (tmp_path / "writer").mkdir()
        made = SegmentWriter(tmp_path / "writer", UPDATES)
        made.append(b"first")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(segments, "write_at_once", full)
            made.append(b"waits")
            made.append(b"waits too")
        return made

    writer = fresh()
    amid = [[], [b"amid"]]

    def call() -> None:
        writer.append(b"amid")

    for _ in broken_off(call, within=WITHIN, places="steps"):
        writer.append(b"last")
        found = SegmentReader(tmp_path / "writer", UPDATES).read(10, 10**6)
        assert found[:3] == [b"first", b"waits", b"waits too"]
        assert found[3:-1] in amid
        assert found[-1] == b"last"
        assert writer.last == len(found)
        writer.close()
        writer = fresh()
    writer.close()


@pytest.mark.parametrize("error", [MemoryError, RecursionError, TimeoutError, KeyboardInterrupt])
@pytest.mark.parametrize("written", [0, 5, None])
def test_an_error_out_of_the_write_itself_is_raised_and_not_taken_for_the_disks(
    error: type[BaseException],
    written: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    writer = SegmentWriter(tmp_path, UPDATES)
    write = segments.write_at_once

    def interrupted(descriptor: int, data: bytes, size: int) -> int:
        write(descriptor, data, size if written is None else written)
        raise error

    writer.append(b"before")
    with monkeypatch.context() as patch:
        patch.setattr(segments, "write_at_once", interrupted)
        with pytest.raises(error):
            writer.append(b"amid")
    assert writer.last == (2 if written is None else 1)
    writer.append(b"after")
    writer.close()
    found = SegmentReader(tmp_path, UPDATES).read(10, 10**6)
    assert found == [b"before", *([b"amid"] if written is None else []), b"after"]
    assert capsys.readouterr().err == ""


def test_an_exhausted_stack_leaves_the_segments_whole_at_every_depth(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)

    def deeper(left: int, report: Callable[[], object]) -> None:
        if left:
            deeper(left - 1, report)
        else:
            report()

    whole = 0
    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    room = sys.getrecursionlimit() - used
    for left in range(room - 60, room):
        for report in (lambda: outbox.transition("deep", RUNNING), lambda: log(outbox, "deep")):
            try:
                deeper(left, report)
            except RecursionError:
                continue
            whole += 1
    outbox.transition("after", RUNNING)
    log(outbox, "after")
    updates, lines = reported(outbox), logged(outbox)
    outbox.close(remove=True)
    assert updates[-1] == lines[-1] == "after"
    assert whole <= len(updates) + len(lines) - 2
    assert 0 < whole < 120


def test_a_frame_broken_off_is_delivered_under_the_number_it_has(tmp_path: Path) -> None:
    """The sender reads the file while the writer hasn't stated yet what it wrote."""
    outbox = Outbox(tmp_path)
    calls = broken_off(
        lambda: outbox.transition("amid", RUNNING), within="segments", places="steps"
    )
    for _ in calls:
        delivered: list[Any] = []
        sender = threading.Thread(
            target=lambda into: into.append(
                (len(Drain(outbox.folder).backlog.take(1000, 10**7)), outbox.updates.last)
            ),
            args=(delivered,),
        )
        sender.start()
        sender.join()
        assert delivered[0][0] == delivered[0][1]
    outbox.close(remove=True)
