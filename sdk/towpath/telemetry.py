"""Traces of runs beyond the thread and the process that a run is in.

Runs are traced by themselves where OpenTelemetry is set up; see docs/observability.md. What is here
is for code that leaves a run: threads of its own, pools, Dask, subprocesses, jobs.
"""

from __future__ import annotations

from towpath._telemetry.carriers import current_carrier, environment, with_carrier

__all__ = ["current_carrier", "environment", "with_carrier"]
