"""The use cases of limits, which their handler and background loop call."""
