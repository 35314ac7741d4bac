"""Task runs."""
