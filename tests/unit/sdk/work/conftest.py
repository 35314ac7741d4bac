"""Runs of small programs under real shims, and workers whose service the test plays."""

from __future__ import annotations

import itertools
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from towpath._delivery.outbox import LEASE_VARIABLE
from towpath._work.folders import Job, ProcessJob, RunFolder
from towpath._work.kinds.process import supervise

from tests.budgets import patience
from tests.unit.sdk.work.stubs import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath._work.kinds.process import ProcessHandle
    from towpath._work.proof import RunEnd

WORKER = "pools/local/workers/w-1"
DEADLINE_SECONDS = patience(120.0)


def job_of(lease_id: str, *command: str, **process: Any) -> Job:
    """A job whose command needs no flow."""
    return Job(
        lease_id=lease_id,
        run_id="run-1",
        attempt=1,
        fence=1,
        worker=WORKER,
        entrypoint="flow.py:main",
        process=ProcessJob(command=command, directory="/", **process),
    )


@dataclass
class Stage:
    """Starts runs, and ends what a test leaves behind."""

    home: Path
    handles: list[ProcessHandle] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def folder(self, *command: str, **process: Any) -> RunFolder:
        """The folder of a run that isn't started yet."""
        job = job_of(f"lease-{next(self.numbers)}", *command, **process)
        return RunFolder.create(self.home, job)

    def start(self, *command: str, **process: Any) -> ProcessHandle:
        return self.supervise(self.folder(*command, **process))

    def supervise(self, folder: RunFolder) -> ProcessHandle:
        handle = supervise(folder, {**os.environ, LEASE_VARIABLE: folder.lease_id})
        self.handles.append(handle)
        return handle

    def shell(self, script: str, **process: Any) -> ProcessHandle:
        return self.start("/bin/sh", "-c", script, **process)

    def python(self, code: str, **process: Any) -> ProcessHandle:
        return self.start(sys.executable, "-I", "-S", "-c", code, **process)

    def fifo(self, name: str = "fifo") -> Path:
        path = self.home / name
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def running(bench: Bench) -> Bench:
    """A worker with one run, of lease "a"."""
    bench.attach()
    bench.grant("a")
    return bench


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path / "home")
    yield made
    for handle in made.handles:
        handle.request_stop(grace_seconds=0)
    for handle in made.handles:
        assert handle.wait(DEADLINE_SECONDS) is not None


def end_of(handle: ProcessHandle) -> RunEnd:
    """How a run ends; the time limit is only for tests that fail."""
    end = handle.wait(DEADLINE_SECONDS)
    assert end is not None
    return end
