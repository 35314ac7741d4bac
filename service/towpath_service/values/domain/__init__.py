"""The values and rules of secrets, without I/O; used by all their layers."""
