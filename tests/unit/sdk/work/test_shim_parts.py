"""Parts of the shim that need no process."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from towpath._work import shim
from towpath._work.folders import RunFolder
from towpath._work.shim import supervisor, system

from tests.unit.sdk.work.conftest import job_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def watching(tmp_path: Path) -> shim.Shim:
    """A shim that has neither lock nor run: its constructor would change this process."""
    folder = RunFolder.create(tmp_path, job_of("l", "true"))
    made = object.__new__(shim.Shim)
    made._folder = str(folder.path)
    made._lease_id = "l"
    made._pid = 4711
    made._subreaper = True
    made._killed = False
    made._fired = None
    made._oom_kills = 1
    made._said = b""
    made._contact = 5.0
    made._stops = []
    made._stops_read = 0
    return made


@pytest.mark.parametrize(
    ("content", "count"),
    [
        ("low 0\noom 3\noom_kill 2\noom_group_kill 0\n", 2),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", 7),
        ("low 0\n", 0),
    ],
    ids=["v2", "v1", "none"],
)
def test_kills_for_want_of_memory_are_counted(tmp_path: Path, content: str, count: int):
    (tmp_path / "events").write_text(content)
    assert system.oom_kills_of(str(tmp_path / "events")) == count
    assert system.oom_kills_of(str(tmp_path / "nope")) == 0


@pytest.mark.parametrize(
    ("status", "killed", "count", "kind", "reason"),
    [
        (-signal.SIGKILL, False, 2, "KILLED", "OUT_OF_MEMORY"),
        (-signal.SIGKILL, False, 1, "KILLED", ""),
        (-signal.SIGKILL, True, 2, "KILLED", ""),
        (-signal.SIGSEGV, False, 2, "KILLED", ""),
        (137, False, 2, "EXITED", ""),
    ],
)
def test_only_a_kill_that_the_kernel_counted_is_for_want_of_memory(
    watching: shim.Shim,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    killed: bool,
    count: int,
    kind: str,
    reason: str,
):
    monkeypatch.setattr(supervisor, "counted_oom_kills", lambda: count)
    watching._status, watching._killed = status, killed
    watching._write_end()
    end = shim.read_whole(f"{watching._folder}/{shim.EXIT}")
    assert end is not None
    assert (end["kind"], end["reason"]) == (kind, reason)


def test_contact_is_never_later_than_now_and_never_goes_back(
    watching: shim.Shim, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervisor, "since_boot", lambda: 100.0)
    receive, send = os.pipe()
    watching._control = receive
    seen: list[float] = []
    for message in (b"contact 50.5\n", b"contact 40\n", b"contact 1e9\n", b"contact x\nwhat\n"):
        os.write(send, message)
        watching._listen()
        seen.append(watching._contact)
    os.close(receive)
    os.close(send)
    assert seen == [50.5, 50.5, 100.0, 100.0]


def test_a_message_may_come_in_pieces(watching: shim.Shim, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervisor, "since_boot", lambda: 100.0)
    receive, send = os.pipe()
    watching._control = receive
    for piece in (b"cont", b"act 7", b"7\nst"):
        os.write(send, piece)
        watching._listen()
    os.close(receive)
    os.close(send)
    assert watching._contact == 77.0


def test_each_request_to_stop_is_taken_once(watching: shim.Shim, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(system, "since_boot", lambda: 100.0)
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: 10.0)
    path = f"{watching._folder}/{shim.STOPS}"
    watching._read_stops()
    for text in ("130 10\n", "bad\n105 ", "5\n"):
        with open(path, "a", encoding="ascii") as file:  # noqa: PTH123 - the shim's own path
            file.write(text)
        watching._read_stops()
    assert [(stop.at, stop.grace_seconds) for stop in watching._stops] == [
        (40.0, 10.0),
        (15.0, 5.0),
    ]


@pytest.mark.parametrize(("subreaper", "escaped"), [(True, 0), (False, None)])
def test_a_system_without_subreapers_gives_no_count_of_children(
    watching: shim.Shim, subreaper: bool, escaped: int | None
):
    watching._status, watching._subreaper = 0, subreaper
    watching._write_end()
    end = shim.read_whole(f"{watching._folder}/{shim.EXIT}")
    assert end is not None
    assert end["escaped_children"] == escaped


def test_a_system_without_proc_tells_processes_apart_by_the_time_of_their_start(
    monkeypatch: pytest.MonkeyPatch,
):
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command == ["ps", "-o", "lstart=", "-p", "4711"]
        return subprocess.CompletedProcess(command, 0, "Tue Dec  1 12:00:00 2026\n")

    monkeypatch.setattr(system, "stat_of", lambda _: None)
    monkeypatch.setattr(system.subprocess, "run", run)
    assert shim.start_of(4711) == ""
    monkeypatch.setattr(system.sys, "platform", "darwin")
    assert shim.start_of(4711) == "Tue Dec  1 12:00:00 2026"
