"""Limits on each database."""
