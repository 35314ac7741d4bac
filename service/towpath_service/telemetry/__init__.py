"""Telemetry of the service: wrappers around the dispatcher, the committer, transactions and loops.

No package below this one imports OpenTelemetry. If neither traces, metrics nor logs are wanted,
there are no wrappers.
"""
