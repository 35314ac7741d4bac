"""Secrets on each database."""
