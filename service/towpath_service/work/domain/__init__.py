"""The values and rules of work, without I/O; used by all its layers."""
