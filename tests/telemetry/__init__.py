"""Traces, metrics and logs as whoever collects them sees them."""
