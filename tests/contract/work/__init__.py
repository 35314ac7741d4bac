"""Work on each database."""
