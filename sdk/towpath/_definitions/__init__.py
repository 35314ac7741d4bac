"""Flows and tasks as the decorators make them, with their options and parameters."""
