"""The service's log: text or JSON lines, with their trace ids; set up by the command line."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from towpath.extensions.redaction import scrubbed

if TYPE_CHECKING:
    from collections.abc import Mapping

Format = Literal["text", "json"]
TEXT: Final = "%(asctime)s %(levelname)s %(message)s"
_formatter: Final = logging.Formatter()


def set_up_logs(form: Format, environment: Mapping[str, str] = os.environ) -> None:
    """Sends warnings and worse to standard error, and to a collector if the environment asks.

    Args:
        form: Format of the lines.
        environment: OTEL_LOGS_EXPORTER with "otlp" in it asks for OTLP.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(TEXT))
    handler.addFilter(without_credentials)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    exporters = environment.get("OTEL_LOGS_EXPORTER", "").lower().split(",")
    if "otlp" in {name.strip() for name in exporters}:
        from towpath_service.telemetry.sent_logs import (  # noqa: PLC0415 - needs OpenTelemetry's SDK
            handler_to_collector,
        )

        sent = handler_to_collector()
        sent.addFilter(without_credentials)
        logging.getLogger().addHandler(sent)


def without_credentials(record: logging.LogRecord) -> bool:
    """Redacts API keys and tokens in a record; always returns True, so the record is kept."""
    text = record.getMessage()
    redacted = scrubbed(text)
    if redacted != text:
        record.msg, record.args = redacted, None
    if record.exc_info:
        trace = _formatter.formatException(record.exc_info)
        redacted = scrubbed(trace)
        if redacted != trace:
            record.exc_text, record.exc_info = redacted, None
    return True


class JsonLines(logging.Formatter):
    """A line of JSON for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as one line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "severity": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_place(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


def _place() -> dict[str, str]:
    """Trace and span that the record is logged in, if there are any."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry import trace  # noqa: PLC0415 - it is loaded already

    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
