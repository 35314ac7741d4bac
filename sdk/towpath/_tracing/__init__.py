"""Spans of runs: the trace of a root run, its attempts, and the runs below it.

`begin` needs nothing of OpenTelemetry and is what the engine asks; the other modules load with the
first run that is traced.
"""
