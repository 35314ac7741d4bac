"""Log lines of runs."""

from __future__ import annotations

import builtins
import logging
import sys
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, overload

from towpath._delivery.reports import LogReport
from towpath._redaction.clean import clean
from towpath._runs.context import RUN_LOGGER, current_run
from towpath._runs.failures import describe
from towpath._settings.current import settings_of_runs
from towpath._strikes import spared
from towpath.exceptions import MissingContextError

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath._engine.definitions import Definition
    from towpath._runs.context import RunContext
    from towpath._settings.declared import Settings

_PRINTED: Final = "towpath_printed"
"""Attribute of the records of prints, which are reported without them."""
_SEVERITIES: Final = ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5))


class RunHandler(logging.Handler):
    """Reports log records as lines of the run that emits them."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Reports a record if the filters let it pass.

        Without the handler's lock: a reporter needs none, and a signal handler or a forked child
        that logs would find it held.
        """
        passed: Any = self.filter(record)  # A record, from 3.12 on.
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Reports a record; never raises."""
        run = current_run.get()
        if run is None or record.name.partition(".")[0] == "grpc" or hasattr(record, _PRINTED):
            return
        if self is _handler and f"{record.name}.".startswith(f"{RUN_LOGGER}."):
            return  # The logger of runs has a handler of its own.
        try:
            with spared():
                self._report(run, record)
        except Exception:  # noqa: BLE001 - logging must not break what logs
            self.handleError(record)

    def _report(self, run: RunContext, record: logging.LogRecord) -> None:
        severity = next((n for level, n in _SEVERITIES if record.levelno >= level), 1)
        error = record.exc_info[1] if record.exc_info else None
        trace_id, span_id = run.trace.ids_for_logs() if run.trace is not None else ("", "")
        run.reporter.log(
            LogReport(
                run_id=run.run_id,
                time=record.created or time.time(),
                severity=severity,
                logger=clean(record.name),
                body=run.secrets.text(record.getMessage()),
                attempt=run.attempt,
                failure=describe(error, run.secrets.text) if error is not None else None,
                trace_id=trace_id,
                span_id=span_id,
                shown=record.name == RUN_LOGGER and _is_shown(record),
            )
        )


def _add_run(record: logging.LogRecord) -> bool:
    """Adds the names and ids of the run to a record of its logger; lets every record pass."""
    run = current_run.get()
    if run is not None and not hasattr(record, "flow_run_name"):
        record.__dict__.update(_fields_of(run))
    return True


def _fields_of(run: RunContext) -> dict[str, str | None]:
    flow, task = run.flow_run, run.task_run
    return {
        "flow_run_id": flow.run_id if flow is not None else None,
        "flow_run_name": flow.name if flow is not None else None,
        "flow_name": flow.flow_name if flow is not None else None,
        "task_run_id": task.run_id if task is not None else None,
        "task_run_name": task.name if task is not None else None,
        "task_name": task.owner.name if task is not None else None,
    }


def _is_shown(record: logging.LogRecord) -> bool:
    """Whether a handler of the user's writes a record of the runs' logger to the terminal."""
    terminals = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    handlers = [*logging.getLogger(RUN_LOGGER).handlers, *logging.getLogger().handlers]
    return any(
        record.levelno >= handler.level
        and any(getattr(handler, "stream", None) is each for each in terminals if each is not None)
        for handler in handlers
    )


_print: Final = builtins.print
_handler: Final = RunHandler()
_run_handler: Final = RunHandler()
_set_up = False
_disabled: ContextVar[bool] = ContextVar("towpath_run_logger_disabled", default=False)


def set_up() -> None:
    """Adds the handlers and replaces `print`, so that output of runs is reported.

    Handlers that code has removed, such as `logging.basicConfig(force=True)`, are added again.
    """
    global _set_up  # noqa: PLW0603 - a process has one root logger and one print
    if not _set_up:
        _set_up = True
        for handler in (_handler, _run_handler):
            handler.setLevel(settings_of_runs().log_level.upper())
        builtins.print = _print_in_run
    _listen()


def _listen() -> logging.Logger:
    """Adds the handlers where they are missing; returns the logger of runs.

    Its lines reach the handlers of the root logger, too, as those of other loggers do.
    """
    root, logger = logging.getLogger(), logging.getLogger(RUN_LOGGER)
    # Two threads may come here at once: a handler that is there already is added no more.
    if _handler not in root.handlers:
        root.addHandler(_handler)
    if _run_handler not in logger.handlers:
        logger.addHandler(_run_handler)
    if _add_run not in logger.filters:
        logger.addFilter(_add_run)
    if not logger.level:
        logger.setLevel(settings_of_runs().log_level.upper())
    logger.disabled = _disabled.get()
    return logger


def logs_prints(definition: Definition, parent: RunContext | None, settings: Settings) -> bool:
    """Whether prints of a new run are logged: as its options say, else as in the run around it."""
    around = parent.log_prints if parent is not None else settings.log_prints
    return around if definition.log_prints is None else definition.log_prints


def _print_in_run(*values: object, sep: str | None = " ", **options: Any) -> None:
    """Prints; in runs with `log_prints`, also logs text that goes to standard output."""
    run = current_run.get()
    if run is None:
        _print(*values, sep=sep, **options)
        return
    with spared():
        _print_of(run, values, sep, options)


def _print_of(
    run: RunContext, values: tuple[object, ...], sep: str | None, options: dict[str, Any]
) -> None:
    # One write per line, so that output of other threads and processes can't split it.
    end = options.pop("end", None)
    line = run.secrets.redacted((" " if sep is None else sep).join(map(str, values)))
    _print(line + ("\n" if end is None else end), end="", **options)
    if run.log_prints and _is_standard_output(options.get("file")):
        _log_print(line)
        trace_id, span_id = run.trace.ids_for_logs() if run.trace is not None else ("", "")
        run.reporter.log(
            LogReport(
                run_id=run.run_id,
                time=time.time(),
                severity=9,
                logger="stdout",
                body=clean(line),
                attempt=run.attempt,
                trace_id=trace_id,
                span_id=span_id,
            )
        )


def _log_print(line: str) -> None:
    """Gives a printed line to the user's handlers, as a line of the run's logger."""
    logger = logging.getLogger(RUN_LOGGER)
    if logger.isEnabledFor(logging.INFO):
        extra = {_PRINTED: True}
        record = logger.makeRecord(RUN_LOGGER, logging.INFO, "", 0, line, (), None, extra=extra)
        logger.handle(record)


def _is_standard_output(file: object) -> bool:
    # No comparison: a file of the user's may have an `__eq__` and no `__hash__`.
    return file is None or file is sys.stdout


@overload
def get_run_logger() -> logging.Logger: ...
@overload
def get_run_logger(context: RunContext, **fields: Any) -> logging.LoggerAdapter[logging.Logger]: ...
@overload
def get_run_logger(
    context: None = None, **fields: Any
) -> logging.Logger | logging.LoggerAdapter[logging.Logger]: ...
def get_run_logger(
    context: RunContext | None = None, **fields: Any
) -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """Returns the logger of the current run.

    Its records have the attributes `flow_run_name`, `flow_name`, `task_run_name`, `task_name`,
    `flow_run_id` and `task_run_id`.

    Args:
        context: The run whose names the records have; None for the current one.
        **fields: Further attributes of the records.

    Raises:
        MissingContextError: The code runs outside of a flow or task.
    """
    run = context if context is not None else current_run.get()
    if run is None:
        if _disabled.get():
            return _nowhere()
        raise MissingContextError(
            "get_run_logger() was called outside a flow or task run: call it within one, or use"
            " logging.getLogger()"
        )
    logger = _listen()
    if context is None and not fields:
        return logger
    return logging.LoggerAdapter(logger, {**_fields_of(run), **fields})


def _nowhere() -> logging.Logger:
    """A logger that writes nothing."""
    logger = logging.getLogger("towpath.null")
    logger.disabled = True
    return logger


def get_logger(name: str | None = None) -> logging.Logger:
    """Returns a logger below that of Towpath; within runs, its lines are lines of the run.

    Args:
        name: Name of the logger; None for the logger of Towpath itself.
    """
    root = "towpath"
    if name is None or name == root:
        return logging.getLogger(root)
    return logging.getLogger(name if name.startswith(f"{root}.") else f"{root}.{name}")


@contextmanager
def disable_run_logger() -> Generator[None]:
    """Makes the logger of runs write nothing, also in a function that is called outside of runs."""
    logger = logging.getLogger(RUN_LOGGER)
    token, was = _disabled.set(True), logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        _disabled.reset(token)
        logger.disabled = was
