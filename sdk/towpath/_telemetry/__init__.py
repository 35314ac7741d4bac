"""OpenTelemetry in this process, for runs and for the service alike; it knows nothing of runs.

What is imported from here decides what a process pays: `environment`, `guarded`, `ids`, `names`,
`shutdown` and `switch` need nothing; `carriers` and `tracers` need the OpenTelemetry API;
`exporter_logging`, `providers` and `synthetic` need its SDK, which is there with `towpath[otel]` or
where the user's code has set up a provider.
"""
