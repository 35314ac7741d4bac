"""Slots of limits as runs acquire them: calls, renewal, tags."""
