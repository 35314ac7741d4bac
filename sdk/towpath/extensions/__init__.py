"""Interfaces for packages that extend Towpath, as its service does; flows and tasks need none.

`transports` is for services that are embedded in a process or run on its home. `outboxes` delivers
the reports that ended processes have left. `tracing`, `spans` and `exporting` make the spans of
runs. `redaction` removes credentials from texts. `progress` shows the progress of commands. These
names may change with a minor version.
"""
