"""The web port, in front of each database."""
