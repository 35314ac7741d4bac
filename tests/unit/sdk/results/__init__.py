"""Results and caching."""
