"""The values and rules of runs, without I/O; used by all their layers."""
