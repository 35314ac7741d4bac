"""The part of a Dask scheduler that keeps it from running calls of Towpath twice."""

from __future__ import annotations

from typing import Any

from towpath._runners.dask.library import SchedulerPlugin
from towpath._runners.remote.packets import PREFIX


class OnceOnly(SchedulerPlugin):  # type: ignore[misc] # Dask's are untyped.
    """Has the scheduler give up a call whose worker, or whose result, is lost.

    Dask has no public way for this: `suspicious` counts the workers that died with a task, and a
    task without `run_spec` is data, which can't be computed again.
    """

    name = "towpath-once"
    idempotent = True

    def __init__(self) -> None:
        self._scheduler: Any = None

    async def start(self, scheduler: Any) -> None:
        """Called by the scheduler as it takes the plugin."""
        self._scheduler = scheduler

    def transition(
        self, key: Any, start: str, finish: str, *_: Any, stimulus_id: str = "", **__: Any
    ) -> None:
        """Called by the scheduler at each change of a task's state."""
        del start, stimulus_id
        if finish not in {"processing", "memory"} or not str(key).startswith(PREFIX):
            return
        task = self._scheduler.tasks[key]
        if finish == "processing":
            task.suspicious = self._scheduler.allowed_failures
        else:
            task.run_spec = None

    def log_event(self, topic: str, msg: Any) -> None:
        """Called by the scheduler when it has passed an event on: reports needn't stay in it."""
        del msg
        if topic.startswith(PREFIX):
            self._scheduler._broker.truncate(topic)  # noqa: SLF001 - as above
