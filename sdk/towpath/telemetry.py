"""Carries the trace of a run into other threads and processes.

Runs are traced automatically where OpenTelemetry is set up; see docs/observability.md. These
functions are for code that a run starts elsewhere: in threads, pools, Dask, subprocesses or jobs.
"""

from __future__ import annotations

from towpath._telemetry.carriers import current_carrier, environment, with_carrier

__all__ = ["current_carrier", "environment", "with_carrier"]
