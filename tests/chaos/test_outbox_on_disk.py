"""What the outbox of a real process promises of its disk, by the system calls of that process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from towpath_service.runs.domain.states import RunState

from tests.chaos.history import recorded_runs, violations
from tests.chaos.processes import Site
from tests.chaos.tracing import Call, is_sync, is_write, launch_traced, read_trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.subject("delivery")

STEPS = 5
FRAMES = "/updates-"
SCRIPT = """
import os, resource, sys
from towpath import flow, task

room, relief = int(sys.argv[2]), int(sys.argv[4])
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
if room:
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))

def witness(line):
    if room:
        return
    descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)

@task
def step(number):
    witness("in")
    return number

@flow
def steps():
    witness("begun")
    for number in range(int(sys.argv[3])):
        step(number)
        witness("after")
        if number == relief:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

steps()
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "script.py").write_text(SCRIPT)
    made = Site(home=home, use_server=False)
    yield made
    if made.server is not None:
        made.stop_server()


def run(
    site: Site,
    *,
    room: int = 0,
    relief: int = STEPS,
    wrapper: Sequence[str] = (),
    **settings: str,
) -> str:
    """Runs the script to its end, which it must reach, and returns what it said on stderr.

    Args:
        site: Where it is at home.
        room: Largest size of any file that it writes; 0 for any.
        relief: The step after which there is room for any.
        wrapper: What stands before the command.
        settings: Of Towpath, as variables.
    """
    numbers = (str(number) for number in (room, STEPS, relief))
    arguments = (str(site.home / "script.py"), str(site.home / "witness"), *numbers)
    ended = subprocess.run(
        [*wrapper, sys.executable, *arguments],
        env=site.environment | settings,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def calls_of(site: Site, fsync: str) -> list[Call]:
    trace = site.home / "trace"
    run(site, wrapper=launch_traced(trace), TOWPATH_OUTBOX_FSYNC=fsync)
    return read_trace(trace)


def steps_of(calls: Sequence[Call]) -> Iterator[tuple[Call, list[Call]]]:
    """Each sign of the user's code, and the calls since the one before."""
    since: list[Call] = []
    for call in calls:
        if is_write(call, "/witness"):
            yield call, since
            since = []
        else:
            since.append(call)


@pytest.mark.parametrize("fsync", ["never", "flush", "always"])
def test_the_users_code_goes_on_once_the_system_has_the_state(site: Site, fsync: str) -> None:
    signs = list(steps_of(calls_of(site, fsync)))
    assert len(signs) == 1 + 2 * STEPS
    for sign, since in signs:
        writes = [call for call in since if is_write(call, FRAMES)]
        assert writes
        assert all(0 <= call.ended < sign.began for call in writes)


def test_with_always_the_users_code_goes_on_once_the_disk_has_the_state(site: Site) -> None:
    calls = calls_of(site, "always")
    for sign, since in steps_of(calls):
        last = max(call.began for call in since if is_write(call, FRAMES))
        synced = [call for call in since if is_sync(call, FRAMES) and call.began > last]
        assert any(0 <= call.ended < sign.began for call in synced)
    (first, since), *_ = steps_of(calls)
    assert first.data == b"begun"
    forced = {call.path for call in since if is_sync(call, "/outbox")}
    (folder,) = {path.rpartition("/")[0] for path in forced if FRAMES in path}
    # Without these nobody would find the frames after a power cut.
    assert {folder, f"{folder}/meta.json", folder.rpartition("/")[0]} <= forced


def test_with_flush_the_disk_has_all_states_at_the_end_of_the_process(site: Site) -> None:
    calls = calls_of(site, "flush")
    last = max(call.began for call in calls if is_write(call, FRAMES))
    forced = {call.path for call in calls if is_sync(call, "/outbox") and call.began > last}
    (frames,) = (path for path in forced if FRAMES in path)
    folder = frames.rpartition("/")[0]
    assert {folder, f"{folder}/meta.json", folder.rpartition("/")[0]} <= forced


def test_with_never_nothing_is_forced(site: Site) -> None:
    assert not [call for call in calls_of(site, "never") if is_sync(call, "/outbox")]


def test_a_disk_that_fails_to_sync_is_told_of_once_and_holds_no_flow_up(site: Site) -> None:
    wrapper = launch_traced(site.home / "trace", inject="fsync:error=EIO")
    told = run(site, wrapper=wrapper, TOWPATH_OUTBOX_FSYNC="always")
    assert told.count("Check the disk") == 1
    assert_recorded(site)


@pytest.mark.parametrize("room", [1, 300, 1000])
def test_a_flow_on_a_full_disk_goes_on_and_a_server_gets_all_of_it(site: Site, room: int) -> None:
    site.use_server = True
    site.start_server()
    told = run(site, room=room)
    assert told.count("Make room there") == 1
    assert_recorded(site)


@pytest.mark.parametrize("room", [1, 300])
def test_what_waited_for_room_is_written_when_there_is(site: Site, room: int) -> None:
    told = run(site, room=room, relief=2)
    assert told.count("Make room there") == 1
    assert_recorded(site)


def assert_recorded(site: Site) -> None:
    assert site.command("sync").returncode == 0
    runs = recorded_runs(site.database)
    assert violations(site.database) == []
    assert [run.state for run in runs.values()] == [RunState.COMPLETED] * (1 + STEPS)
