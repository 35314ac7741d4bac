"""The first process of a container: output, exit code and last message are the run's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from towpath._work import pod, shim
from towpath._work.folders import RunFolder

from tests.unit.sdk.work.conftest import job_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.subject("work")


def contained(folder: Path, script: str, **process: Any) -> tuple[int, str, dict[str, Any]]:
    """Runs a script as a container's first process does; returns code, output and last message."""
    job = replace(job_of("lease", "/bin/sh", "-c", script, **process))
    made = RunFolder.create(folder / "home", job)
    note = folder / "note"
    command = [sys.executable, "-I", "-S", shim.PROGRAM, str(made.path), "contained", str(note)]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=240, check=False)
    return done.returncode, done.stdout.decode(), json.loads(note.read_text())


def test_output_and_exit_code_are_the_runs(tmp_path: Path) -> None:
    code, output, said = contained(tmp_path, "echo out; echo err >&2; exit 7")
    assert (code, output) == (7, "out\nerr\n")
    assert (said["kind"], said["exit_code"], said["lease_id"]) == ("EXITED", 7, "lease")


def test_a_run_that_a_signal_ends_is_told_as_containers_tell_it(tmp_path: Path) -> None:
    code, _, said = contained(tmp_path, "kill -9 $$")
    assert code == 137
    assert (said["kind"], said["signal"], said["escaped_children"]) == ("KILLED", 9, 0)


def test_a_deadline_is_told(tmp_path: Path) -> None:
    code, _, said = contained(
        tmp_path, "exec sleep 60", timeout_seconds=0.01, grace_seconds=0.0, stop_seconds=30.0
    )
    assert (code, said["reason"]) == (143, "DEADLINE")


def test_a_program_that_isnt_there_never_started(tmp_path: Path) -> None:
    job = job_of("lease", "/nothing/like/it")
    folder = RunFolder.create(tmp_path / "home", job)
    command = [sys.executable, "-I", "-S", shim.PROGRAM, str(folder.path), "contained", ""]
    assert subprocess.run(command, timeout=240, check=False).returncode == 2


def test_the_mounted_job_becomes_a_folder_and_a_command(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    job = replace(job_of("lease"), process=replace(job_of("lease").process, directory=""))
    (files / "job.json").write_text(json.dumps(asdict(job)))
    environment = {
        pod.FILES_VARIABLE: str(files),
        pod.NOTE_VARIABLE: "/note",
        "TOWPATH_HOME": str(tmp_path / "home"),
    }
    command = pod.prepare(environment, "/app")
    folder = RunFolder.of(tmp_path / "home", "lease")
    assert command == [
        *(sys.executable, "-I", "-S", shim.PROGRAM, str(folder.path)),
        *("contained", "/note"),
    ]
    process = folder.job().process
    assert process.directory == "/app"
    assert process.command == (
        *(sys.executable, "-P", "-m", "towpath._work.entry"),
        os.fspath(folder.path),
    )


def test_a_worker_of_processes_loads_nothing_of_jobs() -> None:
    code = """
import sys, towpath, towpath._work.serving, towpath._work.kinds.process
loaded = [name for name in sys.modules if "kubernetes" in name or "lightkube" in name]
assert loaded == [], loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
