"""Telemetry of database statements: a measurement for each, and a span below recorded spans.

Spans contain a statement with its placeholders. They never contain values of users' runs, or the
path of a database file.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import Span, Tracer
    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext

    from towpath_service.telemetry.metrics import Instruments

SYSTEM: Final = "db.system.name"
NAMESPACE: Final = "db.namespace"
OPERATION: Final = "db.operation.name"
COLLECTION: Final = "db.collection.name"
SUMMARY: Final = "db.query.summary"
TEXT: Final = "db.query.text"
BATCH: Final = "db.operation.batch.size"
STATUS: Final = "db.response.status_code"
ERROR: Final = "error.type"
MOST_TEXT: Final = 2000

_TABLE: Final = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+\"?([a-z_]+)", re.IGNORECASE)
_BEGAN: Final = "towpath_began"


class StatementObserver:
    """Observes the statements of engines."""

    def __init__(self, engines: Iterable[Engine], tracer: Tracer, instruments: Instruments) -> None:
        """Begins to observe."""
        self._engines = list(engines)
        self._tracer = tracer
        self._instruments = instruments
        self._listeners: tuple[tuple[str, Any], ...] = (
            ("before_cursor_execute", self._before),
            ("after_cursor_execute", self._after),
            ("handle_error", self._failed),
        )
        for engine in self._engines:
            for name, listener in self._listeners:
                event.listen(engine, name, listener)

    def close(self) -> None:
        """Ends the observation."""
        for engine in self._engines:
            for name, listener in self._listeners:
                event.remove(engine, name, listener)

    def _before(
        self,
        connection: Any,
        _cursor: Any,
        statement: str,
        parameters: Any,
        _context: Any,
        many: bool,
    ) -> None:
        span: Span | None = None
        operation = statement.lstrip()[:20].split(None, 1)[0].upper() if statement else ""
        if trace.get_current_span().is_recording():
            attributes = _described(connection.engine, operation, statement)
            if many and len(parameters) > 1:
                attributes[BATCH] = len(parameters)
            span = self._tracer.start_span(
                attributes[SUMMARY], kind=SpanKind.CLIENT, attributes=attributes
            )
        connection.info[_BEGAN] = (time.perf_counter(), operation, span)

    def _after(self, connection: Any, *_: Any) -> None:
        self._end(connection, None)

    def _failed(self, failure: ExceptionContext) -> None:
        if failure.connection is not None:
            self._end(failure.connection, failure.original_exception)

    def _end(self, connection: Any, error: BaseException | None) -> None:
        began, operation, span = connection.info.pop(_BEGAN, (None, "", None))
        if began is None:
            return
        attributes = {SYSTEM: _common(connection.engine)[SYSTEM], OPERATION: operation}
        if error is not None:
            attributes[ERROR] = type(error).__name__
        self._instruments.statement_duration.record(time.perf_counter() - began, attributes)
        if span is None:
            return
        if error is not None:
            span.set_attribute(ERROR, type(error).__name__)
            if code := getattr(error, "sqlstate", None):
                span.set_attribute(STATUS, code)
            span.set_status(Status(StatusCode.ERROR))
        span.end()


def _described(engine: Engine, operation: str, statement: str) -> dict[str, Any]:
    """The attributes of a statement's span; its first table stands for all tables."""
    found = _TABLE.search(statement)
    table = found[1] if found else ""
    attributes: dict[str, Any] = {
        **_common(engine),
        OPERATION: operation,
        SUMMARY: f"{operation} {table}".rstrip(),
        TEXT: statement[:MOST_TEXT],
    }
    if table:
        attributes[COLLECTION] = table
    return attributes


def _common(engine: Engine) -> dict[str, str]:
    if engine.dialect.name == "sqlite":
        return {SYSTEM: "sqlite"}
    return {SYSTEM: "postgresql", NAMESPACE: engine.url.database or ""}
