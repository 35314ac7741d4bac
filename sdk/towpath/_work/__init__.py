"""The worker's side of dispatched flow runs: folders, processes, and proofs of their end."""
