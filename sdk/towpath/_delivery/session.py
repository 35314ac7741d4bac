"""The process's reporter: its outbox, and the sender that drains it.

To a server it keeps a stream open over gRPC. A forked child gets an outbox of its own and reports
by calls over HTTP, since gRPC does not survive a fork.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn

from towpath._delivery.directives import hand_on
from towpath._delivery.inherited import InheritedReporter
from towpath._delivery.memory import MemoryWriter
from towpath._delivery.outbox import Outbox
from towpath._delivery.sender import Sender
from towpath._delivery.unrecorded import Unrecorded
from towpath._forks import generation, in_child
from towpath._settings.current import settings_of_runs
from towpath._transport.discovery import find_server
from towpath.exceptions import ConfigurationError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from towpath._delivery.directives import Directive
    from towpath._delivery.reports import Reporter
    from towpath._settings.declared import Settings

_override: ContextVar[Reporter | None] = ContextVar("towpath_reporter", default=None)
_lock = threading.Lock()


class Session:
    """The reporter that is an outbox and its sender."""

    def __init__(
        self,
        settings: Settings,
        *,
        forked: bool = False,
        in_memory: bool = False,
        on_directive: Callable[[Directive], None] = hand_on,
    ) -> None:
        """Makes the outbox and starts the sender.

        Args:
            settings: The current settings.
            forked: Whether this process was forked from one that had a session.
            in_memory: Keep reports in memory, where the home can't be used.
            on_directive: Called in the sender's thread with each directive of the server.
        """
        self.pid = os.getpid()
        self._closed = False
        self._settings = settings
        self._outbox = Outbox(
            settings.home,
            target=settings.server_address,
            workspace=settings.workspace,
            sync_each=settings.outbox_fsync == "always",
            in_memory=in_memory,
        )
        self._sender = Sender(settings, self._outbox, forked=forked, on_directive=on_directive)
        # The methods of a Reporter are those of its two halves: no call lies in between.
        self.create = self._outbox.create
        self.transition = self._outbox.transition
        self.rename = self._outbox.rename
        self.log = self._outbox.log
        self.artifact = self._outbox.artifact
        self.flush = self._sender.flush

    def let_go(self) -> None:
        """In a forked child: gives up the parent's lock, which the parent goes on holding.

        Runs of the parent that the child is in report to a session of the child's own.
        """
        self._outbox.let_go()
        own = InheritedReporter(own_reporter)
        self.create, self.transition, self.rename = own.create, own.transition, own.rename
        self.log, self.artifact, self.flush = own.log, own.artifact, own.flush

    def close(self) -> None:
        """Delivers what it can, and leaves the rest in the outbox for another process."""
        if self._closed or os.getpid() != self.pid:
            return
        self._closed = True
        if self._settings.outbox_fsync != "never" and not self._outbox.in_memory:
            self._outbox.sync()
        self._sender.begin_last()
        done = self.flush(self._settings.flush_timeout_seconds)
        self._sender.stop()
        waiting = self._sender.waiting
        if self._outbox.in_memory:
            self._tell_lost()
        elif waiting and self._settings.server_address:
            when = ", once that is fixed" if self._sender.refused else ""
            sys.stderr.write(
                f"towpath: {waiting} updates wait in the outbox, since"
                f" {self._settings.server_address} did not take them:"
                f" `towpath sync` delivers them{when}\n"
            )
        self._outbox.close(remove=done and not waiting)

    def _tell_lost(self) -> None:
        """Says what this process takes with it, where no outbox keeps it."""
        updates, logs = self._outbox.updates, self._outbox.logs
        assert isinstance(updates, MemoryWriter)
        assert isinstance(logs, MemoryWriter)
        lost = self._sender.waiting + updates.dropped
        lost_logs = self._sender.waiting_logs + logs.dropped
        if lost or lost_logs:
            sys.stderr.write(
                f"towpath: {lost} updates and {lost_logs} log lines of this process are lost, since"
                f" {self._settings.server_address} did not take them and the Towpath home"
                f" {self._settings.home} can't be used\n"
            )


_session: Session | Unrecorded | None = None


def _begin_in_child() -> None:
    global _lock  # noqa: PLW0603 - a lock held at the fork would stay held for ever
    _lock = threading.Lock()
    if _session is not None:
        _session.let_go()


in_child(_begin_in_child)


def current_reporter() -> Reporter:
    """The reporter of this process, made on first use; a forked child gets one of its own."""
    chosen = _override.get()
    return own_reporter() if chosen is None else chosen


def own_reporter() -> Session | Unrecorded:
    """The reporter of this process, whatever this context reports to."""
    global _session  # noqa: PLW0603 - one outbox a process is the point
    session = _session
    if session is None or session.pid != os.getpid():
        with _lock:
            if _session is None or _session.pid != os.getpid():
                _session = _begun(settings_of_runs(), forked=_session is not None)
                _close_at_end(_session)
            session = _session
    return session


def _begun(settings: Settings, *, forked: bool) -> Session | Unrecorded:
    """Makes a session, or a reporter that records nothing where the home can't be used."""
    try:
        if not settings.home.is_absolute():
            raise FileNotFoundError(errno.ENOENT, "this user has no home folder")
        return Session(settings, forked=forked)
    except OSError as error:
        if settings.require_server:
            raise ConfigurationError(
                f"server.require is set and the Towpath home {settings.home} can't be used"
                f" ({error.strerror or error}): set TOWPATH_HOME to a folder that this user can"
                " write to"
            ) from error
        if settings.server_address:
            return _begun_in_memory(settings, error, forked=forked)
        return Unrecorded(settings.home, error)


def _begun_in_memory(settings: Settings, error: OSError, *, forked: bool) -> Session:
    """Makes a session that delivers to the configured server without an outbox on disk."""
    if not forked:
        sys.stderr.write(
            f"towpath: the Towpath home {settings.home} can't be used"
            f" ({error.strerror or error}). Reports go to {settings.server_address} from memory;"
            " those that it doesn't take before this process ends are lost. Set TOWPATH_HOME to a"
            " folder that this user can write to.\n"
        )
    return Session(settings, forked=forked, in_memory=True)


def end_forked_child(error: BaseException | None) -> NoReturn:
    """Ends a forked child within its parent's run, in the way that its own code would end.

    Args:
        error: What it ends by; None when its code came to an end.
    """
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
    elif error is not None:
        traceback.print_exception(error)
        code = 1
    if _session is not None:
        _session.close()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)


def _close_at_end(session: Session | Unrecorded) -> None:
    atexit.register(session.close)
    processes: Any = sys.modules.get("multiprocessing.util")
    if processes is not None and generation():
        # Children of multiprocessing end without Python's own way out.
        processes.Finalize(None, session.close, exitpriority=0)


@contextmanager
def use_reporter(reporter: Reporter) -> Generator[None]:
    """Makes everything in this context report to another reporter."""
    token = _override.set(reporter)
    try:
        yield
    finally:
        _override.reset(token)


def ensure_server(settings: Settings) -> None:
    """Raises ServerUnreachable unless a server is configured or runs on the home."""
    if not settings.server_address and find_server(settings.home) is None:
        raise ServerUnreachable(
            "server.require is set and no server was found: start one with `towpath server start`"
        )
