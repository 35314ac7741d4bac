"""Connections to databases, below every subject."""
