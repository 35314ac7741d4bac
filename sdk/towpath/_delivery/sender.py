"""The one thread of a process that delivers its outbox."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from towpath._delivery.backoff import MOST_SECONDS, Backoff
from towpath._delivery.couriers import Courier, StreamCourier, UnaryCourier
from towpath._delivery.drain import Drain
from towpath._delivery.fences import Fences
from towpath._delivery.patience import Patience
from towpath._delivery.refusals import forget_refusal, note_refusal
from towpath._delivery.stream import PRODUCER_AHEAD
from towpath._delivery.takeover import deliver_waiting
from towpath._threads import is_refusal
from towpath._transport import opening
from towpath._transport.discovery import find_server
from towpath.exceptions import (
    ConfigurationError,
    NotATowpathServer,
    NotFound,
    NotSignedIn,
    RpcError,
    ServerUnreachable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._delivery.directives import Directive
    from towpath._delivery.outbox import Outbox
    from towpath._settings.declared import Settings
    from towpath._transport.base import Transport

LINGER_SECONDS: Final = 0.005
LOOK_SECONDS: Final = 1.0
GATHER_SECONDS: Final = 0.05
"""Least pause between two looks for a server, while there are reports."""
BEAT_SECONDS: Final = 10.0
HASTY_SECONDS: Final = 5.0
"""A connection that the server ends sooner is answered as a failure is."""
FENCED: Final = "PRODUCER_FENCED"
FINAL_REASONS: Final = frozenset({PRODUCER_AHEAD, "PRODUCER_RETIRED", "CLIENT_TOO_OLD"})
"""Reasons for which a server refuses all further updates of this producer."""


class Sender:
    """Delivers an outbox for as long as its process lives, to the server that it finds."""

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        *,
        forked: bool,
        on_directive: Callable[[Directive], None],
    ) -> None:
        """Starts the thread.

        Args:
            settings: The current settings.
            outbox: What to deliver.
            forked: Whether this process was forked from one that had a sender.
            on_directive: Called in the thread with each directive of the server.
        """
        self._settings = settings
        self._outbox = outbox
        self._forked = forked
        self._on_directive = on_directive
        self._drain = Drain(
            outbox.folder, updates=outbox.updates, logs=outbox.logs, workspace=outbox.workspace
        )
        self._backoff = Backoff()
        self._fences = Fences()
        self._told: set[str] = set()  # said on stderr
        self._failed_at: tuple[str, int] | None = None
        self._refused = ""
        self._reachable = False
        self._failing = False
        self._last = False
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._progress = threading.Condition()
        self._persisted_segment = 0
        self._thread = threading.Thread(target=self._run, name="towpath-sender", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of updates that wait for their verdict."""
        return self._outbox.updates.last - self._drain.acked

    @property
    def waiting_logs(self) -> int:
        """Number of log lines that wait to be taken."""
        return self._outbox.logs.last - self._drain.acked_logs

    @property
    def refused(self) -> bool:
        """Whether the process has said what keeps its reports from being taken, until they are."""
        return bool(self._refused)

    def flush(self, timeout_seconds: float) -> bool:
        """Waits until all reported so far is acknowledged; False when time ran out first.

        A server that can't be reached gets a second. One that only hasn't answered yet, as on a
        busy machine, gets all the time.
        """
        updates, logs = self._outbox.updates.last, self._outbox.logs.last
        address = self._server()
        if not address:
            return self._drain.acked >= updates and self._drain.acked_logs >= logs
        began = time.monotonic()
        patience = Patience(address, began, began + timeout_seconds)
        self._outbox.reported.set()
        self._hurry.set()
        while self._drain.acked < updates or self._drain.acked_logs < logs:
            if patience.ends(reachable=self._reachable, failing=self._failing):
                return False
            if not self._thread.is_alive():
                return False
            with self._progress:
                self._progress.wait(0.05)
        return True

    def begin_last(self) -> None:
        """From now on connects only in ways that need no new thread, as at the end of Python."""
        self._last = True

    def stop(self) -> None:
        """Ends the thread, or leaves it when it doesn't end soon."""
        self._stopping.set()
        self._outbox.reported.set()
        self._hurry.set()
        self._thread.join(timeout=2.0)

    def _server(self) -> str:
        """Returns the server's address; empty without a server."""
        configured = self._settings.server_address
        if configured and not self._forked:
            return configured
        if configured and self._settings.server_web_address:
            return self._settings.server_web_address
        found = find_server(self._settings.home)
        if found is None:
            return ""
        return found.web if self._forked else found.grpc

    @property
    def _may_take_over(self) -> bool:
        """Whether the server takes what others have reported from this process."""
        # A run's token is good for that run only.
        return not self._forked and self._settings.run_token_file is None

    def _connect(self, address: str) -> Transport:
        if self._forked:
            return opening.open_connect(self._settings, address)
        return opening.open_grpc(self._settings, address)

    def _run(self) -> None:
        while not self._stopping.is_set():
            address = self._server()
            if not address:
                self._await_report()
                continue
            acked, began = self._drain.acked, time.monotonic()
            try:
                with closing(self._connect(address)) as transport:
                    pause = self._deliver(transport, address)
                hasty = time.monotonic() - began < HASTY_SECONDS
                self._pause(self._backoff.pause(pause) if hasty else pause)
            except RpcError as error:
                if self._is_final(error):
                    self._give_up(error)
                    return
                if self._is_lasting(error):
                    self._tell_once(error)
                self._back_off(began, acked, error.retry_after_seconds)
            except ConfigurationError as error:
                self._tell_once(error)
                self._back_off(began, acked)
            except RuntimeError as error:
                if not is_refusal(error):
                    raise
                # Python is ending, and gRPC has just begun to open a stream.
                self.begin_last()

    def _await_report(self) -> None:
        """Waits, without a server, for a report or the time to look for one."""
        self._outbox.reported.clear()
        # A stop sets the event after this, so no stop is missed.
        if not self._stopping.is_set() and self._outbox.reported.wait(LOOK_SECONDS):
            self._stopping.wait(GATHER_SECONDS)

    def _back_off(self, began: float, acked: int, wanted_seconds: float | None = None) -> None:
        self._reachable = False
        self._failing = True
        if self._drain.acked > acked or time.monotonic() - began > MOST_SECONDS:
            self._backoff.reset()
        self._pause(self._backoff.pause(wanted_seconds))

    def _is_lasting(self, error: RpcError) -> bool:
        """Whether a refusal stays until someone changes something."""
        before, self._failed_at = self._failed_at, (str(error), self._drain.acked)
        if isinstance(error, ServerUnreachable) or error.quota or error.retry_after_seconds:
            return False
        if isinstance(error, NotSignedIn | NotFound | NotATowpathServer):
            # An open stream ends so when its key is replaced; a new one's failure counts.
            return not self._reachable
        return error.reason != FENCED and before == self._failed_at

    def _tell_once(self, error: ConfigurationError | RpcError) -> None:
        """Says what keeps this process from delivering, and that it will try again."""
        if self._refused == str(error):
            return
        self._refused = str(error)
        refusal = note_refusal(self._outbox.folder, error)
        self._write_once(
            f"reports can't be delivered: {error}. Flows go on; their reports wait in"
            f" {self._outbox.place}. {refusal.way_out}."
        )

    def _write_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            sys.stderr.write(f"towpath: {text}\n")

    def _is_final(self, error: RpcError) -> bool:
        if error.reason == FENCED:
            return not self._fences.bearable()
        return error.reason in FINAL_REASONS

    def _pause(self, seconds: float) -> None:
        """Waits before the next connection; a flush cuts it short."""
        if not self._stopping.is_set() and self._hurry.wait(seconds):
            self._hurry.clear()

    def _give_up(self, error: RpcError) -> None:
        self._reachable = False
        sys.stderr.write(
            f"towpath: the server takes no more reports from this process ({error}). Its flows go"
            f" on; what they report from now on stays in {self._outbox.place}. Start the process"
            " anew to report again.\n"
        )

    def _courier(self, transport: Transport) -> Courier:
        if self._forked or self._last:
            return UnaryCourier(self._drain, transport)
        return StreamCourier(self._drain, self._outbox, transport, self._on_directive)

    def _deliver(self, transport: Transport, address: str) -> float:
        """Delivers over one connection; returns how long to wait before the next."""
        beat_at = time.monotonic() + BEAT_SECONDS
        took_over = False
        with closing(self._courier(transport)) as courier:
            while not self._stopping.is_set() or self._drain.acked < self._outbox.updates.last:
                self._outbox.reported.clear()
                moved = courier.step()
                self._note_reached(reached=courier.reached)
                if courier.ended:
                    return courier.pause_seconds
                if moved:
                    self._keep_open_runs()
                    with self._progress:
                        self._progress.notify_all()
                    continue
                if self._stopping.is_set():
                    return 0.0
                if not took_over and courier.reached and courier.idle and self._may_take_over:
                    took_over = True
                    self._take_over(transport)
                if not self._outbox.reported.wait(LOOK_SECONDS):
                    if self._server() != address:
                        return 0.0
                    if time.monotonic() >= beat_at and not courier.is_sign_of_life:
                        self._outbox.beat()
                        beat_at = time.monotonic() + BEAT_SECONDS
                if not courier.has_news:
                    time.sleep(LINGER_SECONDS)
        return 0.0

    def _note_reached(self, *, reached: bool) -> None:
        if reached and not self._reachable:
            self._reachable = True
            self._failing = False
            if self._refused:
                self._refused = ""
                forget_refusal(self._outbox.folder)

    def _take_over(self, transport: Transport) -> None:
        """Delivers the outboxes of ended processes; a refused one doesn't affect this process."""
        for warning in deliver_waiting(self._settings.home, transport).warnings:
            self._write_once(warning)

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
