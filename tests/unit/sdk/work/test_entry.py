"""Runs of flows as a worker starts them: real processes, with outboxes and no server."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from towpath._delivery.outbox import UPDATES, outboxes
from towpath._delivery.segments import SegmentReader
from towpath._settings.declared import Settings
from towpath._state_type import StateType
from towpath._values.secret import Secret, variable_of
from towpath._work import entry, shim
from towpath._work.entry import Values
from towpath._work.kinds.process import ProcessKind
from towpath._work.leases import Lease
from towpath.api.v1 import ingest_service_pb2
from towpath.exceptions import ServerUnreachable, VariableError
from towpath.variables import Variable

from tests.unit.sdk.work.conftest import WORKER, end_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath._work.kinds.process import ProcessHandle

RUN_ID = "01900000-0000-7000-8000-000000000001"
CANARY = "canary-5d0f3c2e"


@dataclass
class Worker:
    """Starts runs of flows in a file, as a worker does."""

    home: Path
    project: Path
    handles: list[ProcessHandle]

    def start(self, code: str, **options: Any) -> ProcessHandle:
        (self.project / "etl.py").write_text(code)
        options = {"entrypoint": "etl.py:main", "lease_id": "lease-1", **options}
        lease = Lease(run_id=RUN_ID, attempt=2, fence=4, **options)
        environment = {**os.environ, "TOWPATH_API_KEY": "the-workers-own-key"}
        kind = ProcessKind(
            Settings(home=self.home), WORKER, directory=self.project, environment=environment
        )
        handle = kind.start(lease)
        self.handles.append(handle)
        return handle

    def reported(self) -> list[str]:
        """The states that the run reported, with attempt and fence."""
        found: list[str] = []
        for folder in outboxes(self.home):
            for frame in SegmentReader(folder, UPDATES, 1).read(1000, 1 << 20):
                update = ingest_service_pb2.Update.FromString(frame)
                change = update.create.initial if update.HasField("create") else update.transition
                if update.run_id == RUN_ID:
                    found.append(f"{change.state}/{change.attempt}/{change.fence}/{change.reason}")
        return found


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    project = tmp_path / "project"
    project.mkdir()
    made = Worker(tmp_path / "home", project, [])
    yield made
    for handle in made.handles:
        handle.request_stop(grace_seconds=0)
        assert handle.wait(30) is not None


def states(*names: str) -> list[str]:
    return [f"{StateType(name).number}/2/4/{reason}" for name, _, reason in map(parted, names)]


def parted(name: str) -> tuple[str, str, str]:
    return name.partition(" ")


def test_a_run_gets_its_parameters_environment_and_folder(worker: Worker):
    code = """
import json, os, sys
from towpath import flow, runtime

@flow
def main(day: str, rows: int):
    names = ("TOWPATH_RUN_ID", "TOWPATH_RUN_ATTEMPT", "TOWPATH_RUN_FENCE", "TOWPATH_API_KEY")
    seen = {name: os.environ.get(name) for name in names}
    print(json.dumps([day, rows, runtime.flow_run.id, os.getcwd(), sys.path[0], sys.argv, seen]))
"""
    handle = worker.start(code, parameters={"day": "2026-12-01", "rows": "3"})
    end = end_of(handle)
    assert (end.proof.exit_code, end.reason, end.start_failed) == (0, "", False)
    printed = [line for line in handle.output().data.decode().splitlines() if line[0] == "["]
    folder = str(worker.project)
    seen = {
        "TOWPATH_RUN_ID": RUN_ID,
        "TOWPATH_RUN_ATTEMPT": "2",
        "TOWPATH_RUN_FENCE": "4",
        "TOWPATH_API_KEY": None,
    }
    expected = ["2026-12-01", 3, RUN_ID, folder, folder, ["etl.py:main"], seen]
    assert json.loads(printed[-1]) == expected
    assert worker.reported() == states("RUNNING", "RUNNING", "COMPLETED")


def test_a_secret_is_seen_by_the_code_alone(worker: Worker):
    # The stand-in is what a machine without a service has; it goes to the entry by a layer.
    fifo = worker.project / "fifo"
    os.mkfifo(fifo)
    code = f"""
import os
import signal
from towpath import flow, get_run_logger

@flow(log_prints=True)
def main(password: str):
    assert password == os.environ["DB"].removeprefix("pg://") and len(password) == {len(CANARY)}
    print("with", password)
    get_run_logger().warning("with %s", password)
    open({str(fifo)!r}, "w").close()
    open({str(fifo)!r}).close()
    raise ValueError("with " + password)
"""
    stand_in = {variable_of("canary"): CANARY}
    kept = {"DB": "pg://{{ secrets.canary }}"}
    handle = worker.start(
        code,
        parameters={"password": "{{ secrets.canary }}"},
        environments=({"LC_ALL": "C.UTF-8"}, kept, stand_in),
    )
    fifo.open().close()
    try:
        environment = Path(f"/proc/{handle.pid}/environ").read_text().split("\0")
        command = Path(f"/proc/{handle.pid}/cmdline").read_text()
    finally:
        fifo.open("w").close()
    end = end_of(handle)
    assert end.proof.exit_code == 1
    assert CANARY not in command
    assert [each for each in environment if CANARY in each] == [f"{variable_of('canary')}={CANARY}"]
    for path in handle.folder.path.iterdir():
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path.name
    assert b"ValueError: with" in handle.output().data
    for folder in outboxes(worker.home):
        for path in folder.iterdir():
            assert CANARY.encode() not in path.read_bytes(), path.name


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_stop_cancels_a_run_and_its_hooks_are_called(worker: Worker, kind: str):
    fifo = worker.project / "fifo"
    os.mkfifo(fifo)
    code = f"""
import asyncio, time
from towpath import flow

def hear(flow, run, state):
    print("hook", state.type.value, state.reason)

@flow(on_cancellation=[hear])
{kind} main():
    open({str(fifo)!r}, "w").close()
    {"await asyncio.sleep(100)" if kind == "async def" else "time.sleep(0.01)"}
    while True:
        time.sleep(0.01)
"""
    handle = worker.start(code)
    fifo.open().close()
    handle.request_stop(grace_seconds=60)
    end = end_of(handle)
    assert (end.proof.kind, end.proof.exit_code, end.reason) == ("EXITED", 7, "STOP_REQUESTED")
    assert b"hook CANCELLED REQUESTED\n" in handle.output().data
    assert worker.reported() == states("RUNNING", "RUNNING", "CANCELLED REQUESTED")


@pytest.mark.parametrize("limit", ["flow", "process"])
def test_a_run_that_takes_too_long_says_so(worker: Worker, limit: str):
    # The flow's own timeout, or the deadline of the process: what the shim does then.
    code = f"""
import time
from towpath import flow

@flow(timeout_seconds={0.01 if limit == "flow" else 3600})
def main():
    open({str(worker.project / "begun")!r}, "w").close()
    while True:
        time.sleep(0.001)
"""
    os.mkfifo(worker.project / "begun")
    handle = worker.start(code)
    (worker.project / "begun").open().close()
    if limit == "process":
        assert handle.pid is not None
        shim.write_whole(str(handle.folder.path / shim.STOPPING), {"reason": "DEADLINE"})
        os.kill(handle.pid, signal.SIGTERM)
    assert end_of(handle).proof.exit_code == 124
    assert worker.reported() == states("RUNNING", "RUNNING", "TIMED_OUT")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = (\n", "etl.py:1: SyntaxError"),
        ("from towpath import flow\n@flow\ndef main(n: int): pass\n", "'n'"),
    ],
    ids=["code", "parameters"],
)
def test_a_run_that_cannot_be_loaded_never_began(worker: Worker, code: str, said: str):
    handle = worker.start(code)
    end = end_of(handle)
    assert (end.proof.kind, end.proof.exit_code, end.start_failed) == ("EXITED", 2, True)
    assert said in handle.output().data.decode()
    assert worker.reported() == []


def test_a_stop_while_the_code_is_loaded_leaves_no_run(worker: Worker):
    fifo = worker.project / "fifo"
    os.mkfifo(fifo)
    handle = worker.start(f"import time\nopen({str(fifo)!r}, 'w').close()\ntime.sleep(100)\n")
    fifo.open().close()
    handle.request_stop(grace_seconds=60)
    assert end_of(handle).proof.exit_code in {7, 2}
    assert worker.reported() == []


def test_a_folder_that_is_not_there_is_said_with_the_start(worker: Worker):
    handle = worker.start("", template={"working_directory": "/nowhere/at/all"})
    end = end_of(handle)
    assert (end.proof.kind, end.reason) == ("NEVER_STARTED", "START_FAILED")
    assert "/nowhere/at/all" in end.message


def test_secrets_are_resolved_wherever_a_value_names_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable_of("db-user"), "me")
    monkeypatch.setenv(variable_of("db"), CANARY)
    values = Values()
    given = {"url": "pg://{{secrets.db-user}}:{{ secrets.db }}@h", "rest": ["{{ secrets.db }}", 1]}
    assert values.resolved(given) == {"url": f"pg://me:{CANARY}@h", "rest": [CANARY, 1]}
    assert values.resolved("{{ other.x }} {{secrets.}}") == "{{ other.x }} {{secrets.}}"
    assert CANARY not in values.hidden.redacted(f"with {CANARY}")


def test_variables_are_resolved_with_their_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))
    Variable.set("rows", 12)
    Variable.set("days_of", {"week": [1, 7]})
    Variable.set("name", "a {{ secrets.x }} b")
    values = Values()
    given = {"n": "{{ variables.rows }}", "d": ["{{prefect.variables.days_of}}"], "t": "{{name}}"}
    assert values.resolved(given) == {"n": 12, "d": [{"week": [1, 7]}], "t": "{{name}}"}
    assert values.resolved("first {{ variables.rows }} rows") == "first 12 rows"
    # What a variable holds is never taken for a name.
    assert values.resolved("{{ variables.name }}") == "a {{ secrets.x }} b"
    environment = {"N": "{{ variables.rows }}", "D": "x={{ variables.days_of }}"}
    assert values.environment(environment) == {"N": "12", "D": 'x={"week":[1,7]}'}
    with pytest.raises(VariableError, match="`towpath variable set nothing` it"):
        values.resolved("{{ variables.nothing }}")


def test_a_service_that_is_away_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    slept: list[float] = []

    def load(name: str) -> Secret:
        asked.append(name)
        if len(asked) < 3:
            raise ServerUnreachable("away")
        return Secret(name, CANARY.encode())

    monkeypatch.setattr(Secret, "load", load)
    monkeypatch.setattr(entry.time, "sleep", slept.append)
    assert Values().secret("db") == CANARY
    assert (asked, slept) == (["db"] * 3, [0.5, 1.0])
