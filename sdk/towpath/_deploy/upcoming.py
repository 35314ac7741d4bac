"""Tells what a script that serves runs next, whenever that changes."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from towpath._deploy.lines import shown_name, shown_time
from towpath.client import connect
from towpath.exceptions import TowpathError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from contextlib import AbstractContextManager

    from towpath._settings.declared import Settings
    from towpath.client import Client, DeploymentInfo

POLL_SECONDS: Final = 30.0
"""Pause between two looks for schedules that others have changed."""


class Upcoming:
    """Looks at served deployments after each of their runs, and now and then."""

    def __init__(
        self,
        settings: Settings,
        infos: Sequence[DeploymentInfo],
        tell: Callable[[str], object],
        *,
        opened: Callable[[Settings], AbstractContextManager[Client]] = connect,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Takes the deployments as they have just been told.

        Args:
            settings: The settings of the process.
            infos: The deployments.
            tell: Takes a line when the next due time has changed.
            opened: Opens a client.
            poll_seconds: Pause between two looks without a run.
        """
        self._settings = settings
        self._names = [info.name for info in infos]
        self._tell = tell
        self._opened = opened
        self._poll_seconds = poll_seconds
        self._told = upcoming_line(infos)
        self._wake = threading.Event()
        self._ended = False

    def look_soon(self) -> None:
        """Has it look now; from any thread."""
        self._wake.set()

    @contextmanager
    def looking(self) -> Generator[None]:
        """Looks in a thread of its own, while the context is open."""
        thread = threading.Thread(target=self._run, name="towpath-upcoming", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            self._wake.set()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(self._poll_seconds)
            self._wake.clear()
            if not self._ended:
                self.look()

    def look(self) -> None:
        """Tells what is due next if it isn't what was told; nothing while the server is away."""
        try:
            with self._opened(self._settings) as client:
                line = upcoming_line([client.deployments.get(name) for name in self._names])
        except TowpathError:
            return
        if line and line != self._told:
            self._tell(line)
        self._told = line


def upcoming_line(infos: Iterable[DeploymentInfo]) -> str:
    """What is due next, such as "next: etl/nightly at Wed 2 Dec 02:00 GMT (02:00 UTC)".

    Args:
        infos: The deployments.

    Returns:
        The line; empty where no deployment has a schedule.
    """
    scheduled = [info for info in infos if info.schedules]
    due = [
        (moment, shown_name(info), each.schedule.timezone)
        for info in scheduled
        if not info.paused
        for each in info.schedules
        if not each.paused
        for moment in each.next_times[:1]
    ]
    if due:
        moment, name, zone = min(due)
        return f"next: {name} at {shown_time(moment, zone)}"
    return "nothing is due: all schedules are paused or at their end" if scheduled else ""
