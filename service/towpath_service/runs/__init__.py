"""Runs: what producers report, and what readers ask of them."""
