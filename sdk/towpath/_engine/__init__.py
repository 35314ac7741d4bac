"""Runs flows and tasks: attempts, retries, timeouts, dependencies, final states."""
