"""The use cases of runs, which the handlers and background loops call."""
