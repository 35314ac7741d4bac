"""Spans of runs: the trace of a root run, its attempts, and the runs below it.

The engine calls `begin`, which needs no OpenTelemetry. The other modules load with the first run
that is traced.
"""
