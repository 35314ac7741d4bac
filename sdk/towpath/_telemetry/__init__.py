"""OpenTelemetry in this process, for runs and for the service alike; it knows nothing of runs.

The modules differ in what they load: `environment`, `guarded`, `ids`, `names`, `shutdown` and
`switch` load no OpenTelemetry. `carriers` and `tracers` load its API. `exporter_logging`,
`providers` and `synthetic` load its SDK, which is there with `towpath[otel]` or where the user's
code has set up a provider.
"""
