from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from towpath._delivery import segments
from towpath._delivery.drain import Drain
from towpath._delivery.outbox import outboxes
from towpath._delivery.segments import SegmentReader, SegmentWriter, segment_files
from towpath._delivery.takeover import deliver_waiting
from towpath._transport.embedded import open_embedded_transport
from towpath.api.v1.ingest_service_pb2 import RecordUpdatesResponse, Update
from towpath.client import Client

from tests.budgets import examples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIPELINE = """
import os, sys
from towpath import flow, get_run_logger, task

@task
def step(n):
    get_run_logger().info("step %d", n)
    return n

@flow
def pipeline():
    for n in range(5):
        step(n)
    if sys.argv[1] == "die":
        os.kill(os.getpid(), 9)

pipeline()
"""


def run_pipeline(home: Path, how: str) -> int:
    script = home / "pipeline.py"
    home.mkdir(exist_ok=True)
    script.write_text(PIPELINE)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH_")}
    environment = kept | {"TOWPATH_HOME": str(home)}
    return subprocess.run(
        [sys.executable, str(script), how], env=environment, check=False
    ).returncode


@settings(max_examples=examples(60), deadline=None)
@given(
    payloads=st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=30),
    cut=st.integers(0, 60),
    segment_bytes=st.integers(40, 400),
)
def test_after_a_cut_at_any_byte_a_prefix_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], cut: int, segment_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("updates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_BYTES", segment_bytes)
        writer = SegmentWriter(folder, "updates")
        numbers = [writer.append(payload) for payload in payloads]
        writer.close()
    assert numbers == list(range(1, len(payloads) + 1))
    assert SegmentReader(folder, "updates").read(1000, 10**6) == payloads
    last = segment_files(folder, "updates")[-1][1]
    os.truncate(last, max(0, last.stat().st_size - cut))
    found = SegmentReader(folder, "updates").read(1000, 10**6)
    assert found == payloads[: len(found)]
    if cut == 0:
        assert found == payloads


def test_a_flipped_byte_ends_what_is_read_and_is_told(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "updates")
    for number in range(3):
        writer.append(b"payload%d" % number)
    writer.close()
    path = segment_files(tmp_path, "updates")[0][1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    reader = SegmentReader(tmp_path, "updates")
    assert reader.read(10, 10**6) == [b"payload0"]
    assert reader.damaged


def test_delivered_segments_go_and_the_rest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 100)
    writer = SegmentWriter(tmp_path, "updates")
    for _ in range(30):
        writer.append(b"x" * 20)
    before = len(segment_files(tmp_path, "updates"))
    writer.forget(20)
    assert len(segment_files(tmp_path, "updates")) < before
    assert len(SegmentReader(tmp_path, "updates", 21).read(100, 10**6)) == 10
    writer.close()


def test_a_full_disk_keeps_frames_in_memory_in_order_and_writes_them_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = SegmentWriter(tmp_path, "updates")
    writer.append(b"first")
    write = segments.write_at_once

    def full(descriptor: int, data: bytes, size: int) -> int:
        assert size == len(data)
        write(descriptor, data, 3)
        raise OSError(errno.ENOSPC, "no space")

    def partly(descriptor: int, data: bytes, size: int) -> int:
        assert size == len(data)
        return write(descriptor, data, 3)

    for failing in (full, partly):
        monkeypatch.setattr(segments, "write_at_once", failing)
        writer.append(b"waiting")
    monkeypatch.setattr(segments, "write_at_once", write)
    assert writer.unwritten(2) == [b"waiting", b"waiting"]
    assert writer.unwritten(1) == []
    assert "Make room" in capsys.readouterr().err
    writer.append(b"last")
    writer.close()
    found = SegmentReader(tmp_path, "updates").read(10, 10**6)
    assert found == [b"first", b"waiting", b"waiting", b"last"]


class Taking:
    """A server that acknowledges everything, and what it was sent by number."""

    address = "taking:1"

    def __init__(self) -> None:
        self.taken: dict[int, str] = {}
        self.meanwhile: Callable[[], None] | None = None

    def unary(self, method: str, request: Any, *, timeout_seconds: float = 10.0) -> Any:
        for number, update in enumerate(request.batch.updates, request.batch.first_sequence):
            assert number not in self.taken
            self.taken[number] = update.run_id
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return RecordUpdatesResponse()


def test_frames_sent_from_memory_are_not_sent_again_when_the_disk_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, server = SegmentWriter(tmp_path, "updates"), Taking()
    drain = Drain(tmp_path, updates=writer)
    write = segments.write_at_once

    def append(*names: str) -> None:
        for name in names:
            writer.append(Update(run_id=name).SerializeToString())

    def full(descriptor: int, data: bytes, size: int) -> int:
        raise OSError(errno.ENOSPC, "no space")

    def room_is_made() -> None:
        monkeypatch.setattr(segments, "write_at_once", write)
        append("4")

    append("1")
    monkeypatch.setattr(segments, "write_at_once", full)
    append("2", "3")
    assert drain.deliver(server)
    server.meanwhile = room_is_made
    assert drain.deliver(server)
    append("5")
    monkeypatch.setattr(segments, "write_at_once", full)
    append("6", "7")
    while drain.deliver(server):
        pass
    append("8")
    monkeypatch.setattr(segments, "write_at_once", write)
    append("9")
    while drain.deliver(server):
        pass
    writer.close()
    assert server.taken == {number: str(number) for number in range(1, 10)}
    assert not drain.damaged


def test_segments_that_leave_a_gap_are_damage(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "updates")
    writer.append(b"first")
    writer.close()
    (tmp_path / "updates-000000000003.frames").touch()
    reader = SegmentReader(tmp_path, "updates")
    assert reader.read(10, 10**6) == [b"first"]
    assert reader.damaged


def test_a_disk_that_is_full_to_the_last_file_holds_no_delivery_up(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "updates")
    with pytest.MonkeyPatch.context() as patch:

        def full(*arguments: object) -> int:
            raise OSError(errno.ENOSPC, "no space")

        writer.append(b"first")
        patch.setattr(segments, "write_at_once", full)
        patch.setattr(os, "open", full)
        writer.append(b"second")
        writer.forget(2)
    writer.append(b"third")
    writer.close()
    assert [first for first, _ in segment_files(tmp_path, "updates")] == [1, 3]
    writer.forget(3)
    assert SegmentReader(tmp_path, "updates", 3).read(10, 10**6) == [b"third"]


def test_without_a_server_the_local_database_takes_in_the_outbox(tmp_path: Path) -> None:
    assert run_pipeline(tmp_path, "end") == 0
    transport = open_embedded_transport(tmp_path)
    batches: list[tuple[int, int]] = []
    report = deliver_waiting(tmp_path, transport, on_progress=lambda *each: batches.append(each))
    runs = list(Client(transport).runs())
    logs = list(Client(transport).logs(next(run for run in runs if run.kind == "flow").id))
    again = deliver_waiting(tmp_path, transport)
    transport.close()
    assert (report.producers, report.updates, report.logs) == (1, 12, 5)
    assert (sum(reports for reports, _ in batches), {left for _, left in batches}) == (17, {1})
    assert again.producers == 0
    assert len(runs) == 6
    assert {run.state for run in runs} == {"COMPLETED"}
    assert [line.body for line in logs] == [f"step {n}" for n in range(5)]
    assert outboxes(tmp_path) == []


def test_runs_of_a_killed_process_are_reported_crashed(tmp_path: Path) -> None:
    assert run_pipeline(tmp_path, "die") == -9
    transport = open_embedded_transport(tmp_path)
    deliver_waiting(tmp_path, transport)
    runs = {run.name: run for run in Client(transport).runs()}
    transport.close()
    assert (runs["pipeline"].state, runs["pipeline"].reason) == ("CRASHED", "PROCESS_LOST")
    assert runs["step"].state == "COMPLETED"


def test_a_damaged_outbox_is_delivered_up_to_the_damage_and_set_aside(tmp_path: Path) -> None:
    run_pipeline(tmp_path, "end")
    (folder,) = outboxes(tmp_path)
    path = segment_files(folder, "updates")[0][1]
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    transport = open_embedded_transport(tmp_path)
    report = deliver_waiting(tmp_path, transport)
    runs = {run.name: run.state for run in Client(transport).runs()}
    transport.close()
    assert report.updates == 11
    assert [path.name for path in report.set_aside] == [folder.name]
    assert runs["pipeline"] == "CRASHED"


def test_an_outbox_that_ends_within_a_report_is_set_aside_and_told(tmp_path: Path) -> None:
    run_pipeline(tmp_path, "end")
    (folder,) = outboxes(tmp_path)
    path = segment_files(folder, "updates")[0][1]
    os.truncate(path, path.stat().st_size - 5)
    transport = open_embedded_transport(tmp_path)
    report = deliver_waiting(tmp_path, transport)
    runs = {run.name: run for run in Client(transport).runs()}
    transport.close()
    assert report.updates == 11
    assert [path.name for path in report.set_aside] == [folder.name]
    assert (runs["pipeline"].state, runs["pipeline"].reason) == ("CRASHED", "PROCESS_LOST")
    assert "the outbox is damaged" in runs["pipeline"].message


def test_an_outbox_for_another_server_stays(tmp_path: Path) -> None:
    run_pipeline(tmp_path, "end")
    (folder,) = outboxes(tmp_path)
    meta = folder / "meta.json"
    meta.write_text(meta.read_text().replace('"target": ""', '"target": "elsewhere:4200"'))
    transport = open_embedded_transport(tmp_path)
    report = deliver_waiting(tmp_path, transport)
    transport.close()
    assert (report.producers, report.skipped) == (0, 1)
    assert outboxes(tmp_path) == [folder]


def test_a_reader_that_looks_while_the_first_segment_begins_sees_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SegmentWriter(tmp_path, "updates")
    look = segments.segment_files

    def begin_after_the_look(folder: Path, name: str) -> list[tuple[int, Path]]:
        found = look(folder, name)
        if not writer.last:
            writer.append(b"first")
        return found

    monkeypatch.setattr(segments, "segment_files", begin_after_the_look)
    reader = SegmentReader(tmp_path, "updates")
    assert reader.read(10, 1000) + reader.read(10, 1000) == [b"first"]
    assert not reader.damaged


def test_zeros_that_a_lost_disk_gives_back_are_no_frames(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "updates")
    writer.append(b"whole")
    writer.close()
    ((_, path),) = segments.segment_files(tmp_path, "updates")
    with path.open("ab") as file:
        file.write(bytes(4096))
    reader = SegmentReader(tmp_path, "updates")
    assert reader.read(10, 100_000) == [b"whole"]
    assert reader.damaged


@pytest.mark.parametrize(
    ("sync_each", "synced"), [(True, ["updates", "folder"] + ["updates"] * 2), (False, [])]
)
def test_each_frame_is_forced_to_the_disk_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync_each: bool, synced: list[str]
) -> None:
    calls: list[str] = []

    def fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "updates")

    monkeypatch.setattr(os, "fsync", fsync)
    writer = SegmentWriter(tmp_path, "updates", sync_each=sync_each)
    for _ in range(3):
        writer.append(b"frame")
    writer.close()
    assert calls == synced


def test_a_disk_that_can_not_sync_is_told_of_once_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    writer = SegmentWriter(tmp_path, "updates", sync_each=True)
    numbers = [writer.append(b"frame") for _ in range(3)]
    writer.sync()
    writer.close()
    assert numbers == [1, 2, 3]
    told = capsys.readouterr().err
    assert told.count("Check the disk") == 1
    assert "Input/output error" in told
