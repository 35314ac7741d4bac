"""Log lines of runs."""

from __future__ import annotations

import logging
import time
from typing import Final

from towpath._delivery.reports import LogReport
from towpath._engine.attempts import describe
from towpath.context import current_run
from towpath.exceptions import MissingContextError

_SEVERITIES: Final = ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5))


class RunHandler(logging.Handler):
    """Sends what is logged within a run to the run."""

    def emit(self, record: logging.LogRecord) -> None:
        """Reports a record; never raises."""
        run = current_run.get()
        if run is None or record.name.startswith("grpc"):
            return
        try:
            severity = next((n for level, n in _SEVERITIES if record.levelno >= level), 1)
            error = record.exc_info[1] if record.exc_info else None
            run.reporter.log(
                LogReport(
                    run_id=run.run_id,
                    time=record.created or time.time(),
                    severity=severity,
                    logger=record.name,
                    body=record.getMessage(),
                    attempt=run.attempt,
                    failure=describe(error) if error is not None else None,
                )
            )
        except Exception:  # noqa: BLE001 - logging must not break what logs
            self.handleError(record)


def get_run_logger() -> logging.Logger:
    """The logger of the current run.

    Raises:
        MissingContextError: There is none.
    """
    run = current_run.get()
    if run is None:
        raise MissingContextError(
            "get_run_logger() was called outside a flow or task run: call it within one, or use"
            " logging.getLogger()"
        )
    logger = logging.getLogger("towpath.runs")
    if not any(isinstance(handler, RunHandler) for handler in logger.handlers):
        logger.addHandler(RunHandler())
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
    return logger
