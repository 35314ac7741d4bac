"""What the decorators make: flows, tasks, their options and parameters."""
