"""The process's reporter: its outbox, and the one thread that drains it.

A forked child gets an outbox of its own and reports over HTTP, since gRPC does not survive a fork.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import sys
import threading
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from towpath._delivery.drain import Drain
from towpath._delivery.outbox import Outbox
from towpath._delivery.takeover import deliver_waiting
from towpath._discovery import find_server
from towpath.exceptions import RpcError, ServerUnreachable
from towpath.settings import Settings, get_settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath._delivery.reports import LogReport, Reporter, RunReport, StateReport
    from towpath._transport.base import Transport

LINGER_SECONDS: Final = 0.005
LOOK_SECONDS: Final = 1.0
BEAT_SECONDS: Final = 10.0
MAX_PAUSE_SECONDS: Final = 5.0
AWAY_PATIENCE_SECONDS: Final = 1.0

_override: ContextVar[Reporter | None] = ContextVar("towpath_reporter", default=None)
_lock = threading.Lock()


class Session:
    """An outbox and its sender."""

    def __init__(self, settings: Settings, *, forked: bool = False) -> None:
        self.pid = os.getpid()
        self._settings = settings
        self._forked = forked
        self._outbox = Outbox(settings.home, target=settings.server_address)
        self._drain = Drain(
            self._outbox.folder, updates=self._outbox.updates, logs=self._outbox.logs
        )
        self._reachable = False
        self._stopping = False
        self._progress = threading.Condition()
        self._persisted_segment = 0
        self._thread = threading.Thread(target=self._run, name="towpath-sender", daemon=True)
        self._thread.start()

    def create(self, run: RunReport) -> None:
        """Reports a new run."""
        self._outbox.create(run)

    def transition(self, run_id: str, state: StateReport) -> None:
        """Reports that a run changed state."""
        self._outbox.transition(run_id, state)

    def rename(self, run_id: str, display_name: str) -> None:
        """Reports another name to show for a run."""
        self._outbox.rename(run_id, display_name)

    def log(self, line: LogReport) -> None:
        """Reports a log line."""
        self._outbox.log(line)

    def flush(self, timeout_seconds: float) -> bool:
        """Waits until all reported so far is acknowledged; False when time ran out first."""
        updates, logs = self._outbox.updates.last, self._outbox.logs.last
        if not self._server():
            return self._drain.acked >= updates and self._drain.acked_logs >= logs
        deadline = time.monotonic() + timeout_seconds
        began = time.monotonic()
        self._outbox.reported.set()
        with self._progress:
            while self._drain.acked < updates or self._drain.acked_logs < logs:
                now = time.monotonic()
                away = not self._reachable and now - began > AWAY_PATIENCE_SECONDS
                if now >= deadline or away or not self._thread.is_alive():
                    return False
                self._progress.wait(min(0.05, deadline - now))
        return True

    def let_go(self) -> None:
        """In a forked child: gives up the parent's lock, which the parent goes on holding."""
        self._outbox.let_go()

    def close(self) -> None:
        """Delivers what it can, and leaves the rest for whoever comes next."""
        if os.getpid() != self.pid:
            return
        if self._settings.outbox_fsync != "never":
            self._outbox.updates.sync()
        done = self.flush(self._settings.flush_timeout_seconds)
        self._stopping = True
        self._outbox.reported.set()
        self._thread.join(timeout=2.0)
        waiting = self._outbox.updates.last - self._drain.acked
        if waiting and self._settings.server_address:
            sys.stderr.write(
                f"towpath: {waiting} updates wait in the outbox, since"
                f" {self._settings.server_address} did not take them:"
                " `towpath sync` delivers them\n"
            )
        self._outbox.close(remove=done and not waiting)

    def _server(self) -> str:
        """Where to deliver; empty when there is nowhere."""
        configured = self._settings.server_address
        if configured and not self._forked:
            return configured
        if configured and self._settings.server_web_address:
            return self._settings.server_web_address
        found = find_server(self._settings.home)
        if found is None:
            return ""
        return found.web if self._forked else found.grpc

    def _connect(self, address: str) -> Transport:
        # Reporting itself needs no transport; a process that finds no server never loads gRPC.
        if self._forked:
            from towpath._transport.connect import ConnectTransport  # noqa: PLC0415 - see above

            return ConnectTransport(address)
        from towpath._transport.grpc import GrpcTransport  # noqa: PLC0415 - see above

        return GrpcTransport(address)

    def _run(self) -> None:
        pause = 0.1
        while not self._stopping:
            address = self._server()
            if not address:
                self._outbox.reported.clear()
                self._outbox.reported.wait(LOOK_SECONDS)
                if self._outbox.reported.is_set():
                    time.sleep(0.05)
                continue
            transport = self._connect(address)
            try:
                self._deliver(transport, address)
                pause = 0.1
            except RpcError as error:
                pause = 0.1 if self._reachable else min(MAX_PAUSE_SECONDS, pause * 2)
                self._reachable = False
                time.sleep(error.retry_after_seconds or random.uniform(0, pause))  # noqa: S311 - spreads load
            finally:
                transport.close()

    def _deliver(self, transport: Transport, address: str) -> None:
        beat_at = time.monotonic() + BEAT_SECONDS
        took_over = False
        while not self._stopping or self._drain.acked < self._outbox.updates.last:
            self._outbox.reported.clear()
            if self._drain.deliver(transport):
                self._reachable = True
                self._keep_open_runs()
                with self._progress:
                    self._progress.notify_all()
                continue
            if self._stopping:
                return
            if not took_over and self._reachable and not self._forked:
                took_over = True
                deliver_waiting(self._settings.home, transport)
            if not self._outbox.reported.wait(LOOK_SECONDS):
                if self._server() != address:
                    return
                if time.monotonic() >= beat_at:
                    self._outbox.beat()
                    beat_at = time.monotonic() + BEAT_SECONDS
            time.sleep(LINGER_SECONDS)

    def _keep_open_runs(self) -> None:
        """Notes which runs are unfinished, in case the segments that say so are gone."""
        if self._drain.acked - self._persisted_segment < 5000:  # noqa: PLR2004 - a few segments
            return
        self._persisted_segment = self._drain.acked
        path = self._outbox.folder / "open.json"
        written = path.with_suffix(".new")
        with suppress(OSError):  # a full disk doesn't hold delivery up
            written.write_text(json.dumps(dict(self._outbox.open_runs)), encoding="utf-8")
            written.replace(path)


_session: Session | None = None


def _unlock_after_fork() -> None:
    global _lock  # noqa: PLW0603 - a lock held at the fork would stay held for ever
    _lock = threading.Lock()
    if _session is not None:
        _session.let_go()


os.register_at_fork(after_in_child=_unlock_after_fork)


def current_reporter() -> Reporter:
    """The reporter of this process, made on first use; a forked child gets one of its own."""
    chosen = _override.get()
    if chosen is not None:
        return chosen
    global _session  # noqa: PLW0603 - one outbox a process is the point
    session = _session
    if session is None or session.pid != os.getpid():
        with _lock:
            if _session is None or _session.pid != os.getpid():
                _session = Session(get_settings(), forked=_session is not None)
                atexit.register(_session.close)
            session = _session
    return session


@contextmanager
def use_reporter(reporter: Reporter) -> Generator[None]:
    """Has everything in this context report elsewhere."""
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
