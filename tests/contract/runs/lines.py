"""Log lines to be stored, of which nothing matters but whose they are."""

from __future__ import annotations

from towpath_service.runs.ports.ingest import LogLine


def log_line(run_id: str, *, sequence: int = 1, occurred_us: int = 1) -> LogLine:
    """A line of a run."""
    return LogLine(
        sequence=sequence,
        run_id=run_id,
        attempt=1,
        occurred_us=occurred_us,
        severity=9,
        logger="l",
        body="b",
        attributes=None,
        failure=None,
        trace_id="",
        span_id="",
    )
