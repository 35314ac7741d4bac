"""Telling of work must not be what makes it fail: samplers and processors may be anybody's."""

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
    """Lets the work go on whatever goes wrong within, and logs the first failure of a kind."""
    try:
        yield
    except Exception:  # noqa: BLE001 - whatever it is, the work itself went well
        log_once(what)


def log_once(what: str) -> None:
    """Logs the exception that is being handled, the first time that it is about this."""
    if what not in _told:
        _told.add(what)
        _log.exception("%s can't be told of; this is logged once", what)
