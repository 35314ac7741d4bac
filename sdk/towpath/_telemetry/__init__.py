"""Traces of runs.

What is imported from here decides what a process pays: `in_force`, `ids` and `names` need nothing;
`runs`, `attempts` and `carriers` need the OpenTelemetry API; `providers`, `quiet` and `synthetic`
its SDK, which only those have who installed `towpath[otel]` or set up a provider of their own.
"""
