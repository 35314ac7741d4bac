"""What a client reads, from each database."""
