"""Delivery of reports: the outbox on disk, the sender that drains it, the takeover of orphans.

`current_reporter()` gives the process's reporter; everything else here is behind it.
"""
