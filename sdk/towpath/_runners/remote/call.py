"""One call on a cluster, as steps: no thread waits for its answer."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from towpath._engine.time_limit import timed_out
from towpath._runners.remote.packets import Answer
from towpath._runners.remote.taking import BegunRuns, value_of
from towpath.exceptions import RunCancelled, RunCrashed, RunTimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._runners.remote.messages import Ended
    from towpath._runners.remote.packets import Packet
    from towpath._runners.remote.steps import Steps, Timer
    from towpath._runs.context import RunContext

    Outcome = Callable[[], Any]
    """Returns a function's result, or raises what it raised."""

_log: Final = logging.getLogger("towpath.runners")
_BACKSTOP_SECONDS: Final = 10.0
"""Time after its timeout in which a worker is to answer."""
_REPORTS_SECONDS: Final = 10.0
"""Time after an answer in which the reports before it are to arrive."""
_STOP_SECONDS: Final = 5.0
"""Time in which a body that was asked to stop is to end."""


class Stopping:
    """Tells a call under way that its body was asked to stop."""


@dataclass(frozen=True, slots=True)
class _Late:
    """Tells a call that it has waited too long."""

    timer: int
    """Number of the wait; a later one may have begun meanwhile."""


class Call:
    """A call under way. It handles its messages in their order, in steps."""

    def __init__(
        self,
        *,
        packet: Packet,
        task: bytes,
        annotations: dict[str, Any],
        run: RunContext,
        seconds: float | None,
        steps: Steps,
        give_up: Callable[[Call], None],
        ended: Callable[[Call, Outcome], None],
    ) -> None:
        """Does nothing yet.

        Args:
            packet: What is sent.
            task: The pickled task, should the worker lack it.
            annotations: Options of its submission.
            run: Its run.
            seconds: Timeout of the function; None for none.
            steps: Run the steps.
            give_up: Called when the call ends without its answer.
            ended: Called in a step, once, with how the call ended.
        """
        self.packet = packet
        self.task = task
        self.annotations = annotations
        self.worker = ""
        """Address of the worker that began it."""
        self.future: Any = None
        """The cluster's handle of it."""
        self.resent = False
        self._run = run
        self._begun = BegunRuns(run)
        self._seconds = seconds
        self._steps = steps
        self._give_up = give_up
        self._ended: Callable[[Call, Outcome], None] | None = ended
        self._inbox: deque[Any] = deque()
        self._lock = threading.Lock()
        self._busy = False
        self._answer: Answer | None = None
        self._received = 0
        self._stopping = False
        self._timer: Timer | None = None
        self._timers = 0

    @property
    def key(self) -> str:
        """Its key on the cluster; each is used once."""
        return f"{self.packet.key}-again" if self.resent else self.packet.key

    def tell(self, message: bytes | str | Answer | Exception | Stopping | _Late) -> None:
        """Takes a message from any thread; it is taken up in a step.

        Args:
            message: A pickled report, the address of the worker that began the call, how it ended
                or why there is no answer.
        """
        self._inbox.append(message)
        with self._lock:
            if self._busy:
                return
            self._busy = True
        self._steps.soon(self._take_all)

    def _take_all(self) -> None:
        while True:
            try:
                message = self._inbox.popleft()
            except IndexError:
                with self._lock:
                    if not self._inbox:
                        self._busy = False
                        return
                continue
            if self._ended is not None:
                try:
                    self._take(message)
                except Exception as error:  # noqa: BLE001 - the run must not stay open
                    self._end(error)

    def _take(self, message: Any) -> None:
        if isinstance(message, bytes):
            self._begun.report(cloudpickle.loads(message))
            self._received += 1
        elif isinstance(message, str):
            if self._seconds is not None and self._answer is None and not self._stopping:
                self._wait(self._seconds + _BACKSTOP_SECONDS)
        elif isinstance(message, Answer):
            self._answer = message
            if self._received < message.reports:
                self._wait(_REPORTS_SECONDS)
        elif isinstance(message, Stopping):
            self._stopping = True
            self._wait(_STOP_SECONDS)
        elif isinstance(message, _Late):
            if message.timer == self._timers:
                self._late()
        else:
            self._end(message)
        if self._answer is not None and self._received >= self._answer.reports:
            self._finish(self._answer)

    def _wait(self, seconds: float) -> None:
        """Waits so long for the next thing that is due, instead of for what was before."""
        self._no_wait()
        self._timer = self._steps.later(seconds, partial(self.tell, _Late(self._timers)))

    def _no_wait(self) -> None:
        self._timers += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self._answer is not None:
            missing = self._answer.reports - self._received
            _log.warning("%d reports of %s did not arrive", missing, self.key)
            self._finish(self._answer)
            return
        self._give_up(self)
        if self._stopping:
            self._end(RunCancelled("left, since the flow was interrupted"))
        else:
            self._end(timed_out(self._seconds))

    def _finish(self, answer: Answer) -> None:
        assert answer.ended is not None
        self._over(partial(value_of, self._run, answer.ended))

    def _end(self, error: Exception) -> None:
        """Ends it without an answer."""
        if self._ended is None:
            return
        if isinstance(error, RunCrashed | RunCancelled | RunTimedOut):
            self._begun.close()
        self._over(partial(_raise, error))

    def _over(self, outcome: Outcome) -> None:
        ended, self._ended = self._ended, None
        self._no_wait()
        if ended is not None:
            ended(self, outcome)

    def size(self) -> int:
        """Size of the pickled result, bytes."""
        ended: Ended | None = None if self._answer is None else self._answer.ended
        return 0 if ended is None or ended.value is None else len(ended.value)


def _raise(error: Exception) -> None:
    raise error
