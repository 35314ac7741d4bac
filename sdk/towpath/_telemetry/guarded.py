"""Keeps failures of telemetry away from runs: samplers and processors may be third-party code."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_log: Final = logging.getLogger("towpath.telemetry")
_told: Final[set[str]] = set()


@contextmanager
def guarded(what: str) -> Generator[None]:
    """Suppresses exceptions within, and logs the first one of each kind.

    Args:
        what: The subject of the work, for the log line: exceptions about it are one kind.
    """
    try:
        yield
    except Exception:  # noqa: BLE001 - no failure here may stop the work
        log_once(what)


def log_once(what: str) -> None:
    """Logs the exception that is being handled, the first time for each subject."""
    if what not in _told:
        _told.add(what)
        _log.exception("%s can't be exported; this is logged once", what)
