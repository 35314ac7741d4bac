"""The handler of limits."""
