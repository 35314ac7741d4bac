"""Whether the standard OTEL_* variables ask for traces."""

from __future__ import annotations

import os
from typing import Final

_ASKED_BY: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)


def wanted_by_environment() -> bool:
    """Whether an exporter or an endpoint for traces is set, and nothing switches them off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return any(os.environ.get(name, "").strip() for name in _ASKED_BY)
