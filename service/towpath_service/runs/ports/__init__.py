"""The ports of runs: the store that ingestion, queries and retention work on."""
