"""A run's process under its shim: ends, stops, deadlines, output, and the proof."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from towpath._work import shim

from tests.unit.sdk.work.conftest import end_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.sdk.work.conftest import Stage

ESCAPE = """
import os, signal, sys, time
fifo = os.open(sys.argv[1] if len(sys.argv) > 1 else FIFO, os.O_WRONLY)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(fifo, b"escaped")
        while True:
            time.sleep(100)
    os._exit(0)
os.wait()
"""


def escape_to(fifo: Path, then: str) -> str:
    """A program whose grandchild leaves session and parent, and holds a fifo open for writing."""
    return f"FIFO = {str(fifo)!r}\n{ESCAPE}{then}"


def is_closed(reader: int) -> bool:
    """Whether no process holds a fifo open for writing."""
    os.set_blocking(reader, False)
    try:
        return os.read(reader, 100) == b""
    except BlockingIOError:
        return False


def test_a_run_that_ends_by_itself_leaves_its_exit_code_and_output(stage: Stage):
    handle = stage.shell("echo out; echo err >&2; exit 3")
    end = end_of(handle)
    assert (end.proof.kind, end.proof.exit_code, end.proof.signal) == ("EXITED", 3, None)
    assert (end.reason, end.proof.escaped_children) == ("", 0)
    assert end.proof.lease_id == handle.lease_id
    assert end.proof.pid == handle.pid
    assert end.proof.host == os.uname().nodename
    assert handle.output().data == b"out\nerr\n"


def test_a_run_that_is_killed_says_by_which_signal(stage: Stage):
    end = end_of(stage.shell("kill -9 $$"))
    assert (end.proof.kind, end.proof.exit_code, end.proof.signal) == ("KILLED", None, 9)
    assert end.reason == ""


def test_a_program_that_is_not_there_was_never_started(stage: Stage):
    end = end_of(stage.start("/nowhere/python"))
    assert (end.proof.kind, end.reason, end.proof.pid) == ("NEVER_STARTED", "START_FAILED", None)
    assert "/nowhere/python" in end.message
    assert end.start_failed


def test_a_stop_lets_a_run_that_obeys_end_by_itself(stage: Stage):
    fifo = stage.fifo()
    handle = stage.shell(f"trap 'exit 7' TERM; echo > {fifo}; while :; do sleep 0.01; done")
    fifo.read_bytes()
    handle.request_stop(grace_seconds=3600)
    end = end_of(handle)
    assert (end.proof.kind, end.proof.exit_code, end.reason) == ("EXITED", 7, "STOP_REQUESTED")


def test_a_stopped_process_is_continued_to_see_its_end(stage: Stage):
    fifo = stage.fifo()
    handle = stage.shell(f"trap 'exit 7' TERM; echo > {fifo}; kill -STOP $$; sleep 100")
    fifo.read_bytes()
    handle.request_stop(grace_seconds=3600)
    assert end_of(handle).proof.exit_code == 7


def test_a_run_that_ignores_sigterm_is_killed_after_the_grace(stage: Stage):
    fifo = stage.fifo()
    handle = stage.shell(f"trap '' TERM; echo > {fifo}; while :; do sleep 0.01; done")
    fifo.read_bytes()
    handle.request_stop(grace_seconds=0.05)
    end = end_of(handle)
    assert (end.proof.kind, end.proof.signal, end.reason) == ("KILLED", 9, "STOP_REQUESTED")


def test_the_earliest_of_several_stops_counts(stage: Stage):
    handle = stage.shell("sleep 100")
    handle.request_stop(delay_seconds=3600)
    handle.request_stop()
    handle.request_stop(delay_seconds=3600)
    assert end_of(handle).proof.signal == signal.SIGTERM


def test_stops_that_were_requested_before_the_shim_began_are_followed(stage: Stage):
    folder = stage.folder("/bin/sleep", "10")
    folder.request_stop()
    folder.request_stop(delay_seconds=3600)
    assert end_of(stage.supervise(folder)).reason == "STOP_REQUESTED"


def test_a_grandchild_that_left_the_session_is_gone_when_a_stop_is_proved(stage: Stage):
    fifo = stage.fifo()
    handle = stage.python(escape_to(fifo, "time.sleep(100)"))
    reader = os.open(fifo, os.O_RDONLY)
    assert os.read(reader, 100) == b"escaped"
    handle.request_stop(grace_seconds=0.05)
    end = end_of(handle)
    assert is_closed(reader)
    os.close(reader)
    assert end.proof.escaped_children == 0


def test_a_run_that_ends_by_itself_leaves_no_grandchild_either(stage: Stage):
    fifo = stage.fifo()
    handle = stage.python(escape_to(fifo, "os._exit(0)"), linger_seconds=0.05)
    reader = os.open(fifo, os.O_RDONLY)
    assert os.read(reader, 100) == b"escaped"
    end = end_of(handle)
    assert is_closed(reader)
    os.close(reader)
    assert (end.proof.exit_code, end.proof.escaped_children) == (0, 0)


def test_output_stays_within_its_ring(stage: Stage):
    count = 150_000
    code = f"import sys; sys.stdout.write(''.join(f'{{i:07}}\\n' for i in range({count})))"
    handle = stage.python(code)
    end_of(handle)
    output = handle.output()
    assert len(output.data) == shim.OUTPUT_BYTES
    assert output.data.endswith(b"0149998\n0149999\n")
    assert output.dropped_bytes == count * 8 - shim.OUTPUT_BYTES
    size = (handle.folder.path / shim.OUTPUT).stat().st_size
    assert size == shim.OUTPUT_BYTES + shim.HEADER_BYTES


def test_a_run_past_its_deadline_is_stopped(stage: Stage):
    handle = stage.shell("exec sleep 100", timeout_seconds=0.02, grace_seconds=0.03)
    end = end_of(handle)
    assert (end.proof.signal, end.reason) == (signal.SIGTERM, "DEADLINE")
    assert handle.folder.stop_reason() == "DEADLINE"


def test_a_run_without_contact_is_stopped_if_it_is_to(stage: Stage):
    end = end_of(stage.shell("sleep 100", contact_seconds=0.0))
    assert end.reason == "LOST_CONTACT"


def test_a_shim_that_is_told_to_end_stops_its_run_first(stage: Stage):
    handle = stage.shell("sleep 100")
    state = handle.folder.shim_state()
    assert state is not None
    os.kill(state.pid, signal.SIGTERM)
    end = end_of(handle)
    assert (end.proof.signal, end.reason) == (signal.SIGTERM, "SHUTDOWN")


def test_a_second_shim_finds_the_folder_locked(stage: Stage):
    handle = stage.shell("sleep 100")
    command = [sys.executable, "-I", "-S", shim.PROGRAM, str(handle.folder.path)]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "BlockingIOError" in second.stderr
    assert handle.end is None


def test_a_worker_that_died_before_it_heard_of_the_start_changes_nothing(stage: Stage):
    folder = stage.folder("/bin/sh", "-c", "exit 5")
    receive, send = os.pipe()
    os.close(receive)
    command = [sys.executable, "-I", "-S", shim.PROGRAM, str(folder.path)]
    subprocess.run(command, stdout=send, check=True)
    os.close(send)
    end = folder.end()
    assert end is not None
    assert end.proof.exit_code == 5


def test_the_run_gets_signals_as_a_shell_would_give_them(stage: Stage):
    """Nothing ignored, nothing blocked, and no input."""
    code = """
import signal, sys
ignored = [n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN]
print(ignored, signal.pthread_sigmask(signal.SIG_BLOCK, ()), repr(sys.stdin.read()))
"""
    handle = stage.python(code)
    end_of(handle)
    # Python itself ignores these two.
    expected = [signal.SIGPIPE, signal.SIGXFSZ]
    assert handle.output().data.decode().strip() == f"{expected} set() ''"
