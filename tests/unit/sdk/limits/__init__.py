"""Limits in the SDK."""
