"""Runs outlive their worker, and are found again; a lost shim leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from towpath._delivery.outbox import LEASE_VARIABLE
from towpath._settings.declared import Settings
from towpath._work import shim
from towpath._work.folders import RunFolder, ShimState
from towpath._work.kinds.process import ProcessKind
from towpath._work.sessions import end_session

from tests.unit.sdk.work.conftest import WORKER, end_of, job_of
from tests.unit.sdk.work.test_shim import escape_to, is_closed

if TYPE_CHECKING:
    from towpath._work.kinds.base import Kind
    from towpath._work.kinds.process import ProcessHandle

    from tests.unit.sdk.work.conftest import Stage

DYING_WORKER = """
import json, os, signal, sys
from pathlib import Path
from towpath._work.folders import Job, RunFolder
from towpath._work.kinds.process import supervise
home, job = Path(sys.argv[1]), Job.of(json.loads(sys.argv[2]))
supervise(RunFolder.create(home, job), dict(os.environ))
os.kill(os.getpid(), signal.SIGKILL)
"""


def start_and_die(stage: Stage, script: str, lease_id: str = "left", **process) -> RunFolder:
    """Starts a run by a worker that is killed as soon as it runs."""
    job = job_of(lease_id, "/bin/sh", "-c", script, **process)
    command = [sys.executable, "-c", DYING_WORKER, str(stage.home), json.dumps(asdict(job))]
    worker = subprocess.run(command, check=False)
    assert worker.returncode == -signal.SIGKILL
    return RunFolder.of(stage.home, lease_id)


def kind_of(stage: Stage, worker: str = WORKER) -> ProcessKind:
    return ProcessKind(Settings(home=stage.home), worker, directory=stage.home)


def adopted(stage: Stage) -> list[ProcessHandle]:
    found = kind_of(stage).adopt()
    stage.handles += found
    return found


def test_a_run_goes_on_without_its_worker_and_is_stopped_by_the_next(stage: Stage):
    folder = start_and_die(stage, "sleep 100")
    (handle,) = adopted(stage)
    assert (handle.lease_id, handle.end) == (folder.lease_id, None)
    assert handle.pid is not None
    kind: Kind = kind_of(stage)
    proof = kind.stop(handle, 5.0)
    assert (proof.kind, proof.signal, proof.escaped_children) == ("KILLED", signal.SIGTERM, 0)


def test_a_deadline_is_kept_without_a_worker(stage: Stage):
    folder = start_and_die(stage, "sleep 100", timeout_seconds=0.05, grace_seconds=0.0)
    os.close(folder.lock())
    end = folder.end()
    assert end is not None
    assert end.reason == "DEADLINE"


def test_an_end_that_no_worker_saw_is_adopted_until_it_is_acknowledged(stage: Stage):
    folder = start_and_die(stage, "echo last; exit 9")
    os.close(folder.lock())
    (handle,) = adopted(stage)
    assert end_of(handle).proof.exit_code == 9
    assert handle.output().data == b"last\n"
    handle.acknowledge()
    assert kind_of(stage).adopt() == []
    kind_of(stage).clean_up()
    assert folder.path.exists()
    kind_of(stage).clean_up(0.0)
    assert not folder.path.exists()


def test_a_worker_adopts_only_what_it_has_started(stage: Stage):
    stage.shell("true")
    assert kind_of(stage, "pools/local/workers/w-2").adopt() == []


def test_callbacks_get_the_end(stage: Stage):
    handle = stage.shell("exit 4")
    codes: list[int | None] = []
    end_of(handle)
    handle.add_done_callback(lambda end: codes.append(end.proof.exit_code))
    assert codes == [4]
    assert handle.wait(0) is handle.end


def test_a_killed_shim_takes_its_run_along_with_what_had_escaped(stage: Stage):
    fifo = stage.fifo()
    handle = stage.python(escape_to(fifo, "time.sleep(100)"))
    reader = os.open(fifo, os.O_RDONLY)
    assert os.read(reader, 100) == b"escaped"
    state = handle.folder.shim_state()
    assert state is not None
    os.kill(state.pid, signal.SIGKILL)
    end = end_of(handle)
    assert is_closed(reader)
    os.close(reader)
    assert (end.proof.kind, end.proof.signal, end.reason) == ("KILLED", 9, "SUPERVISOR_LOST")
    assert end.proof.escaped_children is None
    assert handle.folder.end() == end


def test_a_shim_that_was_killed_without_a_worker_is_noticed_by_the_next(stage: Stage):
    folder = start_and_die(stage, "sleep 100")
    state = folder.shim_state()
    assert state is not None
    os.kill(state.pid, signal.SIGKILL)
    (handle,) = adopted(stage)
    assert (end_of(handle).reason, end_of(handle).proof.signal) == ("SUPERVISOR_LOST", 9)


def test_a_run_whose_shim_never_began_was_never_started(stage: Stage):
    RunFolder.create(stage.home, job_of("l", "true"))
    (handle,) = adopted(stage)
    assert (end_of(handle).proof.kind, end_of(handle).reason) == ("NEVER_STARTED", "START_FAILED")


def test_a_run_that_another_worker_found_unstarted_is_not_started(stage: Stage):
    folder = stage.folder("/bin/sleep", "100")
    (handle,) = adopted(stage)
    assert end_of(handle).proof.kind == "NEVER_STARTED"
    assert end_of(stage.supervise(folder)) == handle.end
    assert folder.shim_state() is None


def stranger(**environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "100"], start_new_session=True, env=environment)


def state_of(pid: int) -> ShimState:
    return ShimState(
        pid=1, boot_id=shim.boot_id(), host="w", run_pid=pid, run_start=shim.start_of(pid)
    )


def test_a_process_that_has_the_number_of_an_ended_run_is_left_alone():
    other = stranger()
    try:
        state = replace(state_of(other.pid), run_start="1")
        assert not end_session(state, "lease")
        assert not end_session(replace(state, run_start=""), "lease")
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_after_a_restart_of_the_machine_no_number_is_believed():
    other = stranger(**{LEASE_VARIABLE: "lease"})
    try:
        assert not end_session(replace(state_of(other.pid), boot_id="another"), "lease")
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_what_names_the_lease_is_killed_without_its_leader():
    ours, others = stranger(**{LEASE_VARIABLE: "lease"}), stranger(**{LEASE_VARIABLE: "lease-2"})
    try:
        state = ShimState(pid=1, boot_id=shim.boot_id(), host="w", run_pid=None, run_start="")
        assert not end_session(state, "lease")
        assert ours.wait(60) == -signal.SIGKILL
        assert others.poll() is None
    finally:
        others.kill()
        others.wait()
