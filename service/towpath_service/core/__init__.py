"""Shared by all subjects: errors, names, clocks, the bus, limits of tenants; no I/O."""
