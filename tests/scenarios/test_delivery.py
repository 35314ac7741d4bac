from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.runs.domain.states import RunState

from tests.chaos.history import recorded_runs, violations
from tests.chaos.processes import Site, wait_until
from tests.scenarios.commands import listed
from tests.scenarios.servers import environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.subject("delivery")

FORKING = """
import os
from towpath import flow, task

@task
def step(n):
    return n

@flow
def family(who, steps):
    for n in range(steps):
        step(n)

family("before", 5)
child = os.fork()
family("child" if child == 0 else "parent", 20)
if child:
    os.waitpid(child, 0)
"""

LATE = """
import atexit, threading
from towpath import flow
from towpath._transport.grpc import GrpcTransport

begins, ends = threading.Event(), threading.Event()
begin = GrpcTransport.bidi_stream

def begin_late(*arguments):
    begins.set()
    ends.wait()
    return begin(*arguments)

GrpcTransport.bidi_stream = begin_late

@flow
def short():
    begins.wait()
    atexit.register(ends.set)  # Before the session's own, since that was registered earlier.

short()
"""

SPANNING = """
import sys
from towpath import flow, task

@task
def step(n):
    return n

@flow
def spanning():
    step(1)
    print("begun", flush=True)
    sys.stdin.readline()
    step(2)

spanning()
"""


TERMINATED = """
import signal, sys, threading
from towpath import flow, task

if sys.argv[1:]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

@task
def waits():
    try:
        print("begun", flush=True)
        threading.Event().wait(600)
    finally:
        print("cleaned", flush=True)

@flow
def terminated():
    waits()

terminated()
"""


def python(site: Site, code: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], env=site.environment, text=True, **options
    )


def make_site(tmp_path: Path, *, configured: bool = True) -> Site:
    home = tmp_path / "home"
    home.mkdir()
    return Site(home=home, use_server=configured)


def test_a_forked_child_reports_beside_its_parent(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.start_server()
    try:
        process = python(site, FORKING)
        assert process.wait(timeout=240) == 0
        wait_until(lambda: len(recorded_runs(site.database)) == 6 + 21 + 21, "all is recorded")
        assert {run.state for run in recorded_runs(site.database).values()} == {RunState.COMPLETED}
        assert violations(site.database) == []
        producers = {
            step.producer_id for run in recorded_runs(site.database).values() for step in run.steps
        }
        assert len(producers) == 2
    finally:
        site.stop_server()


@pytest.mark.parametrize(
    ("arguments", "code", "printed", "reason"),
    [((), -signal.SIGTERM, "", "PROCESS_LOST"), (("x",), 143, "cleaned\n", "PROCESS_EXIT")],
    ids=["no handler", "a handler that exits"],
)
def test_sigterm_ends_a_pipeline_as_its_handler_says(
    arguments: tuple[str, ...], code: int, printed: str, reason: str, tmp_path: Path
) -> None:
    home = make_site(tmp_path).home
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINATED, *arguments],
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        assert process.stdout.read() == printed
        assert process.wait(60) == code
    runs = listed(home)
    assert [(run["state"], run["reason"]) for run in runs] == [("CRASHED", reason)] * 2


def test_a_server_started_in_mid_flow_is_found_and_gets_everything(tmp_path: Path) -> None:
    site = make_site(tmp_path, configured=False)
    process = python(site, SPANNING, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "begun\n"
    site.start_server()
    try:
        wait_until(lambda: len(recorded_runs(site.database)) == 2, "the server knows the flow")
        process.stdin.write("\n")
        process.stdin.close()
        assert process.wait(timeout=240) == 0
        wait_until(lambda: len(recorded_runs(site.database)) == 3, "all is recorded")
        assert {run.state for run in recorded_runs(site.database).values()} == {RunState.COMPLETED}
        assert list((site.home / "outbox").iterdir()) == []
    finally:
        process.stdout.close()
        site.stop_server()


def test_a_server_that_is_away_stops_nothing_and_sync_delivers_later(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    process = python(site, FORKING.partition("child =")[0], stderr=subprocess.PIPE)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 0
    assert "`towpath sync` delivers them" in told
    assert site.command("sync").returncode == 6
    site.start_server()
    try:
        assert site.command("sync").returncode == 0
        wait_until(lambda: len(recorded_runs(site.database)) == 6, "all is recorded")
        assert {run.state for run in recorded_runs(site.database).values()} == {RunState.COMPLETED}
    finally:
        site.stop_server()


def test_a_misspelt_workspace_is_told_once_and_its_reports_are_moved_to_the_right_one(
    tmp_path: Path,
) -> None:
    site = make_site(tmp_path)
    site.start_server()
    try:
        hello = FORKING.partition("child =")[0]
        misspelt = site.environment | {"TOWPATH_WORKSPACE": "typo"}
        ended = subprocess.run(
            [sys.executable, "-c", hello],
            env=misspelt,
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
        )
        assert ended.stderr.count("workspaces/typo was not found") == 1
        assert "default is the only workspace" in ended.stderr
        assert "towpath sync --move typo NAME" in ended.stderr
        assert "delivers them, once that is fixed" in ended.stderr
        told = site.command("sync")
        assert told.returncode == 1
        assert "workspaces/typo was not found" in told.stderr
        shown = site.command("doctor")
        assert "workspaces/typo was not found" in shown.stdout
        assert site.command("sync", "--move", "typo", "default").returncode == 0
        assert len(recorded_runs(site.database)) == 6
        assert list((site.home / "outbox").iterdir()) == []
    finally:
        site.stop_server()


@pytest.fixture
def unusable(tmp_path: Path) -> str:
    """A Towpath home that nobody can make, not even root."""
    (tmp_path / "file").touch()
    return str(tmp_path / "file" / "home")


def test_with_an_unusable_home_reports_go_to_the_server_from_memory(
    tmp_path: Path, unusable: str
) -> None:
    site = make_site(tmp_path)
    site.start_server()
    try:
        ended = subprocess.run(
            # From 3.12 on Python warns of forks in processes with threads.
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING],
            env=site.environment | {"TOWPATH_HOME": unusable},
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
        )
        (warning,) = ended.stderr.splitlines()
        assert f"the Towpath home {unusable} can't be used" in warning
        assert f"Reports go to 127.0.0.1:{site.port} from memory" in warning
        assert "Set TOWPATH_HOME" in warning
        runs = recorded_runs(site.database)
        assert [run.state for run in runs.values()] == [RunState.COMPLETED] * (6 + 21 + 21)
        assert violations(site.database) == []
    finally:
        site.stop_server()


def test_with_an_unusable_home_and_no_server_the_loss_is_counted_at_the_end(
    tmp_path: Path, unusable: str
) -> None:
    site = make_site(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", FORKING.partition("child =")[0]],
        env=site.environment | {"TOWPATH_HOME": unusable},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    warning, loss = ended.stderr.splitlines()
    assert "can't be used" in warning
    assert loss.startswith("towpath: 12 updates and 0 log lines of this process are lost")


def test_a_stream_that_begins_as_python_ends_holds_up_no_report(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.start_server()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", LATE],
            env=site.environment | {"TOWPATH_FLUSH_TIMEOUT_SECONDS": "200"},
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
        )
        assert "wait in the outbox" not in ended.stderr
        (run,) = recorded_runs(site.database).values()
        assert run.state is RunState.COMPLETED
    finally:
        site.stop_server()
