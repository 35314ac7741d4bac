"""The handlers of deployments, work pools, workers and backfills."""
