"""Ends the processes of a run whose shim was killed.

A number of a process may belong to another one by now. A process is killed only when it is one of
the run's: its session is led by the process that the shim noted, which still has the same start in
the same boot, or its first environment names the lease. It is signalled by a descriptor that was
opened before it was looked at.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from towpath._delivery.outbox import LEASE_VARIABLE
from towpath._work import shim

if TYPE_CHECKING:
    from towpath._work.folders import ShimState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    pid: int
    descriptor: int

    def signal(self, number: int) -> bool:
        """Signals it; returns whether it was there and may be signalled."""
        try:
            signal.pidfd_send_signal(self.descriptor, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def ends(self, milliseconds: int | None) -> bool:
        """Waits for its end, at most so long; returns whether it has ended."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(milliseconds))


def end_session(state: ShimState, lease_id: str) -> bool:
    """Kills what is left of a run, and returns when those processes have ended.

    Args:
        state: What the shim noted.
        lease_id: The run's lease.

    Returns:
        Whether the run's own process was alive, and was killed.
    """
    if state.boot_id != shim.boot_id():
        return False
    if not sys.platform.startswith("linux"):
        return _end_group(state)
    leader = _leader(state)
    if leader is not None:
        # While it lives, its number names the session; stopped, it begins no more processes.
        leader.signal(signal.SIGSTOP)
        while _kill_all(lease_id, leader.pid, spared=leader.pid):
            pass
        _kill([leader])
    while _kill_all(lease_id, None, spared=None):
        pass
    return leader is not None


def _leader(state: ShimState) -> _Member | None:
    if state.run_pid is None or (found := _opened(state.run_pid)) is None:
        return None
    if state.run_start and shim.start_of(state.run_pid) == state.run_start:
        return found
    os.close(found.descriptor)
    return None


def _kill_all(lease_id: str, session: int | None, *, spared: int | None) -> bool:
    """Kills the members that there are now; returns whether there were any."""
    members: list[_Member] = []
    for pid in shim.processes():
        if pid in {spared, os.getpid()} or (member := _opened(pid)) is None:
            continue
        if not member.ends(0) and _belongs(pid, lease_id, session):
            members.append(member)
        else:
            os.close(member.descriptor)
    return _kill(members)


def _belongs(pid: int, lease_id: str, session: int | None) -> bool:
    stat = shim.stat_of(pid)
    if stat is None:
        return False
    return (session is not None and stat[1] == session) or _names(pid, lease_id)


def _names(pid: int, lease_id: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # It has ended, or belongs to another user.
        return False
    return f"{LEASE_VARIABLE}={lease_id}".encode() in environment.split(b"\0")


def _opened(pid: int) -> _Member | None:
    try:
        return _Member(pid=pid, descriptor=os.pidfd_open(pid))
    except OSError:
        return None


def _kill(members: list[_Member]) -> bool:
    """Kills processes and waits until they have ended; returns whether it could kill any."""
    killed = [member for member in members if member.signal(signal.SIGKILL)]
    for member in killed:
        member.ends(None)
    for member in members:
        os.close(member.descriptor)
    return bool(killed)


def _end_group(state: ShimState) -> bool:
    """Kills the group of a run on systems that have neither /proc nor descriptors of processes."""
    pid = state.run_pid
    if pid is None or not state.run_start or shim.start_of(pid) != state.run_start:
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    return True
