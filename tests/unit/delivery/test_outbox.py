from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from towpath._delivery import lanes
from towpath._delivery.lanes import Lane, LaneReader, segments
from towpath._delivery.outbox import outboxes
from towpath._delivery.takeover import deliver_waiting
from towpath._transport.embedded import open_embedded_transport
from towpath.client import Client

if TYPE_CHECKING:
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


@settings(max_examples=60, deadline=None)
@given(
    payloads=st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=30),
    cut=st.integers(0, 60),
    segment_bytes=st.integers(40, 400),
)
def test_after_a_cut_at_any_byte_a_prefix_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], cut: int, segment_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("lane")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "SEGMENT_BYTES", segment_bytes)
        lane = Lane(folder, "updates")
        numbers = [lane.append(payload) for payload in payloads]
        lane.close()
    assert numbers == list(range(1, len(payloads) + 1))
    assert LaneReader(folder, "updates").read(1000, 10**6) == payloads
    last = segments(folder, "updates")[-1][1]
    os.truncate(last, max(0, last.stat().st_size - cut))
    found = LaneReader(folder, "updates").read(1000, 10**6)
    assert found == payloads[: len(found)]
    if cut == 0:
        assert found == payloads


def test_a_flipped_byte_ends_what_is_read_and_is_told(tmp_path: Path) -> None:
    lane = Lane(tmp_path, "updates")
    for number in range(3):
        lane.append(b"payload%d" % number)
    lane.close()
    path = segments(tmp_path, "updates")[0][1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    reader = LaneReader(tmp_path, "updates")
    assert reader.read(10, 10**6) == [b"payload0"]
    assert reader.damaged


def test_delivered_segments_go_and_the_rest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "SEGMENT_BYTES", 100)
    lane = Lane(tmp_path, "updates")
    for _ in range(30):
        lane.append(b"x" * 20)
    before = len(segments(tmp_path, "updates"))
    lane.forget(20)
    assert len(segments(tmp_path, "updates")) < before
    assert len(LaneReader(tmp_path, "updates", 21).read(100, 10**6)) == 10
    lane.close()


def test_a_full_disk_keeps_frames_in_memory_in_order_and_writes_them_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lane = Lane(tmp_path, "updates")
    lane.append(b"first")
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:3])
        raise OSError(errno.ENOSPC, "no space")

    def partly(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[:3])

    for failing in (full, partly):
        monkeypatch.setattr(os, "write", failing)
        lane.append(b"waiting")
    monkeypatch.setattr(os, "write", write)
    assert lane.unwritten(1) == []
    assert lane.unwritten(2) == [b"waiting", b"waiting"]
    assert "Make room" in capsys.readouterr().err
    lane.append(b"last")
    lane.close()
    found = LaneReader(tmp_path, "updates").read(10, 10**6)
    assert found == [b"first", b"waiting", b"waiting", b"last"]


def test_without_a_server_the_local_database_takes_in_the_outbox(tmp_path: Path) -> None:
    assert run_pipeline(tmp_path, "end") == 0
    transport = open_embedded_transport(tmp_path)
    report = deliver_waiting(tmp_path, transport)
    runs = list(Client(transport).runs())
    logs = list(Client(transport).logs(next(run for run in runs if run.kind == "flow").id))
    again = deliver_waiting(tmp_path, transport)
    transport.close()
    assert (report.producers, report.updates, report.logs) == (1, 12, 5)
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
    path = segments(folder, "updates")[0][1]
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
