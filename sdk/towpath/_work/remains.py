"""What the processes of a run leave behind: reports in their outboxes, and their last output."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from towpath._delivery.takeover import deliver_lease, waits_for_delivery
from towpath._work.last_output import last_lines, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._settings.declared import Settings
    from towpath._transport.base import Transport
    from towpath._work.kinds.base import Handle
    from towpath._work.proof import RunEnd

_OUTPUT_BYTES: Final = 64 * 1024


class Remains:
    """Delivers what the processes of runs have reported to their outboxes; for any thread.

    With identity it is delivered by the run's own token: a worker's key may not report.
    """

    def __init__(self, settings: Settings, opener: Callable[[Settings], Transport]) -> None:
        """Delivers nothing yet.

        Args:
            settings: The worker's settings.
            opener: Opens a transport to the service.
        """
        self._settings = settings
        self._opener = opener

    def missing(self, handle: Handle, end: RunEnd) -> str | None:
        """Delivers what a run has left; returns why some of it waits, None when none does.

        Args:
            handle: The run.
            end: How it has ended.
        """
        try:
            is_whole = self.deliver(handle, end)
        except Exception as error:  # noqa: BLE001 - whatever it is, the end is to be told
            return str(error)
        return None if is_whole else "another process delivers it"

    def deliver(self, handle: Handle, end: RunEnd) -> bool:
        """Delivers what a run has left; returns whether all of it is delivered.

        The last output of a killed run becomes log lines of it, once.

        Args:
            handle: The run.
            end: How it has ended.

        Raises:
            TowpathError: The service didn't take it.
            OSError: An outbox can't be read.
        """
        home = self._settings.home
        lines = last_lines(handle, end)
        waits = waits_for_delivery(home, handle.lease_id)
        if not waits and not lines:
            return True
        token = handle.token_path
        settings = self._settings
        if token is not None:
            settings = replace(settings, run_token_file=token)
        with closing(self._opener(settings)) as transport:
            if waits and not deliver_lease(home, transport, handle.lease_id, handle.run_id):
                return False
            record(transport, settings.workspace, handle.lease_id, lines)
        return True


def output_of(handle: Handle) -> str:
    """The last output of a run; empty where it can't be read."""
    with suppress(OSError):
        return handle.output(_OUTPUT_BYTES).data.decode(errors="replace")
    return ""
