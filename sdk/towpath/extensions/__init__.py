"""For packages that extend Towpath, as its service does; flows and tasks need nothing of it.

`transports` is for services that are embedded in a process or run on its home, `outboxes` delivers
what processes have left, `tracing`, `spans` and `exporting` make the spans that belong to runs, and
`redaction` keeps credentials out of texts. These names may change with a minor version.
"""
