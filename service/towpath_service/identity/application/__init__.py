"""The use cases of identity, which the handlers call."""
