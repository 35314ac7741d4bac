"""Limits on what happens at once, or per second, over all processes of a workspace."""
