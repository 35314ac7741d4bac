"""The values and rules of limits, without I/O; used by all its layers."""
