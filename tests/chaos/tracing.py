"""System calls of running processes, in the order in which they began and ended.

strace stops a process as each call begins and as it ends, so a call that had ended before another
began stands before it in the trace: what was forced to the disk before an answer left is proved.
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from tests.postgres.debian import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SYNCS: Final = ("fdatasync", "fsync")
WRITES: Final = ("pwrite64", "pwritev", "write", "writev")
SENDS: Final = ("sendmsg", "sendto", "writev", "write")
ALL: Final = tuple(dict.fromkeys(SYNCS + WRITES + SENDS))
ATTACH_SECONDS: Final = 60.0

_BEGUN = re.compile(r"(?P<name>\w+)\((?P<descriptor>-?\d+)(?:<(?P<path>[^>]*)>)?(?P<rest>.*)")
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
_RESULT = re.compile(r"\) += (?P<result>-?\d+|\?)(?P<word>.*)$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(?:\.\.\.)?')
_UNFINISHED = " <unfinished ...>"


@dataclass(slots=True, kw_only=True)
class Call:
    """One system call on an open file or socket."""

    process: int
    name: str
    path: str
    """Of the file; a socket's is `socket:[number]`."""
    arguments: str
    began: int
    ended: int = -1
    """Places in the trace; -1 when it had not ended with the trace."""
    result: int = -1

    @property
    def data(self) -> bytes:
        """What was sent or written, as far as the system took it."""
        strings = _STRING.findall(self.arguments)
        return b"".join(map(_bytes, strings))[: max(0, self.result)]

    @property
    def offset(self) -> int:
        """Where a pwrite64 wrote."""
        return int(self.arguments.rpartition(",")[2])


def is_sync(call: Call, of: str) -> bool:
    """Whether a file whose path has `of` in it was forced to the disk."""
    return call.name in SYNCS and of in call.path and call.result == 0


def is_write(call: Call, of: str) -> bool:
    """Whether a file whose path has `of` in it was written."""
    return call.name in WRITES and of in call.path and call.result > 0


def read_trace(file: Path) -> list[Call]:
    """The calls of a trace in the order in which they began."""
    calls: list[Call] = []
    open_calls: dict[int, Call] = {}
    for place, line in enumerate(file.read_text(encoding="ascii").splitlines()):
        process, _, text = line.partition(" ")
        text = text.lstrip()
        if begun := _BEGUN.match(text):
            call = Call(
                process=int(process),
                name=begun["name"],
                path=_bytes(begun["path"] or "").decode(errors="replace"),
                arguments=begun["rest"].removesuffix(_UNFINISHED),
                began=place,
            )
            calls.append(call)
            open_calls[call.process] = call
            _end(call, place)
        elif (resumed := _RESUMED.match(text)) and int(process) in open_calls:
            call = open_calls.pop(int(process))
            call.arguments += resumed["rest"]
            _end(call, place)
    return calls


def _end(call: Call, place: int) -> None:
    result = _RESULT.search(call.arguments)
    if result is not None:
        call.arguments = call.arguments[: result.start()]
        call.ended = place
        call.result = -1 if result["result"] == "?" else int(result["result"])


def _bytes(text: str) -> bytes:
    """Undoes strace's -xx."""
    return bytes.fromhex(text.replace("\\x", ""))


def launch_traced(
    into: Path, *, calls: Sequence[str] = ALL, inject: str = "", detached: bool = False
) -> list[str]:
    """What stands before a command so that it is followed; see `traced`.

    Detached, the process that is started is the command's own, and not strace.
    """
    command = [program("strace", "strace"), "-f", "-y", "-xx", "-s", "65536", "-o", str(into)]
    command += ["-e", "trace=" + ",".join(calls), "-e", "signal=none"]
    command += ["-D"] if detached else []
    return command + ([f"--inject={inject}"] if inject else [])


@contextmanager
def traced(
    processes: Sequence[int],
    into: Path,
    *,
    calls: Sequence[str] = ALL,
    inject: str = "",
    files: Sequence[Path] = (),
) -> Iterator[None]:
    """Follows processes, with their threads and children to come, until the context ends.

    Args:
        processes: Their ids.
        into: Where the trace is written; read it once the context has ended.
        calls: Which system calls.
        inject: What happens to some of them, as strace's option has it; ends with the context.
        files: Only calls on these.
    """
    command = launch_traced(into, calls=calls, inject=inject)
    command += [part for file in files for part in ("-P", str(file))]
    command += [part for process in processes for part in ("-p", str(process))]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    try:
        _wait_attached(tracer, tracer.stderr, len(processes))
        reading = threading.Thread(target=tracer.stderr.read)
        reading.start()
        yield
        assert tracer.poll() is None or not any(map(_lives, processes)), "strace has ended"
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
        tracer.wait(ATTACH_SECONDS)
        tracer.stderr.close()


def is_traced(process: int) -> bool:
    """Whether a process is followed, or has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return "\nTracerPid:\t0\n" not in status


def _wait_attached(tracer: subprocess.Popen[str], told: IO[str], processes: int) -> None:
    lines: list[str] = []
    while processes:
        line = told.readline()
        if not line:
            raise RuntimeError(
                f"strace can't follow a process of this test ({tracer.wait()}): run the tests as"
                f" root, or set kernel.yama.ptrace_scope to 0. It says: {''.join(lines)}"
            )
        lines.append(line)
        processes -= "attached" in line


def _lives(process: int) -> bool:
    return Path(f"/proc/{process}").exists()
