"""Runs: ingestion of producers' reports, and queries, watches and retention of runs."""
