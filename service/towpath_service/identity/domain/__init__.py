"""The values and rules of identity, without I/O; used by all its layers."""
