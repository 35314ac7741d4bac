"""Runs the tests with each version of Python that is supported."""
