"""The folder of a run: what is kept in it, and for whom."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath._work import shim
from towpath._work.code_sources import CodeSource
from towpath._work.folders import RunFolder, read_ring, remove_unfinished, run_folders
from towpath._work.proof import RunEnd, StopProof

from tests.unit.sdk.work.conftest import job_of

PROOF = StopProof(kind="EXITED", lease_id="l", host="w", observed_time=1.5, exit_code=1, pid=7)


def test_a_job_is_read_as_it_was_written(tmp_path: Path):
    job = replace(
        job_of("l", "python", "-m", "flow", timeout_seconds=5.0, contact_seconds=30.0),
        code=CodeSource(kind="pip", requirements=("polars==1", "httpx")),
        parameters={"day": "2026-12-01", "rows": [1, None, {"a": 2.5}]},
        environment={"DB": "{{ secrets.db }}"},
    )
    folder = RunFolder.create(tmp_path, job)
    assert folder.job() == job
    assert [found.lease_id for found in run_folders(tmp_path)] == ["l"]


def test_nobody_else_may_read_a_run_folder(tmp_path: Path):
    folder = RunFolder.create(tmp_path, job_of("l", "true"), "the-token")
    folder.request_stop()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()}
    assert modes == dict.fromkeys(["job.json", "token", "control", "stops"], 0o600)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.path.parent.stat().st_mode) == 0o700


def test_the_token_is_in_its_own_file_only_and_is_replaced(tmp_path: Path):
    folder = RunFolder.create(tmp_path, job_of("l", "true"), "first-token")
    folder.write_token("second")
    assert folder.token_path.read_text() == "second"
    assert "token" not in (folder.path / shim.JOB).read_text()


@pytest.mark.parametrize("lease_id", ["", ".", "..", "a/b", "../a", "a\0b", "a" * 129, "a.b"])
def test_a_lease_id_names_a_folder_below_the_home_or_none(tmp_path: Path, lease_id: str):
    with pytest.raises(ValueError, match="no id of a lease"):
        RunFolder.of(tmp_path, lease_id)


def test_a_lease_is_started_once(tmp_path: Path):
    RunFolder.create(tmp_path, job_of("l", "true"))
    with pytest.raises(FileExistsError):
        RunFolder.create(tmp_path, job_of("l", "true"))


def test_a_folder_that_its_worker_never_finished_is_made_anew(tmp_path: Path):
    half = RunFolder.of(tmp_path, "l")
    half.path.mkdir(parents=True)
    os.mkfifo(half.path / shim.CONTROL)
    assert RunFolder.create(tmp_path, job_of("l", "true")).job().lease_id == "l"


def test_an_end_is_read_as_it_was_written(tmp_path: Path):
    folder = RunFolder.create(tmp_path, job_of("l", "true"))
    assert folder.end() is None
    end = RunEnd(proof=PROOF, reason="OUT_OF_MEMORY", message="why")
    folder.write_end(end)
    assert folder.end() == end


def test_a_file_that_a_power_cut_left_half_written_is_not_taken_for_the_whole(tmp_path: Path):
    path = str(tmp_path / "value.json")
    (tmp_path / "value.json.new").write_bytes(b'{"longer": "than the new one"' + b" " * 100)
    assert shim.read_whole(path) is None
    shim.write_whole(path, {"a": 1})
    assert Path(path).read_bytes() == b'{"a": 1}'
    assert shim.read_whole(path) == {"a": 1}


def test_one_holder_locks_a_folder(tmp_path: Path):
    folder = RunFolder.create(tmp_path, job_of("l", "true"))
    first = folder.lock_nowait()
    assert first is not None
    assert folder.lock_nowait() is None
    os.close(first)
    second = folder.lock_nowait()
    assert second is not None
    os.close(second)


def test_messages_to_no_shim_are_dropped(tmp_path: Path):
    folder = RunFolder.create(tmp_path, job_of("l", "true"))
    folder.note_contact(shim.since_boot())
    (folder.path / shim.CONTROL).unlink()
    folder.note_contact(shim.since_boot())


def test_an_acknowledged_end_tells_its_age(tmp_path: Path):
    folder = RunFolder.create(tmp_path, job_of("l", "true"))
    assert folder.acknowledged_seconds() is None
    folder.acknowledge()
    os.utime(folder.path / "acknowledged", (0, 0))
    age = folder.acknowledged_seconds()
    assert age is not None
    assert age > 10**9


def test_a_folder_that_its_worker_never_finished_goes_after_an_hour(tmp_path: Path):
    young, old = tmp_path / "work" / "young", tmp_path / "work" / "old"
    for path in (young, old):
        path.mkdir(parents=True)
    os.utime(old, (0, 0))
    whole = RunFolder.create(tmp_path, job_of("whole", "true"))
    os.utime(whole.path, (0, 0))
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["whole", "young"]
    whole.remove()
    assert run_folders(tmp_path) == []


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 17))
def test_a_ring_keeps_the_last_bytes_in_order(chunks: list[bytes], capacity: int):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output"
        ring = shim.Ring(str(path), capacity)
        for chunk in chunks:
            ring.write(chunk)
        os.close(ring._descriptor)
        whole = b"".join(chunks)
        assert read_ring(path, capacity) == (whole[-capacity:], len(whole))
        assert path.stat().st_size <= capacity + shim.HEADER_BYTES


def test_output_is_cut_to_what_is_asked_for(tmp_path: Path):
    folder = RunFolder.create(tmp_path, job_of("l", "true"))
    assert folder.output().data == b""
    ring = shim.Ring(str(folder.path / shim.OUTPUT))
    ring.write(b"0123456789")
    os.close(ring._descriptor)
    output = folder.output(4)
    assert (output.data, output.dropped_bytes) == (b"6789", 6)
    assert folder.output(0).data == b""


def test_what_the_shim_writes_is_json_of_a_known_version(tmp_path: Path):
    folder = RunFolder.create(tmp_path, job_of("l", "true"))
    folder.write_end(RunEnd(proof=PROOF))
    assert json.loads((folder.path / shim.EXIT).read_text())["version"] == shim.VERSION
